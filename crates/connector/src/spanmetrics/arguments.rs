//! What the user writes.

use std::time::Duration;

use corten_component::{Arguments, Invalid};
use corten_net::args::DebugMetrics;
use corten_signal::otlp::OutputArguments;

use super::dimensions;

/// The arguments of `otelcol.connector.spanmetrics`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct SpanMetricsArguments {
    /// What comes before `.calls`, `.duration` and `.events` in the names of metrics; `""` leaves it and the dot out.
    pub namespace: String,
    /// How often metrics are sent.
    pub metrics_flush_interval: Duration,
    /// Since when points count: `"CUMULATIVE"`, since the series began, or `"DELTA"`, since they were last sent.
    pub aggregation_temporality: String,
    /// Which of `service.name`, `span.name`, `span.kind`, `status.code` series are not told apart by.
    pub exclude_dimensions: Vec<String>,
    /// How many series each metric of a resource may have; what comes after is counted in one series with
    /// `otel.metric.overflow`. 0 means no limit but that of memory.
    pub aggregation_cardinality_limit: usize,
    /// A resource from which no span came for so long is forgotten. `"0s"` means never.
    pub metrics_expiration: Duration,
    /// A series that counted nothing for so long is forgotten. `"0s"` means never.
    pub series_expiration: Duration,
    /// How many resources are remembered; those that were not seen for longest go first.
    pub resource_metrics_cache_size: usize,
    /// Attributes that tell resources apart; all of them if none is named.
    pub resource_metrics_key_attributes: Vec<String>,
    /// Of how many delta series it is remembered when they were last sent.
    pub metric_timestamp_cache_size: usize,
    /// Names of instrumentation scopes that are added to series as `span.instrumentation.scope.name` and `.version`.
    pub include_instrumentation_scope: Vec<String>,
    /// Whether series carry `collector.instance.id`, which is new with each instance.
    pub include_collector_instance_id: bool,
    /// Deprecated and without effect.
    pub dimensions_cache_size: i64,
    /// Attributes of spans or resources that series are told apart by.
    #[arg(block)]
    pub dimension: Vec<Dimension>,
    /// Further ones, of calls only.
    #[arg(block)]
    pub calls_dimension: Vec<Dimension>,
    /// How durations are counted.
    #[arg(block, required)]
    pub histogram: HistogramArguments,
    /// Whether points name spans as examples.
    #[arg(block)]
    pub exemplars: ExemplarsArguments,
    /// Whether events of spans are counted.
    #[arg(block)]
    pub events: EventsArguments,
    /// Where metrics go.
    #[arg(block, required)]
    pub output: OutputArguments,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

impl Default for SpanMetricsArguments {
    fn default() -> Self {
        Self {
            namespace: "traces.span.metrics".to_owned(),
            metrics_flush_interval: Duration::from_secs(60),
            aggregation_temporality: CUMULATIVE.to_owned(),
            exclude_dimensions: Vec::new(),
            aggregation_cardinality_limit: 0,
            metrics_expiration: Duration::ZERO,
            series_expiration: Duration::ZERO,
            resource_metrics_cache_size: 1000,
            resource_metrics_key_attributes: Vec::new(),
            metric_timestamp_cache_size: 1000,
            include_instrumentation_scope: Vec::new(),
            include_collector_instance_id: false,
            dimensions_cache_size: 0,
            dimension: Vec::new(),
            calls_dimension: Vec::new(),
            histogram: HistogramArguments::default(),
            exemplars: ExemplarsArguments::default(),
            events: EventsArguments::default(),
            output: OutputArguments::default(),
            debug_metrics: DebugMetrics::default(),
        }
    }
}

const CUMULATIVE: &str = "CUMULATIVE";
const DELTA: &str = "DELTA";

/// An attribute that series are told apart by.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct Dimension {
    /// The attribute's name: of the span, or else of the resource.
    pub name: String,
    /// The value where there is no such attribute; without it, the series lacks the attribute.
    pub default: Option<String>,
    /// Instead of a name, a pattern of names: `*` is anything up to the next dot, `**` anything.
    pub glob: String,
}

/// How durations are counted.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct HistogramArguments {
    /// Whether durations are not counted.
    pub disable: bool,
    /// The unit of durations: `"ms"` or `"s"`.
    pub unit: String,
    /// Further attributes that series are told apart by, of durations only.
    #[arg(block)]
    pub dimension: Vec<Dimension>,
    /// Buckets with given bounds.
    #[arg(block)]
    pub explicit: Option<ExplicitArguments>,
    /// Buckets that find their own bounds.
    #[arg(block)]
    pub exponential: Option<ExponentialArguments>,
}

impl Default for HistogramArguments {
    fn default() -> Self {
        Self { disable: false, unit: "ms".to_owned(), dimension: Vec::new(), explicit: None, exponential: None }
    }
}

impl HistogramArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if !["ms", "s"].contains(&self.unit.as_str()) {
            let message = format!("unknown unit {:?}, allowed units are \"ms\" and \"s\"", self.unit);
            return Err(Invalid::at("unit", message));
        }
        match (&self.explicit, &self.exponential) {
            (Some(_), Some(_)) => {
                let message = "only one of exponential or explicit histogram configuration can be specified";
                Err(Invalid::new(message).with_help("remove one of the two blocks"))
            }
            (None, None) => {
                let message = "either exponential or explicit histogram configuration must be specified";
                Err(Invalid::new(message).with_help("write `explicit { }` for the usual buckets"))
            }
            _ => Ok(()),
        }
    }
}

/// Buckets with given bounds.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct ExplicitArguments {
    /// The upper bounds, rising.
    pub buckets: Vec<Duration>,
}

/// The bounds of buckets where none are written, of both connectors.
pub(crate) fn usual_buckets() -> Vec<Duration> {
    [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000].map(Duration::from_millis).to_vec()
}

impl Default for ExplicitArguments {
    fn default() -> Self {
        Self { buckets: usual_buckets() }
    }
}

/// Buckets that find their own bounds.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct ExponentialArguments {
    /// How many buckets there are at most.
    pub max_size: i32,
}

impl Default for ExponentialArguments {
    fn default() -> Self {
        Self { max_size: 160 }
    }
}

impl ExponentialArguments {
    fn validate(&self) -> Result<(), Invalid> {
        match self.max_size {
            ..=0 => Err(Invalid::at("max_size", "max_size must be greater than 0")),
            _ => Ok(()),
        }
    }
}

/// Whether points name spans as examples.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct ExemplarsArguments {
    /// Whether they do.
    pub enabled: bool,
    /// How many a point has at most: the first that came since metrics were last sent.
    pub max_per_data_point: usize,
}

impl Default for ExemplarsArguments {
    fn default() -> Self {
        Self { enabled: false, max_per_data_point: 5 }
    }
}

/// Whether events of spans are counted.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct EventsArguments {
    /// Whether they are.
    pub enabled: bool,
    /// Attributes of events that series are told apart by; at least one.
    #[arg(block)]
    pub dimension: Vec<Dimension>,
}

impl SpanMetricsArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.metrics_flush_interval.is_zero() {
            let message = "metrics_flush_interval must be greater than 0";
            return Err(Invalid::at("metrics_flush_interval", message));
        }
        if ![CUMULATIVE, DELTA].contains(&self.aggregation_temporality.as_str()) {
            let message = format!("invalid aggregation_temporality: {}", self.aggregation_temporality);
            let help = format!("write {CUMULATIVE:?} or {DELTA:?}");
            return Err(Invalid::at("aggregation_temporality", message).with_help(help));
        }
        if self.resource_metrics_cache_size == 0 {
            let message = "resource_metrics_cache_size must be greater than 0";
            return Err(Invalid::at("resource_metrics_cache_size", message));
        }
        if self.is_delta() && self.metric_timestamp_cache_size == 0 {
            let message = "invalid delta timestamp cache size: 0, the maximum number of the items in the cache should \
                           be positive";
            return Err(Invalid::at("metric_timestamp_cache_size", message));
        }
        let lists = [
            ("dimensions", &self.dimension),
            ("calls dimensions", &self.calls_dimension),
            ("histogram dimensions", &self.histogram.dimension),
        ];
        for (name, list) in lists {
            dimensions::validate(list).map_err(|why| Invalid::new(format!("failed validating {name}: {why}")))?;
        }
        if self.events.enabled {
            let checked = match self.events.dimension.as_slice() {
                [] => Err("no dimensions configured for events".to_owned()),
                list => dimensions::validate(list),
            };
            checked.map_err(|why| Invalid::at("events", format!("failed validating event dimensions: {why}")))?;
        }
        Ok(())
    }

    pub(crate) fn is_delta(&self) -> bool {
        self.aggregation_temporality == DELTA
    }

    /// Whether series that were counted under these arguments may go on under others.
    pub(crate) fn series_go_on_under(&self, other: &Self) -> bool {
        let series = |args: &Self| Self {
            metrics_flush_interval: Duration::ZERO,
            metrics_expiration: Duration::ZERO,
            series_expiration: Duration::ZERO,
            aggregation_cardinality_limit: 0,
            resource_metrics_cache_size: 0,
            metric_timestamp_cache_size: 0,
            dimensions_cache_size: 0,
            exemplars: ExemplarsArguments::default(),
            output: OutputArguments::default(),
            debug_metrics: DebugMetrics::default(),
            ..args.clone()
        };
        // What was taken and what stands behind the port must agree on whether there are consumers.
        series(self) == series(other) && self.output.kinds() == other.output.kinds()
    }
}
