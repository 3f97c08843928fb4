//! What the file says of metrics.

use super::Family;
use super::family::Measure;
use crate::telemetry::Select;

/// Upper boundaries of durations, in seconds.
pub const SECONDS: [f64; 15] = [0.0, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Upper boundaries of sizes, in bytes.
pub const BYTES: [f64; 10] = [0.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0];

/// What span metrics are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanNames {
    /// As Tempo's generator calls them: `traces_spanmetrics_latency`.
    Tempo,
    /// As the collector's connector calls them: `traces_span_metrics_duration_seconds`.
    Otel,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Durations and sizes.
    pub application: bool,
    /// The service graph.
    pub graph: bool,
    /// Span metrics.
    pub spans: Option<SpanNames>,
    /// Sizes by span.
    pub sizes: bool,
    /// Which machine it is.
    pub host: bool,
    /// What processes use.
    pub process: bool,
}

impl Features {
    /// Whether anything is counted by span.
    pub(super) fn any_span(self) -> bool {
        self.spans.is_some() || self.sizes || self.graph
    }
}

/// What the file says of metrics.
#[derive(Debug, Clone, Default)]
pub struct MeasureSettings {
    /// What is counted.
    pub features: Features,
    /// Upper boundaries of durations; the defaults if there are none.
    pub seconds: Vec<f64>,
    /// Upper boundaries of requests' sizes.
    pub request_bytes: Vec<f64>,
    /// Upper boundaries of responses' sizes.
    pub response_bytes: Vec<f64>,
    /// Whether requests of a service to itself are in the service graph.
    pub self_references: bool,
    /// Attributes of the resource that `target_info` has besides its own.
    pub resource_labels: Vec<String>,
    /// Attributes of the resource that span metrics have besides their own.
    pub span_labels: Vec<String>,
    /// How many span names a service may have in span metrics; 0 is any number.
    pub span_names: usize,
    /// Which attributes are told.
    pub select: Select,
    /// The machine's id.
    pub host_id: String,
}

impl MeasureSettings {
    /// The boundaries of a family's histogram; `None` if it has none.
    pub(super) fn bounds(&self, family: Family) -> Option<&[f64]> {
        match family.about().measure {
            Measure::Seconds if self.seconds.is_empty() => Some(&SECONDS),
            Measure::Seconds => Some(&self.seconds),
            Measure::RequestBytes if self.request_bytes.is_empty() => Some(&BYTES),
            Measure::RequestBytes => Some(&self.request_bytes),
            Measure::ResponseBytes if self.response_bytes.is_empty() => Some(&BYTES),
            Measure::ResponseBytes => Some(&self.response_bytes),
            Measure::Sum => None,
        }
    }
}
