//! Metrics, traces, routes and filters.

use std::time::Duration;

use corten_component::{Arguments, Enumeration, Invalid};

use crate::telemetry::measure::{Features, SpanNames};
use crate::telemetry::{RouteRules, Unmatched};

const FEATURES: [&str; 20] = [
    "*",
    "all",
    "application",
    "application_host",
    "application_jvm",
    "application_process",
    "application_runtime",
    "application_service_graph",
    "application_span",
    "application_span_otel",
    "application_span_sizes",
    "ebpf",
    "network",
    "network_flow_packets",
    "network_inter_zone",
    "stats",
    "stats_tcp_failed_connections",
    "stats_tcp_io",
    "stats_tcp_retransmits",
    "stats_tcp_rtt",
];

const INSTRUMENTATIONS: [&str; 16] = [
    "*",
    "amqp",
    "couchbase",
    "dns",
    "genai",
    "gpu",
    "grpc",
    "http",
    "kafka",
    "memcached",
    "mongo",
    "mqtt",
    "nats",
    "redis",
    "sql",
    "sunrpc",
];

/// `metrics`
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct MetricsArguments {
    /// Which families: `application` (durations and sizes), `application_service_graph`, `application_span` or
    /// `application_span_otel` (metrics of spans), `application_span_sizes`, `application_host`, `application_process`;
    /// `all`.
    pub features: Vec<String>,
    /// Which protocols: `http`, `grpc`; `*` is all.
    pub instrumentations: Vec<String>,
    /// Whether requests of a service to itself are in the service graph.
    pub allow_service_graph_self_references: bool,
    /// Attributes of the resource that `target_info` has besides its own, such as `deployment.environment`.
    pub extra_resource_labels: Vec<String>,
    /// Attributes of the resource that metrics of spans have besides their own.
    pub extra_span_resource_labels: Vec<String>,
    /// Accepted and without effect: exemplars are not made.
    pub exemplar_filter: String,
    /// How long a series stays that nothing is counted in.
    pub ttl: Duration,
    /// Upper boundaries of histograms.
    #[arg(block)]
    pub buckets: BucketsArguments,
    /// Native histograms (not implemented).
    #[arg(block)]
    pub native_histogram: Option<NativeHistogramArguments>,
    /// Network flows (not implemented).
    #[arg(block)]
    pub network: Option<NetworkArguments>,
}

impl Default for MetricsArguments {
    fn default() -> Self {
        Self {
            features: Vec::new(),
            instrumentations: vec!["*".to_owned()],
            allow_service_graph_self_references: false,
            extra_resource_labels: Vec::new(),
            extra_span_resource_labels: [
                "k8s.cluster.name",
                "k8s.namespace.name",
                "service.version",
                "deployment.environment",
            ]
            .map(str::to_owned)
            .to_vec(),
            exemplar_filter: "always_off".to_owned(),
            ttl: Duration::from_secs(300),
            buckets: BucketsArguments::default(),
            native_histogram: None,
            network: None,
        }
    }
}

impl MetricsArguments {
    fn validate(&self) -> Result<(), Invalid> {
        known("features", &self.features, &FEATURES)?;
        if ["application_span", "application_span_otel"].iter().all(|name| self.features.iter().any(|f| f == name)) {
            return Err(Invalid::at(
                "features",
                "application_span and application_span_otel count the same under different names: only one of them can be enabled",
            ));
        }
        known("instrumentations", &self.instrumentations, &INSTRUMENTATIONS)
    }

    /// Whether the file chose families.
    pub(super) fn are_written(&self) -> bool {
        !self.features.is_empty()
    }

    fn wants(&self, names: &[&str]) -> bool {
        self.features.iter().any(|feature| matches!(feature.as_str(), "*" | "all") || names.contains(&feature.as_str()))
    }

    /// Whether a family of applications is wanted.
    pub fn has_application(&self) -> bool {
        self.features.is_empty()
            || self.features.iter().any(|f| matches!(f.as_str(), "*" | "all") || f.starts_with("application"))
    }

    /// What is counted; durations and sizes if nothing is said.
    pub fn counted(&self) -> Features {
        let spans = match (self.wants(&["application_span"]), self.wants(&["application_span_otel"])) {
            (true, _) => Some(SpanNames::Tempo),
            (false, true) => Some(SpanNames::Otel),
            (false, false) => None,
        };
        Features {
            application: self.features.is_empty() || self.wants(&["application"]),
            graph: self.wants(&["application_service_graph"]),
            spans,
            sizes: self.wants(&["application_span_sizes"]),
            host: self.wants(&["application_host"]),
            process: self.wants(&["application_process"]),
        }
    }

    /// Families that were asked for and are not made.
    pub fn absent(&self) -> Vec<&str> {
        let made = [
            "*",
            "all",
            "application",
            "application_host",
            "application_process",
            "application_service_graph",
            "application_span",
            "application_span_otel",
            "application_span_sizes",
        ];
        self.features.iter().map(String::as_str).filter(|feature| !made.contains(feature)).collect()
    }
}

/// `metrics` > `buckets`
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct BucketsArguments {
    /// Of durations, in seconds; empty for 0 to 10 s.
    pub duration_histogram: Vec<f64>,
    /// Of request bodies, in bytes; empty for 0 to 8192.
    pub request_size_histogram: Vec<f64>,
    /// Of response bodies, in bytes; empty for 0 to 8192.
    pub response_size_histogram: Vec<f64>,
    /// Accepted and without effect.
    pub stat_tcp_rtt_histogram: Vec<f64>,
    /// Accepted and without effect.
    pub gen_ai_client_operation_duration_histogram: Vec<f64>,
    /// Accepted and without effect.
    pub gen_ai_client_token_usage_histogram: Vec<f64>,
}

impl BucketsArguments {
    fn validate(&self) -> Result<(), Invalid> {
        let own = [
            ("duration_histogram", &self.duration_histogram),
            ("request_size_histogram", &self.request_size_histogram),
            ("response_size_histogram", &self.response_size_histogram),
        ];
        match own.into_iter().find(|(_, bounds)| !bounds.is_sorted_by(|a, b| a < b)) {
            None => Ok(()),
            Some((field, _)) => Err(Invalid::at(field, "each boundary must be greater than the one before it")),
        }
    }

    /// Whether boundaries are chosen of what is not measured.
    pub(super) fn are_foreign(&self) -> bool {
        !self.stat_tcp_rtt_histogram.is_empty()
            || !self.gen_ai_client_operation_duration_histogram.is_empty()
            || !self.gen_ai_client_token_usage_histogram.is_empty()
    }
}

/// `metrics` > `native_histogram`
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct NativeHistogramArguments {
    /// Accepted and without effect.
    pub bucket_factor: f64,
    /// Accepted and without effect.
    pub max_bucket_number: u32,
    /// Accepted and without effect.
    pub min_reset_duration: Duration,
}

/// `metrics` > `network`
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct NetworkArguments {
    /// Not implemented.
    pub enable: bool,
    /// Not implemented.
    pub source: String,
    /// Not implemented.
    pub agent_ip: String,
    /// Not implemented.
    pub agent_ip_iface: String,
    /// Not implemented.
    pub agent_ip_type: String,
    /// Not implemented.
    pub interfaces: Vec<String>,
    /// Not implemented.
    pub exclude_interfaces: Vec<String>,
    /// Not implemented.
    pub protocols: Vec<String>,
    /// Not implemented.
    pub exclude_protocols: Vec<String>,
    /// Not implemented.
    pub cache_max_flows: u32,
    /// Not implemented.
    pub cache_active_timeout: Duration,
    /// Not implemented.
    pub direction: String,
    /// Not implemented.
    pub sampling: u32,
    /// Not implemented.
    pub cidrs: Vec<String>,
}

/// `traces`
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct TracesArguments {
    /// Which protocols: `http`, `grpc`; `*` is all.
    pub instrumentations: Vec<String>,
    /// Which traces are kept.
    #[arg(block)]
    pub sampler: SamplerArguments,
}

impl Default for TracesArguments {
    fn default() -> Self {
        Self { instrumentations: vec!["*".to_owned()], sampler: SamplerArguments::default() }
    }
}

impl TracesArguments {
    fn validate(&self) -> Result<(), Invalid> {
        known("instrumentations", &self.instrumentations, &INSTRUMENTATIONS)
    }

    pub(super) fn are_written(&self) -> bool {
        *self != Self::default()
    }
}

/// Which traces are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum SamplerName {
    /// What whoever began the trace decided, else all.
    #[default]
    #[arg(name = "parentbased_always_on")]
    ParentOrAll,
    /// All.
    #[arg(name = "always_on")]
    All,
    /// None.
    #[arg(name = "always_off")]
    None,
    /// What whoever began the trace decided, else none.
    #[arg(name = "parentbased_always_off")]
    ParentOrNone,
    /// A share of all.
    #[arg(name = "traceidratio")]
    Share,
    /// What whoever began the trace decided, else a share.
    #[arg(name = "parentbased_traceidratio")]
    ParentOrShare,
}

/// `sampler`
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct SamplerArguments {
    /// The way of choosing.
    pub name: SamplerName,
    /// The share, 0 to 1.
    pub arg: String,
}

impl SamplerArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if !matches!(self.name, SamplerName::Share | SamplerName::ParentOrShare) {
            return Ok(());
        }
        let name = self.name.as_str();
        match (self.arg.as_str(), self.arg.parse::<f64>()) {
            ("", _) => Err(Invalid::new(format!(
                "sampler {name:?} requires an arg parameter with a ratio value between 0 and 1"
            ))),
            (text, Err(_)) => Err(Invalid::at(
                "arg",
                format!("invalid arg {text:?} for sampler {name:?}: must be a valid decimal number"),
            )),
            (text, Ok(share)) if !(0.0..=1.0).contains(&share) => Err(Invalid::at(
                "arg",
                format!("invalid arg {text:?} for sampler {name:?}: ratio must be between 0 and 1 (inclusive)"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a trace is kept: by what was decided before, and by the number of the trace, so that all who see the
    /// trace choose alike.
    pub fn keeps(&self, decided: Option<bool>, trace: u128) -> bool {
        let share = || {
            let share = self.arg.parse::<f64>().unwrap_or(1.0);
            // As OpenTelemetry's SDKs choose, so that the parts of a trace are kept or left out together.
            let number = (trace as u64) >> 1;
            (number as f64) < share * (1u64 << 63) as f64
        };
        match (self.name, decided) {
            (SamplerName::All, _) => true,
            (SamplerName::None, _) => false,
            (SamplerName::Share, _) => share(),
            (_, Some(decided)) => decided,
            (SamplerName::ParentOrAll, None) => true,
            (SamplerName::ParentOrNone, None) => false,
            (SamplerName::ParentOrShare, None) => share(),
        }
    }
}

/// Which signals a path is left out of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum IgnoreMode {
    /// All.
    #[default]
    All,
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
}

/// `routes`
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct RoutesArguments {
    /// Patterns in order: `/users/{id}`, `/users/:id`, `/static/*` for all below.
    pub patterns: Vec<String>,
    /// Paths that are left out.
    pub ignored_patterns: Vec<String>,
    /// What they are left out of.
    pub ignore_mode: IgnoreMode,
    /// What becomes of a path that no pattern matches.
    pub unmatched: Unmatched,
    /// What stands for a value.
    pub wildcard_char: String,
    /// How many values a place in a path may take, with `low-cardinality`.
    pub max_path_segment_cardinality: usize,
}

impl Default for RoutesArguments {
    fn default() -> Self {
        let rules = RouteRules::default();
        Self {
            patterns: rules.patterns,
            ignored_patterns: rules.ignored,
            ignore_mode: IgnoreMode::default(),
            unmatched: rules.unmatched,
            wildcard_char: rules.wildcard,
            max_path_segment_cardinality: rules.cardinality,
        }
    }
}

impl RoutesArguments {
    /// The rules.
    pub fn rules(&self) -> RouteRules {
        RouteRules {
            patterns: self.patterns.clone(),
            ignored: self.ignored_patterns.clone(),
            unmatched: self.unmatched,
            wildcard: self.wildcard_char.clone(),
            cardinality: self.max_path_segment_cardinality,
        }
    }
}

/// `filters`
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct FiltersArguments {
    /// What exchanges must be like to be told.
    #[arg(block)]
    pub application: Vec<FilterArguments>,
    /// Network flows (not implemented).
    #[arg(block)]
    pub network: Vec<FilterArguments>,
}

/// One condition.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct FilterArguments {
    /// The attribute, with dots or underscores: `url.path`.
    #[arg(required)]
    pub attr: String,
    /// A glob that its value must match.
    #[arg(name = "match")]
    pub matches: String,
    /// A glob that its value must not match.
    pub not_match: String,
    /// Its value must be greater.
    pub greater_than: Option<i64>,
    /// Its value must be as great or greater.
    pub greater_equals: Option<i64>,
    /// Its value must be this.
    pub equals: Option<i64>,
    /// Its value must not be this.
    pub not_equals: Option<i64>,
    /// Its value must be as small or smaller.
    pub less_equals: Option<i64>,
    /// Its value must be smaller.
    pub less_than: Option<i64>,
}

impl FilterArguments {
    fn validate(&self) -> Result<(), Invalid> {
        for (field, glob) in [("match", &self.matches), ("not_match", &self.not_match)] {
            crate::discover::Pattern::glob(glob).map_err(|why| Invalid::at(field, why))?;
        }
        Ok(())
    }
}

fn known(field: &str, values: &[String], all: &[&str]) -> Result<(), Invalid> {
    match values.iter().find(|value| !all.contains(&value.as_str())) {
        None => Ok(()),
        Some(value) => {
            Err(Invalid::at(field, format!("invalid value {value:?}")).with_help(format!("one of {}", all.join(", "))))
        }
    }
}
