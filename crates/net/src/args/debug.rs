//! `debug_metrics`.

use corten_component::{Arguments, Enumeration};

/// Which self-metrics a component shows.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct DebugMetrics {
    /// Leave out metrics whose labels may take many values. Corten has none, so this changes nothing.
    pub disable_high_cardinality_metrics: bool,
    /// Deprecated and without effect.
    pub level: MetricsLevel,
}

impl Default for DebugMetrics {
    fn default() -> Self {
        Self { disable_high_cardinality_metrics: true, level: MetricsLevel::default() }
    }
}

/// The levels that once were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum MetricsLevel {
    /// No metrics.
    None,
    /// Few.
    Basic,
    /// Some.
    Normal,
    /// All.
    #[default]
    Detailed,
}
