//! The spans that a load leaves, for hosts that export them. Where nobody does they cost nothing.
//!
//! Their target is [`TRACE_TARGET`], so that a host can tell them from those that give log lines their context.

use corten_component::{NodeId, TRACE_TARGET};
use tracing::Span;

/// A whole load.
pub(crate) fn load(origin: &str) -> Span {
    tracing::info_span!(target: TRACE_TARGET, "GraphEvaluate", config = origin)
}

/// A plan for what changed while running.
pub(crate) fn replan() -> Span {
    tracing::info_span!(target: TRACE_TARGET, "GraphEvaluatePartial")
}

/// One node of it.
pub(crate) fn node(id: &NodeId) -> Span {
    tracing::info_span!(target: TRACE_TARGET, "EvaluateNode", node_id = id.local(), controller_path = id.path())
}

/// What is planned takes effect.
pub(crate) fn commit() -> Span {
    tracing::info_span!(target: TRACE_TARGET, "GraphCommit")
}

/// Building an instance. Its level is the highest so that no filter takes the component's name away from a log line.
pub(crate) fn build(id: &NodeId) -> Span {
    tracing::error_span!("ComponentBuild", component_path = id.path(), component_id = id.local())
}
