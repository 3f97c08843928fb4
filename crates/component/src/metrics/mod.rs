//! Self-metrics: counters, gauges and histograms that belong to a node, in Prometheus's text format.
//!
//! A node's metrics outlive its instances: the same name and labels give the same counter, so a reload never sets
//! one back. Removing the node removes its series.

mod registry;
mod text;
mod value;

pub use registry::{Registry, Scope};
pub use value::{Counter, Gauge, Histogram};

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

impl MetricKind {
    /// As the exposition format names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric's line of the reference page.
#[derive(Debug, Clone, Copy)]
pub struct MetricDoc {
    /// Its full name.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// What it counts, with the unit.
    pub help: &'static str,
    /// Its own labels, besides `component_path` and `component_id`.
    pub labels: &'static [&'static str],
}

/// A group of metrics declared as a struct. Derive it.
///
/// ```ignore
/// #[derive(Metrics)]
/// struct BatchMetrics {
///     /// Batches sent because the timeout fired.
///     #[metric(name = "otelcol_processor_batch_timeout_trigger_send_total")]
///     timeouts: Counter,
/// }
/// const METRICS: &[MetricDoc] = BatchMetrics::DOCS;
/// let metrics = BatchMetrics::register(cx.metrics(), &[("processor", "batch/x")]);
/// ```
pub trait Metrics: Sized {
    /// The declaration.
    const DOCS: &'static [MetricDoc];
    /// The node's metrics of this group, at zero if they are new.
    fn register(scope: &Scope, labels: &[(&str, &str)]) -> Self;
}
