//! What the user writes: the arguments of `beyla.ebpf`, as Alloy names them.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`EbpfArguments`]: the component's block, and what contradicts in it |
//! | `discovery.rs` | whom to observe |
//! | `signals.rs` | metrics, traces, routes, filters |
//! | `ebpf.rs` | how to observe |
//! | `attributes.rs` | what is said of a service |
//! | `absent.rs` | blocks that are read and have no effect, and the notes that say so |

mod absent;
mod attributes;
mod discovery;
mod ebpf;
mod signals;
#[cfg(test)]
mod tests;

use corten_component::{Arguments, Enumeration, Invalid, Note};
use corten_signal::otlp::OutputArguments;

use crate::telemetry::MeasureSettings;

pub use absent::{InjectorArguments, InternalMetricsArguments, RuntimeArguments, StatsArguments};
pub use attributes::{AttributesArguments, HostIdArguments, InstanceIdArguments, SelectArguments};
pub use discovery::{DiscoveryArguments, InstrumentArguments};
pub use ebpf::{ContextPropagation, EbpfTuning};
pub use signals::{
    FilterArguments, FiltersArguments, IgnoreMode, MetricsArguments, RoutesArguments, SamplerArguments, SamplerName,
    TracesArguments,
};

/// Where spans are printed besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum TracePrinter {
    /// Nowhere.
    #[default]
    Disabled,
    /// A line for each span, in the log.
    Text,
    /// JSON for each span, in the log.
    Json,
    /// The same, over several lines.
    JsonIndent,
    /// How many there were, in the log.
    Counter,
}

/// What the user writes.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct EbpfArguments {
    /// Ports of services to observe (`80,8000-8999`). Deprecated: `discovery` with `instrument`.
    pub open_port: String,
    /// Programs to observe, an expression. Deprecated: `discovery` with `instrument`.
    pub executable_name: String,
    /// Accepted and without effect: the level of the log is that of `logging`.
    pub debug: bool,
    /// Accepted and without effect: the level of the log is that of `logging`.
    pub log_level: String,
    /// Print spans into the log.
    pub trace_printer: TracePrinter,
    /// Fail, instead of doing with less, if a capability is missing.
    pub enforce_sys_caps: bool,
    /// How paths become routes.
    #[arg(block)]
    pub routes: RoutesArguments,
    /// What is said of services.
    #[arg(block)]
    pub attributes: AttributesArguments,
    /// Whom to observe.
    #[arg(block)]
    pub discovery: DiscoveryArguments,
    /// Which metrics are made.
    #[arg(block)]
    pub metrics: MetricsArguments,
    /// Which spans are made.
    #[arg(block)]
    pub traces: TracesArguments,
    /// How to observe.
    #[arg(block)]
    pub ebpf: EbpfTuning,
    /// What is left out.
    #[arg(block)]
    pub filters: FiltersArguments,
    /// Where spans and metrics go.
    #[arg(block)]
    pub output: Option<OutputArguments>,
    /// Instrumentation by SDKs (not implemented).
    #[arg(block)]
    pub injector: Option<InjectorArguments>,
    /// Statistics of TCP (not implemented).
    #[arg(block)]
    pub stats: Option<StatsArguments>,
    /// Metrics about the observer itself are always among the collector's own.
    #[arg(block)]
    pub internal_metrics: Option<InternalMetricsArguments>,
    /// Instrumentation inside of the JVM (not implemented).
    #[arg(block)]
    pub javaagent: Option<RuntimeArguments>,
    /// Instrumentation inside of Node.js (not implemented).
    #[arg(block)]
    pub nodejs: Option<RuntimeArguments>,
    /// Metrics of the JVM (not implemented).
    #[arg(block)]
    pub jvm_runtime_metrics: Option<RuntimeArguments>,
}

impl EbpfArguments {
    fn validate(&self) -> Result<(), Invalid> {
        let at = |field: &str, rules: &[InstrumentArguments]| {
            rules.iter().enumerate().try_for_each(|(n, rule)| {
                rule.says_something()
                    .map_err(|why| Invalid::new(format!("invalid {field} configuration: discovery.{field}[{n}] {why}")))
            })
        };
        let discovery = &self.discovery;
        if self.metrics.has_application()
            && discovery.services.is_empty()
            && discovery.instrument.is_empty()
            && discovery.survey.is_empty()
            && self.metrics.are_written()
        {
            return Err(Invalid::new(
                "discovery.services, discovery.instrument, or discovery.survey is required when application features are enabled",
            ));
        }
        at("services", &discovery.services)?;
        at("instrument", &discovery.instrument)?;
        at("survey", &discovery.survey)?;
        at("exclude_services", &discovery.exclude_services)?;
        at("exclude_instrument", &discovery.exclude_instrument)?;
        at("default_exclude_instrument", &discovery.default_exclude_instrument)?;
        if self.traces.are_written() && self.output.is_none() {
            return Err(Invalid::new(
                "traces block is defined but output section is missing. When using traces configuration, you must define an output block",
            ));
        }
        crate::discover::Ports::parse(&self.open_port).map_err(|why| Invalid::at("open_port", why))?;
        corten_signal::regexp::compile(&self.executable_name).map_err(|why| Invalid::at("executable_name", why))?;
        Ok(())
    }

    /// What they say of metrics; `host_id` is the machine's.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn measures(&self, host_id: &str) -> Result<MeasureSettings, String> {
        let metrics = &self.metrics;
        let dotted = |names: &[String]| names.iter().map(|name| name.replace('_', ".")).collect();
        Ok(MeasureSettings {
            features: metrics.counted(),
            seconds: metrics.buckets.duration_histogram.clone(),
            request_bytes: metrics.buckets.request_size_histogram.clone(),
            response_bytes: metrics.buckets.response_size_histogram.clone(),
            self_references: metrics.allow_service_graph_self_references,
            resource_labels: dotted(&metrics.extra_resource_labels),
            span_labels: dotted(&metrics.extra_span_resource_labels),
            span_names: self.attributes.metric_span_names_limit as usize,
            select: self.attributes.selection()?,
            host_id: host_id.to_owned(),
        })
    }

    /// What is worth knowing about them.
    pub fn notes(&self) -> Vec<Note> {
        absent::notes(self)
    }
}
