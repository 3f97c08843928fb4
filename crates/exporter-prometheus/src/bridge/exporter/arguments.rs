//! What the user writes.

use std::time::Duration;

use corten_component::{Arguments, Fanout, Invalid};
use corten_signal::samples::Samples;

/// The arguments of `otelcol.exporter.prometheus`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct OtlpToSamplesArguments {
    /// Where samples go.
    #[arg(required)]
    pub forward_to: Fanout<Samples>,
    /// Whether there is a `target_info` of each resource.
    pub include_target_info: bool,
    /// Whether there is an `otel_scope_info` of each scope.
    pub include_scope_info: bool,
    /// Whether series have the labels `otel_scope_name` and `otel_scope_version`. Not written: no (as in Alloy, where
    /// the default is said to be yes, and the argument has no effect).
    pub include_scope_labels: Option<bool>,
    /// Whether names end in unit and type (`_seconds`, `_total`).
    pub add_metric_suffixes: bool,
    /// Whether attributes of the resource are labels of each series.
    pub resource_to_telemetry_conversion: bool,
    /// Whether `target_info` also keeps `service.name`, `service.namespace` and `service.instance.id`, which `job` and
    /// `instance` are made of.
    pub keep_identifying_resource_attributes: bool,
    /// Whether type, help and unit of metrics may leave the process as metadata.
    pub honor_metadata: bool,
    /// Whether histograms with given buckets become native ones with custom buckets.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Whether counters and histograms begin with a zero at their start time.
    pub start_timestamp_zero_ingestion: bool,
    /// How often it is looked for series that were not seen for 5 minutes, to forget them.
    pub gc_frequency: Duration,
}

impl Default for OtlpToSamplesArguments {
    fn default() -> Self {
        Self {
            forward_to: Fanout::default(),
            include_target_info: true,
            include_scope_info: false,
            include_scope_labels: None,
            add_metric_suffixes: true,
            resource_to_telemetry_conversion: false,
            keep_identifying_resource_attributes: false,
            honor_metadata: false,
            convert_classic_histograms_to_nhcb: false,
            start_timestamp_zero_ingestion: false,
            gc_frequency: Duration::from_secs(300),
        }
    }
}

impl OtlpToSamplesArguments {
    fn validate(&self) -> Result<(), Invalid> {
        match self.gc_frequency.is_zero() {
            true => Err(Invalid::at("gc_frequency", "gc_frequency must be greater than 0")),
            false => Ok(()),
        }
    }
}
