//! Relabelling: the `rule` blocks that `prometheus.*`, `loki.*`, `discovery.*` and `pyroscope.*` share.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | [`RuleArguments`]: what a `rule` block says, and which combinations make sense |
//! | `rule.rs` | [`Rules`]: rules ready to be applied, and how each action works |
//!
//! Source: Prometheus's documentation of `relabel_config` and Alloy's of the components' `rule` blocks.

mod arguments;
mod rule;

use std::sync::Arc;

use corten_component::Behaviour;

pub use arguments::{Action, RuleArguments};
pub use rule::Rules;

/// Rules that a component exports as `rules`, for sources that relabel before they read.
pub trait RuleSet: Send + Sync + 'static {
    /// The rules as they are now.
    fn rules(&self) -> Arc<Rules>;
}

impl Behaviour for dyn RuleSet {
    const CAPSULE: &'static str = "RelabelRules";
}

/// Rules that stay as they are.
impl RuleSet for Arc<Rules> {
    fn rules(&self) -> Arc<Rules> {
        Self::clone(self)
    }
}
