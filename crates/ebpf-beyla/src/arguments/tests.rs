//! What contradicts is refused, what is not done is said.

use super::*;
use crate::discover::Facts;
use crate::telemetry::measure::SpanNames;

fn port(ports: &str) -> InstrumentArguments {
    InstrumentArguments { open_ports: ports.to_owned(), ..InstrumentArguments::default() }
}

fn with(change: impl FnOnce(&mut EbpfArguments)) -> EbpfArguments {
    let mut args = EbpfArguments::default();
    change(&mut args);
    args
}

#[test]
fn contradictions_are_refused() {
    let features = with(|args| args.metrics.features = vec!["application".to_owned()]);
    assert!(features.check().unwrap_err().message.contains("is required when application features are enabled"));
    let with_rule = with(|args| {
        args.metrics.features = vec!["application".to_owned()];
        args.discovery.instrument = vec![port("80")];
    });
    assert!(with_rule.check().is_ok());
    let empty = with(|args| args.discovery.instrument = vec![InstrumentArguments::default()]);
    assert!(empty.check().unwrap_err().message.contains("discovery.instrument[0] must define at least one of"));
    let traces = with(|args| args.traces.sampler.name = SamplerName::All);
    assert!(traces.check().unwrap_err().message.contains("output section is missing"));
    assert!(with(|args| args.open_port = "x".to_owned()).check().is_err());
    let unknown = MetricsArguments { features: vec!["aplication".to_owned()], ..MetricsArguments::default() };
    assert!(unknown.check().is_err());
    let share = |arg: &str| SamplerArguments { name: SamplerName::Share, arg: arg.to_owned() }.check();
    assert!(share("0.5").is_ok() && share("").is_err() && share("2").is_err() && share("x").is_err());
}

#[test]
fn what_is_not_done_is_said() {
    assert!(EbpfArguments::default().notes().is_empty());
    let args = with(|args| {
        args.injector = Some(InjectorArguments::default());
        args.metrics.features = vec!["application".to_owned(), "network".to_owned()];
        args.ebpf.context_propagation = ContextPropagation::Headers;
    });
    let fields: Vec<_> = args.notes().into_iter().flat_map(|note| note.fields).collect();
    assert_eq!(fields, ["injector", "metrics.features", "ebpf.context_propagation"]);
    let args = with(|args| {
        args.traces.instrumentations = ["http", "sql", "redis"].map(str::to_owned).to_vec();
        args.metrics.exemplar_filter = "trace_based".to_owned();
    });
    let messages: Vec<_> = args.notes().into_iter().map(|note| note.message).collect();
    assert!(messages.len() == 2 && messages[0].ends_with("sql, redis"), "{messages:?}");
    let args = with(|args| args.metrics.buckets.stat_tcp_rtt_histogram = vec![1.0]);
    assert_eq!(args.notes().len(), 1);
}

#[test]
fn older_forms_choose_by_expression() {
    let process = |executable: &str, port: u16| Facts {
        executable: executable.to_owned(),
        ports: [port].into(),
        ..Facts::default()
    };
    let args = with(|args| {
        let rule = InstrumentArguments { exe_path: "^/srv/.*-server$".to_owned(), ..port("8000-8100") };
        args.discovery.services = vec![rule];
        args.open_port = "9000".to_owned();
    });
    let selection = args.selection().unwrap();
    assert!(selection.choose(&process("/srv/a-server", 8001)).is_some());
    assert!(selection.choose(&process("/srv/a-client", 8001)).is_none());
    assert!(selection.choose(&process("/bin/x", 9000)).is_some());
}

#[test]
fn collectors_are_left_alone_unless_the_file_says_otherwise() {
    let everything = InstrumentArguments { exe_path: "*".to_owned(), ..InstrumentArguments::default() };
    let alloy = Facts { executable: "/usr/bin/alloy".to_owned(), ..Facts::default() };
    let shop = Facts { executable: "/usr/bin/shop".to_owned(), ..Facts::default() };
    let mut args = with(|args| args.discovery.instrument = vec![everything]);
    let selection = args.selection().unwrap();
    assert!(selection.choose(&alloy).is_none() && selection.choose(&shop).is_some());
    let none = InstrumentArguments { exe_path: "/nothing".to_owned(), ..InstrumentArguments::default() };
    args.discovery.default_exclude_instrument = vec![none];
    assert!(args.selection().unwrap().choose(&alloy).is_some());
}

#[test]
fn samplers_keep_what_they_say() {
    let keeps = |name, arg: &str, decided, trace| SamplerArguments { name, arg: arg.to_owned() }.keeps(decided, trace);
    assert!(keeps(SamplerName::ParentOrAll, "", None, 1) && !keeps(SamplerName::ParentOrAll, "", Some(false), 1));
    assert!(keeps(SamplerName::All, "", Some(false), 1) && !keeps(SamplerName::None, "", Some(true), 1));
    assert!(keeps(SamplerName::ParentOrNone, "", Some(true), 1) && !keeps(SamplerName::ParentOrNone, "", None, 1));
    assert!(
        keeps(SamplerName::Share, "0.5", None, 1 << 54)
            && !keeps(SamplerName::Share, "0.5", None, u128::from(u64::MAX))
    );
    assert!(!keeps(SamplerName::Share, "0", None, 0));
}

#[test]
fn attributes_are_selected_by_rules() {
    let rule = |attr: &str| SelectArguments { attr: attr.to_owned(), ..SelectArguments::default() };
    let attributes = AttributesArguments { select: vec![rule("traces"), rule("http_*")], ..Default::default() };
    assert!(attributes.check().is_ok());
    let attributes = AttributesArguments { select: vec![rule("[")], ..Default::default() };
    assert!(attributes.check().is_err());
}

#[test]
fn metrics_are_as_the_file_says() {
    let mut args = with(|args| {
        let metrics = &mut args.metrics;
        metrics.features = vec!["application_span_otel".to_owned(), "application_span_sizes".to_owned()];
        metrics.buckets.duration_histogram = vec![0.1, 1.0];
        metrics.extra_resource_labels = vec!["deployment_environment".to_owned()];
        metrics.allow_service_graph_self_references = true;
    });
    args.discovery.instrument = vec![port("80")];
    assert!(args.check().is_ok() && args.notes().is_empty());
    let settings = args.measures("id").unwrap();
    assert_eq!((settings.features.spans, settings.features.application), (Some(SpanNames::Otel), false));
    assert!(settings.features.sizes && settings.self_references);
    assert_eq!(settings.resource_labels, ["deployment.environment"]);
    assert_eq!((settings.seconds.as_slice(), settings.host_id.as_str()), (&[0.1, 1.0][..], "id"));
    args.metrics.features.push("application_span".to_owned());
    assert!(args.metrics.check().unwrap_err().message.contains("application_span_otel"));
    args.metrics.features = vec!["*".to_owned()];
    assert!(args.measures("id").unwrap().features.host);
    args.metrics.buckets.duration_histogram = vec![1.0, 0.5];
    assert!(args.metrics.buckets.check().is_err());
}
