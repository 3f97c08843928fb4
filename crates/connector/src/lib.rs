//! Connectors: stages that take spans and give metrics.
//!
//! | file | what it holds |
//! |---|---|
//! | `spanmetrics/` | `otelcol.connector.spanmetrics`: calls, durations and events by operation |
//! | `servicegraph/` | `otelcol.connector.servicegraph`: requests between services |
//! | `attributes.rs` | attributes of series, from spans and back to messages |
//! | `distribution.rs` | durations counted in buckets, given ones or exponential ones |
//! | `emit.rs` | metrics put together and handed on |
//! | `metrics.rs` | self-metrics |
//! | `moment.rs` | the time, locks, and the end |
//!
//! What a connector holds are counts, never spans. They stand in memory only, bounded in bytes: what would go over is
//! counted in one series that says so.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod attributes;
mod distribution;
mod emit;
mod metrics;
mod moment;
mod servicegraph;
mod spanmetrics;
#[cfg(test)]
mod testing;

pub use servicegraph::{ServiceGraph, ServiceGraphArguments, StoreArguments};
pub use spanmetrics::{
    Dimension, EventsArguments, ExemplarsArguments, ExplicitArguments, ExponentialArguments, HistogramArguments,
    SpanMetrics, SpanMetricsArguments,
};

use corten_component::Registration;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<SpanMetrics>(), Registration::of::<ServiceGraph>()];

/// What the series of a connector may take of memory.
const STATE_BYTES: usize = 64 << 20;

/// The attribute of the series that stands for all that had no room.
const OVERFLOW: &str = "otel.metric.overflow";
