//! Self-metrics of the connectors.

use corten_component::Metrics;
use corten_component::metrics::{Counter, Gauge};

#[derive(Metrics)]
pub(crate) struct Meters {
    /// Spans left out because their resource has no service.name.
    #[metric(name = "corten_connector_unnamed_spans_total")]
    pub(crate) unnamed: Counter,
    /// Times that something was counted in the series for all that had no room.
    #[metric(name = "corten_connector_overflows_total")]
    pub(crate) overflows: Counter,
    /// Series held.
    #[metric(name = "corten_connector_series")]
    pub(crate) series: Gauge,
    /// Bytes that the series take, about.
    #[metric(name = "corten_connector_state_bytes")]
    pub(crate) bytes: Gauge,
    /// Data points handed on.
    #[metric(name = "corten_connector_emitted_points_total")]
    pub(crate) emitted: Counter,
    /// Data points that no consumer took.
    #[metric(name = "corten_connector_refused_points_total")]
    pub(crate) refused: Counter,
}
