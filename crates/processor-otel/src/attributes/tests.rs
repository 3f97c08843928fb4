//! Actions and matching on whole requests.

use corten_proto::otlp::collector::{ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest};
use corten_proto::otlp::common::{AnyValue, any_value::Value};
use corten_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use corten_proto::otlp::metrics::{NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use corten_syntax::Value as Literal;

use super::super::arguments::*;
use super::*;
use crate::OutputArguments;
use crate::testing::{Sink, batch, get, output, pair, text};

fn action(key: &str, action: &str) -> ActionArguments {
    ActionArguments { key: key.into(), action: action.into(), ..ActionArguments::default() }
}

fn setting(key: &str, name: &str, value: Literal) -> ActionArguments {
    ActionArguments { value: ValueArgument(value), ..action(key, name) }
}

fn applied(args: &[ActionArguments], mut attributes: Vec<KeyValue>, context: Context<'_>) -> (Vec<KeyValue>, bool) {
    let editor = Editor::new(&AttributesArguments { action: args.to_vec(), ..Default::default() }).unwrap();
    let changed = editor.apply(&mut attributes, context);
    (attributes, changed)
}

#[test]
fn insert_update_upsert() {
    let x = || vec![pair("x", text("old"))];
    let new = || Literal::string("new");
    assert_eq!(applied(&[setting("x", "insert", new())], x(), None), (x(), false));
    assert_eq!(applied(&[setting("y", "update", new())], x(), None), (x(), false));
    for (key, name) in [("y", "insert"), ("x", "update"), ("x", "upsert"), ("y", "UPSERT")] {
        let (attributes, changed) = applied(&[setting(key, name, new())], x(), None);
        assert!(changed && get(&attributes, key) == Some(&text("new")), "{name} {key}");
    }
    let copy = ActionArguments { from_attribute: "x".into(), ..action("y", "insert") };
    assert_eq!(get(&applied(std::slice::from_ref(&copy), x(), None).0, "y"), Some(&text("old")));
    assert!(!applied(&[copy], vec![], None).1, "nothing to copy from");
}

#[test]
fn delete_and_hash_by_key_and_pattern() {
    let attributes = || vec![pair("user.name", text("abc")), pair("user.id", Value::IntValue(1)), pair("z", text("z"))];
    let pattern = |name: &str| ActionArguments { pattern: "^user\\.".into(), ..action("", name) };
    assert_eq!(applied(&[pattern("delete")], attributes(), None).0, [pair("z", text("z"))]);
    assert_eq!(applied(&[action("z", "delete")], attributes(), None).0.len(), 2);
    let (hashed, _) = applied(&[pattern("hash")], attributes(), None);
    assert_eq!(
        get(&hashed, "user.name"),
        Some(&text("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
    );
    assert_eq!(get(&hashed, "z"), Some(&text("z")));
}

#[test]
fn extract_sets_an_attribute_for_each_group() {
    let extract =
        ActionArguments { pattern: "^(?P<method>[A-Z]+) (?<path>/\\S*)( .*)?".into(), ..action("r", "extract") };
    assert!(Action::compile(&extract).unwrap_err().message.contains("unnamed"));
    let extract = ActionArguments { pattern: "^(?P<method>[A-Z]+) (?<path>/\\S*)".into(), ..extract };
    let (attributes, _) =
        applied(std::slice::from_ref(&extract), vec![pair("r", text("GET /a b")), pair("path", text("old"))], None);
    assert_eq!(get(&attributes, "method"), Some(&text("GET")));
    assert_eq!(get(&attributes, "path"), Some(&text("/a")));
    assert!(!applied(&[extract], vec![pair("r", Value::IntValue(1))], None).1);
}

#[test]
fn values_come_from_the_request() {
    let meta = Meta::builder()
        .header("X-Tenant", "a")
        .header("x-tenant", "b")
        .auth("subject", "me", false)
        .client("192.0.2.7:4000".parse().unwrap())
        .build();
    for (from, expected) in
        [("metadata.x-tenant", "a;b"), ("X-Tenant", "a;b"), ("auth.subject", "me"), ("client.address", "192.0.2.7")]
    {
        let action = ActionArguments { from_context: from.into(), ..action("k", "upsert") };
        assert_eq!(
            get(&applied(std::slice::from_ref(&action), vec![], Some(&meta)).0, "k"),
            Some(&text(expected)),
            "{from}"
        );
        assert!(!applied(&[action], vec![], None).1);
    }
}

#[test]
fn mistakes_name_the_argument() {
    let with = |change: fn(&mut ActionArguments)| {
        let mut args = setting("k", "insert", Literal::int(1));
        change(&mut args);
        Action::compile(&args).unwrap_err()
    };
    assert!(with(|args| args.action = "remove".into()).help.unwrap().contains("delete"));
    assert!(with(|args| args.key.clear()).message.contains("key must be set"));
    assert!(with(|args| args.from_attribute = "x".into()).message.contains("exactly one of value"));
    assert_eq!(with(|args| args.pattern = "x".into()).field.as_deref(), Some("pattern"));
    assert_eq!(with(|args| args.action = "delete".into()).field.as_deref(), Some("value"));
    let convert = ActionArguments { converted_type: "bool".into(), ..action("k", "convert") };
    assert_eq!(Action::compile(&convert).unwrap_err().field.as_deref(), Some("converted_type"));
    let delete = ActionArguments { pattern: "(".into(), ..action("", "delete") };
    assert_eq!(Action::compile(&delete).unwrap_err().field.as_deref(), Some("pattern"));
}

fn spans() -> Message {
    let span = |name: &str, kind: i32, env: &str| Span {
        name: name.into(),
        kind,
        attributes: vec![pair("env", text(env))],
        ..Span::default()
    };
    let spans = vec![span("GET /a", 2, "prod"), span("GET /b", 3, "prod"), span("SELECT", 3, "dev")];
    let scope = InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }];
    let resource = Resource { attributes: vec![pair("service.name", text("shop"))], ..Default::default() };
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() }];
    Message::Traces(ExportTraceServiceRequest { resource_spans })
}

/// The names of the spans that are edited.
fn edited(include: Option<MatchArguments>, exclude: Option<MatchArguments>) -> Vec<String> {
    let action = vec![setting("hit", "insert", Literal::Bool(true))];
    let editor = Editor::new(&AttributesArguments { action, include, exclude, ..Default::default() }).unwrap();
    let mut message = spans();
    editor.edit(&mut message, None);
    let Message::Traces(request) = message else { panic!("another signal") };
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    spans.iter().filter(|span| get(&span.attributes, "hit").is_some()).map(|span| span.name.clone()).collect()
}

fn attribute(key: &str, value: Literal) -> Vec<AttributeArguments> {
    vec![AttributeArguments { key: key.into(), value: ValueArgument(value) }]
}

#[test]
fn include_then_exclude() {
    let strict = MatchArguments::default;
    let regexp = || MatchArguments { match_type: MatchType::Regexp, ..MatchArguments::default() };
    assert_eq!(edited(None, None).len(), 3);
    let names = MatchArguments { span_names: vec!["^GET".into()], ..regexp() };
    assert_eq!(edited(Some(names.clone()), None), ["GET /a", "GET /b"]);
    let clients = MatchArguments { span_kinds: vec!["SPAN_KIND_CLIENT".into()], ..strict() };
    assert_eq!(edited(Some(names), Some(clients.clone())), ["GET /a"]);
    let prod = MatchArguments { attribute: attribute("env", Literal::string("prod")), ..clients };
    assert_eq!(edited(Some(prod), None), ["GET /b"], "all that is written must hold");
    let services = |name: &str| Some(MatchArguments { services: vec![name.into()], ..strict() });
    assert_eq!(edited(services("shop"), None).len(), 3);
    assert_eq!(edited(services("other"), None).len(), 0);
    let library = |name: &str, version: Option<&str>| {
        let library = vec![LibraryArguments { name: name.into(), version: version.map(str::to_owned) }];
        edited(Some(MatchArguments { library, ..strict() }), None).len()
    };
    assert_eq!(
        [library("lib", None), library("lib", Some("1.2")), library("lib", Some("")), library("x", None)],
        [3, 3, 0, 0]
    );
    let resource =
        |value| edited(Some(MatchArguments { resource: attribute("service.name", value), ..strict() }), None);
    assert_eq!(resource(Literal::Null).len(), 3, "any value");
    assert_eq!(resource(Literal::int(1)).len(), 0);
}

#[test]
fn log_severities() {
    let record = |severity_number| LogRecord { severity_number, ..LogRecord::default() };
    let matcher = |match_undefined| {
        let log_severity = Some(LogSeverityArguments { min: Severity::Info, match_undefined });
        Matcher::compile(&MatchArguments { log_severity, ..Default::default() }).unwrap()
    };
    assert_eq!(Severity::Fatal4.number(), 24);
    assert!(matcher(false).log(&record(9), None, None) && !matcher(false).log(&record(8), None, None));
    assert!(matcher(true).log(&record(0), None, None) && !matcher(false).log(&record(0), None, None));
    let bodies =
        MatchArguments { match_type: MatchType::Regexp, log_bodies: vec!["^4\\d$".into()], ..Default::default() };
    let body = Some(AnyValue { value: Some(Value::IntValue(42)) });
    let record = LogRecord { body, ..LogRecord::default() };
    assert!(Matcher::compile(&bodies).unwrap().log(&record, None, None));
}

#[test]
fn metrics_go_by_their_names() {
    let sum = Sum { data_points: vec![NumberDataPoint::default(); 2], ..Default::default() };
    let metric = |name: &str| Metric { name: name.into(), data: Some(Data::Sum(sum.clone())), ..Default::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric("a"), metric("b")], ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    let hits = |include| {
        let action = vec![setting("hit", "insert", Literal::int(1))];
        let editor =
            Editor::new(&AttributesArguments { action, include: Some(include), ..Default::default() }).unwrap();
        let request = ExportMetricsServiceRequest { resource_metrics: resource_metrics.clone() };
        let mut message = Message::Metrics(request);
        editor.edit(&mut message, None);
        let Message::Metrics(request) = message else { panic!("another signal") };
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let points = metrics.iter().map(|metric| match &metric.data {
            Some(Data::Sum(sum)) => sum.data_points.iter().filter(|point| !point.attributes.is_empty()).count(),
            _ => 0,
        });
        points.collect::<Vec<_>>()
    };
    assert_eq!(hits(MatchArguments { metric_names: vec!["b".into()], ..Default::default() }), [0, 2]);
    assert_eq!(hits(MatchArguments { services: vec!["x".into()], ..Default::default() }), [2, 2]);
}

#[test]
fn properties_must_fit_the_signals_of_the_output() {
    let sink = Sink::new();
    let all = output(&sink);
    let check = |properties: MatchArguments, output: OutputArguments| {
        let args = AttributesArguments {
            action: vec![setting("k", "insert", Literal::int(1))],
            include: Some(properties),
            output,
            ..Default::default()
        };
        corten_component::Arguments::check(&args).err().map(|invalid| invalid.message)
    };
    let names = MatchArguments { span_names: vec!["x".into()], ..Default::default() };
    assert!(check(names.clone(), all.clone()).unwrap().contains("span_names"));
    let traces = OutputArguments { traces: all.traces.clone(), ..Default::default() };
    assert_eq!(check(names, traces.clone()), None);
    assert!(
        check(MatchArguments { log_bodies: vec!["x".into()], ..Default::default() }, traces)
            .unwrap()
            .contains("log_bodies")
    );
    assert!(check(MatchArguments::default(), all).unwrap().contains("at least one of"));
}

#[tokio::test]
async fn an_edit_never_reaches_other_holders_of_the_bytes() {
    let sink = Sink::new();
    let registry = corten_component::metrics::Registry::new();
    let action = vec![setting("hit", "insert", Literal::int(7))];
    let editor = Editor::new(&AttributesArguments { action, ..Default::default() }).unwrap();
    let processor = Processor { stage: Stage::new("attributes", "x", output(&sink), &registry.process()), editor };
    let record = LogRecord { attributes: vec![pair("a", text("b"))], ..Default::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..Default::default() }];
    let original = Message::Logs(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }],
    });
    let shared = batch(&original, 1);
    processor.consume(shared.clone()).await.unwrap();
    assert_eq!(Message::decode(shared.kind(), shared.rope().reader()).unwrap(), original);
    let messages = sink.messages();
    let Message::Logs(request) = &messages[0] else { panic!("another signal") };
    assert_eq!(
        get(&request.resource_logs[0].scope_logs[0].log_records[0].attributes, "hit"),
        Some(&Value::IntValue(7))
    );
    assert!(registry.render().contains("outgoing_items_total{otel_signal=\"logs\",processor=\"attributes/x\"} 1"));
}
