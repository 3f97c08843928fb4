//! Self-metrics, under Alloy's names.

use corten_component::Metrics;
use corten_component::metrics::{Counter, Gauge, Histogram};

/// Seconds.
const LATENCIES: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// What the component counts.
#[derive(Debug, Clone, Metrics)]
pub(crate) struct Meters {
    /// Samples and exemplars that came.
    #[metric(name = "alloy_prometheus_relabel_metrics_processed")]
    pub(crate) processed: Counter,
    /// Samples that the rules kept.
    #[metric(name = "alloy_prometheus_relabel_metrics_written")]
    pub(crate) written: Counter,
    /// Samples and exemplars whose result was remembered.
    #[metric(name = "alloy_prometheus_relabel_cache_hits")]
    pub(crate) hits: Counter,
    /// Those to which the rules had to be applied.
    #[metric(name = "alloy_prometheus_relabel_cache_misses")]
    pub(crate) misses: Counter,
    /// Results forgotten since their series had ended.
    #[metric(name = "alloy_prometheus_relabel_cache_deletes")]
    pub(crate) deletes: Counter,
    /// Results forgotten since their series were not seen for `cache_ttl`.
    #[metric(name = "alloy_prometheus_relabel_cache_ttl_evictions")]
    pub(crate) expired: Counter,
    /// Series whose result is remembered.
    #[metric(name = "alloy_prometheus_relabel_cache_size")]
    pub(crate) size: Gauge,
    /// Time from handing samples on to the answer, in seconds.
    #[metric(name = "prometheus_fanout_latency", buckets = LATENCIES)]
    pub(crate) latency: Histogram,
    /// Samples handed on and taken.
    #[metric(name = "prometheus_forwarded_samples_total")]
    pub(crate) forwarded: Counter,
}
