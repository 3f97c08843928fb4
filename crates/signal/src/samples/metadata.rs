//! What a metric family is: type, help, unit.

use std::sync::Arc;

/// Type, help and unit of a metric family.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// The family's name as the source gave it: with `_total` or without, as its format has it.
    pub family: Arc<str>,
    /// What kind of metric it is.
    pub kind: MetricKind,
    /// What it counts; may be empty.
    pub help: Arc<str>,
    /// Its unit; may be empty.
    pub unit: Arc<str>,
}

/// The types of the Prometheus and OpenMetrics formats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Not said (`untyped` in the older format).
    #[default]
    Unknown,
    /// Only grows, or begins anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counted in buckets.
    Histogram,
    /// Buckets that go up and down.
    GaugeHistogram,
    /// Quantiles.
    Summary,
    /// Always 1; the labels say it.
    Info,
    /// One of several states.
    StateSet,
}

impl MetricKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    /// The word of OpenMetrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// The type of this word; `untyped` is the older format's word for [`Self::Unknown`].
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "untyped" => Some(Self::Unknown),
            _ => Self::ALL.into_iter().find(|kind| kind.as_str() == word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for kind in MetricKind::ALL {
            assert_eq!(MetricKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(MetricKind::parse("untyped"), Some(MetricKind::Unknown));
        assert_eq!(MetricKind::parse("Counter"), None);
    }
}
