//! Self-metrics, under Prometheus's and Alloy's names.

use corten_component::Metrics;
use corten_component::metrics::{Counter, Gauge, Histogram, MetricDoc, Metrics as _, Scope};
use corten_net::client::join_docs;

const BOTH: [MetricDoc; Meters::DOCS.len() + JobMeters::DOCS.len()] = join_docs(Meters::DOCS, JobMeters::DOCS);
pub(crate) const DOCS: &[MetricDoc] = &BOTH;

/// Seconds.
const LATENCIES: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Without buckets: what dashboards divide of a summary is there, its sum and its count.
const NONE: [f64; 0] = [];

/// What a scraper counts.
#[derive(Debug, Clone, Metrics)]
pub(crate) struct Meters {
    /// Targets that this component is to scrape.
    #[metric(name = "prometheus_scrape_targets_gauge")]
    pub(crate) targets: Gauge,
    /// Targets that have moved to another member of the cluster: always 0.
    #[metric(name = "prometheus_scrape_targets_moved_total")]
    _moved: Counter,
    /// Time from handing samples on to the answer, in seconds.
    #[metric(name = "prometheus_fanout_latency", buckets = LATENCIES)]
    pub(crate) latency: Histogram,
    /// Samples handed on and taken.
    #[metric(name = "prometheus_forwarded_samples_total")]
    pub(crate) forwarded: Counter,
    /// Samples that nobody took.
    #[metric(name = "corten_scrape_refused_samples_total")]
    pub(crate) refused: Counter,
    /// Scrape pools made: one for each instance of the component.
    #[metric(name = "prometheus_target_scrape_pools_total")]
    pub(crate) pools: Counter,
    /// Scrape pools that could not be made: always 0, since such a load fails.
    #[metric(name = "prometheus_target_scrape_pools_failed_total")]
    _pools_failed: Counter,
    /// Changes of the arguments other than targets.
    #[metric(name = "prometheus_target_scrape_pool_reloads_total")]
    pub(crate) reloads: Counter,
    /// Such changes that failed: always 0, since such a load fails.
    #[metric(name = "prometheus_target_scrape_pool_reloads_failed_total")]
    _reloads_failed: Counter,
    /// How often there were more targets than `target_limit`.
    #[metric(name = "prometheus_target_scrape_pool_exceeded_target_limit_total")]
    pub(crate) target_limit_hit: Counter,
    /// Scrapes with a label beyond a limit.
    #[metric(name = "prometheus_target_scrape_pool_exceeded_label_limits_total")]
    pub(crate) label_limits_hit: Counter,
    /// Scrapes with a body beyond `body_size_limit`.
    #[metric(name = "prometheus_target_scrapes_exceeded_body_size_limit_total")]
    pub(crate) body_limit_hit: Counter,
    /// Scrapes with more samples than `sample_limit`.
    #[metric(name = "prometheus_target_scrapes_exceeded_sample_limit_total")]
    pub(crate) sample_limit_hit: Counter,
    /// Scrapes with a histogram beyond `native_histogram_bucket_limit`.
    #[metric(name = "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total")]
    pub(crate) bucket_limit_hit: Counter,
    /// Times that a cache of series grew too large while scrapes failed.
    #[metric(name = "prometheus_target_scrapes_cache_flush_forced_total")]
    pub(crate) flushes: Counter,
    /// Samples dropped since their series had come already in the same scrape.
    #[metric(name = "prometheus_target_scrapes_sample_duplicate_timestamp_total")]
    pub(crate) duplicates: Counter,
    /// Samples dropped since their time is too far ahead.
    #[metric(name = "prometheus_target_scrapes_sample_out_of_bounds_total")]
    pub(crate) out_of_bounds: Counter,
    /// Samples dropped here for their order: always 0, whoever stores them counts them.
    #[metric(name = "prometheus_target_scrapes_sample_out_of_order_total")]
    _out_of_order: Counter,
    /// Exemplars dropped here for their order: always 0, whoever stores them counts them.
    #[metric(name = "prometheus_target_scrapes_exemplar_out_of_order_total")]
    _exemplars_out_of_order: Counter,
}

/// What a scraper counts for its job.
#[derive(Debug, Clone, Metrics)]
pub(crate) struct JobMeters {
    /// Targets that are scraped.
    #[metric(name = "prometheus_target_scrape_pool_targets", labels = ["scrape_job"])]
    pub(crate) targets: Gauge,
    /// Targets allowed; 0 is no limit.
    #[metric(name = "prometheus_target_scrape_pool_target_limit", labels = ["scrape_job"])]
    pub(crate) target_limit: Gauge,
    /// Times that targets were taken over from discovery.
    #[metric(name = "prometheus_target_scrape_pool_sync_total", labels = ["scrape_job"])]
    pub(crate) syncs: Counter,
    /// Time that it took to take targets over, in seconds. (Sum and count; Prometheus has quantiles, too.)
    #[metric(name = "prometheus_target_sync_length_seconds", labels = ["scrape_job"], buckets = NONE)]
    pub(crate) sync_length: Histogram,
    /// Discovered targets that cannot be scraped.
    #[metric(name = "prometheus_target_sync_failed_total", labels = ["scrape_job"])]
    pub(crate) sync_failed: Counter,
}

/// Time between two scrapes of a target, under both of Prometheus's names.
pub(crate) struct Intervals([Histogram; 2]);

impl Intervals {
    pub(crate) fn new(scope: &Scope, interval: &str) -> Self {
        const BOUNDS: [f64; 12] = [0.01, 0.1, 1.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
        let register = |name, bounds: &[f64]| {
            scope.histogram(name, "Time between two scrapes, in seconds.", bounds, &[("interval", interval)])
        };
        Self([
            register("prometheus_target_interval_length_histogram_seconds", &BOUNDS),
            register("prometheus_target_interval_length_seconds", &NONE),
        ])
    }

    pub(crate) fn observe(&self, seconds: f64) {
        self.0.iter().for_each(|histogram| histogram.observe(seconds));
    }
}
