//! Blocks that are read and have no effect, and the notes that say so.

use std::time::Duration;

use corten_component::{Arguments, Note};

use super::{ContextPropagation, EbpfArguments, TracePrinter};

/// `injector`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct InjectorArguments {
    /// Not implemented.
    pub enabled_sdks: Vec<String>,
    /// Not implemented.
    pub exporter_otlp_endpoint: String,
    /// Not implemented.
    pub exporter_otlp_protocol: String,
    /// Not implemented.
    pub image_version: String,
    /// Not implemented.
    pub trace_propagators: Vec<String>,
    /// Not implemented.
    pub disable_auto_restart: bool,
}

/// `stats`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct StatsArguments {
    /// Not implemented.
    pub agent_ip: String,
    /// Not implemented.
    pub agent_ip_iface: String,
    /// Not implemented.
    pub agent_ip_type: String,
    /// Not implemented.
    pub cidrs: Vec<String>,
    /// Not implemented.
    pub print_stats: bool,
}

/// `internal_metrics`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct InternalMetricsArguments {
    /// Accepted and without effect.
    pub exporter: String,
    /// Accepted and without effect.
    pub bpf_metric_scrape_interval: Duration,
}

/// `javaagent`, `nodejs` and `jvm_runtime_metrics`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct RuntimeArguments {
    /// Not implemented.
    pub enabled: bool,
    /// Not implemented.
    pub attach_timeout: Duration,
    /// Not implemented.
    pub debug: bool,
    /// Not implemented.
    pub debug_instrumentation: bool,
    /// Not implemented.
    pub sampling_interval: Duration,
}

/// Protocols that are read.
const READ: [&str; 3] = ["*", "http", "grpc"];

/// What was asked for and is not done.
pub(super) fn notes(args: &EbpfArguments) -> Vec<Note> {
    let enabled = |block: &Option<super::RuntimeArguments>| block.as_ref().is_some_and(|block| block.enabled);
    let discovery = &args.discovery;
    let rules = discovery.instrument.iter().chain(&discovery.services).chain(&discovery.survey);
    let absent = args.metrics.absent();
    let mut notes = Vec::new();
    let mut say = |asked: bool, field: &'static str, message: String| {
        if asked {
            notes.push(Note::new([field], message).caution());
        }
    };
    say(args.injector.is_some(), "injector", not("putting SDKs into processes"));
    say(args.stats.is_some(), "stats", not("statistics of TCP"));
    say(enabled(&args.javaagent), "javaagent", not("instrumentation inside of the JVM"));
    say(enabled(&args.nodejs), "nodejs", not("instrumentation inside of Node.js"));
    say(enabled(&args.jvm_runtime_metrics), "jvm_runtime_metrics", not("metrics of the JVM"));
    say(
        !absent.is_empty(),
        "metrics.features",
        format!("not implemented by Corten, and left out: {}", absent.join(", ")),
    );
    for (field, names) in [
        ("metrics.instrumentations", &args.metrics.instrumentations),
        ("traces.instrumentations", &args.traces.instrumentations),
    ] {
        let unread: Vec<&str> = names.iter().map(String::as_str).filter(|name| !READ.contains(name)).collect();
        say(
            !unread.is_empty(),
            field,
            format!("protocols that Corten does not read, and leaves out: {}", unread.join(", ")),
        );
    }
    say(args.metrics.exemplar_filter != "always_off", "metrics.exemplar_filter", not("making exemplars"));
    let attributes = &args.attributes;
    let renamed = [
        &attributes.rename_unresolved_hosts,
        &attributes.rename_unresolved_hosts_incoming,
        &attributes.rename_unresolved_hosts_outgoing,
    ];
    say(
        renamed.iter().any(|name| !name.is_empty()),
        "attributes.rename_unresolved_hosts",
        not("giving one name to all hosts without a name"),
    );
    say(args.ebpf.heuristic_sql_detect, "ebpf.heuristic_sql_detect", not("reading SQL"));
    say(args.metrics.network.is_some(), "metrics.network", not("metrics of network flows"));
    say(args.metrics.native_histogram.is_some(), "metrics.native_histogram", not("native histograms of requests"));
    say(args.metrics.buckets.are_foreign(), "metrics.buckets", not("measuring TCP and GenAI"));
    say(!args.filters.network.is_empty(), "filters.network", not("metrics of network flows"));
    say(
        args.attributes.kubernetes.as_ref().is_some_and(|kubernetes| kubernetes.enable == "true"),
        "attributes.kubernetes",
        not("asking Kubernetes about processes"),
    );
    say(
        rules.clone().any(super::InstrumentArguments::needs_kubernetes),
        "discovery.instrument",
        "rules with a kubernetes block choose nobody: asking Kubernetes is not implemented by Corten".to_owned(),
    );
    say(
        args.ebpf.context_propagation != ContextPropagation::Disabled,
        "ebpf.context_propagation",
        format!(
            "{}; calls between processes of this machine are joined without it",
            not("putting headers into requests")
        ),
    );
    say(
        matches!(args.trace_printer, TracePrinter::JsonIndent),
        "trace_printer",
        "spans are printed as JSON on one line each".to_owned(),
    );
    notes
}

fn not(what: &str) -> String {
    format!("{what} is not implemented by Corten: this has no effect")
}
