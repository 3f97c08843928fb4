//! What a reader greps for.

use bytes::Bytes;
use corten_proto::otlp::collector::{ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest};
use corten_proto::otlp::common::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use corten_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use corten_proto::otlp::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use corten_proto::otlp::resource::Resource;
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, span};
use corten_signal::otlp::{Batch, SignalKind};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn text(value: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(value.into())) })
}

fn pair(key: &str, value: Option<AnyValue>) -> KeyValue {
    KeyValue { key: key.into(), value, key_strindex: 0 }
}

fn traces(names: &[&str]) -> Batch {
    let span = |name: &&str| Span {
        name: (*name).into(),
        trace_id: (0x10..0x20).collect(),
        span_id: vec![0xab; 8],
        kind: 2,
        start_time_unix_nano: 1_709_210_096_000_000_007,
        attributes: vec![
            pair("test.id", text("42-x")),
            pair("n", Some(AnyValue { value: Some(Value::IntValue(2048)) })),
            pair(
                "list",
                Some(AnyValue {
                    value: Some(Value::ArrayValue(ArrayValue {
                        values: vec![
                            AnyValue { value: Some(Value::BoolValue(true)) },
                            AnyValue { value: Some(Value::DoubleValue(0.5)) },
                        ],
                    })),
                }),
            ),
        ],
        events: vec![span::Event { name: "cache miss".into(), ..Default::default() }],
        links: vec![span::Link { trace_id: vec![0xcd; 16], span_id: vec![0xef; 8], ..Default::default() }],
        ..Default::default()
    };
    let scope = ScopeSpans { spans: names.iter().map(span).collect(), ..Default::default() };
    let resource = Resource { attributes: vec![pair("service.name", text("shop"))], ..Default::default() };
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans: vec![scope], ..Default::default() }];
    let request = ExportTraceServiceRequest { resource_spans };
    Batch::new(SignalKind::Traces, Bytes::from(request.encode_to_vec()), names.len())
}

fn whole(batch: &Batch, verbosity: Verbosity) -> String {
    render(batch, verbosity).records(usize::MAX).join("\n")
}

#[test]
fn basic_counts_without_decoding() {
    let batch = Batch::concat(vec![traces(&["a", "b"]), traces(&["c"])]).unwrap();
    assert_eq!(whole(&batch, Verbosity::Basic), "Traces: 2 resource spans, 3 spans");
}

#[test]
fn normal_is_a_line_an_item() {
    let text = whole(&traces(&["pipeline-test", "other"]), Verbosity::Normal);
    let line = text.lines().find(|line| line.starts_with("pipeline-test")).unwrap();
    assert_eq!(
        line,
        "pipeline-test 101112131415161718191a1b1c1d1e1f abababababababab test.id=42-x n=2048 list=[true, 0.5]"
    );
    assert!(text.contains("service.name=shop"));
}

#[test]
fn detailed_has_everything() {
    let text = whole(&traces(&["pipeline-test"]), Verbosity::Detailed);
    for expected in [
        "-> service.name: Str(shop)",
        "Name: pipeline-test",
        "Trace ID: 101112131415161718191a1b1c1d1e1f",
        "ID: abababababababab",
        "Kind: Server",
        "Start time: 2024-02-29T12:34:56.000000007Z",
        "-> n: Int(2048)",
        "-> list: Slice([true, 0.5])",
        "Name: cache miss",
        "Trace ID: cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn points_and_records_show_their_values() {
    let point = NumberDataPoint {
        attributes: vec![pair("cpu", text("0"))],
        value: Some(number_data_point::Value::AsDouble(1.25)),
        ..Default::default()
    };
    let data = Some(metric::Data::Gauge(Gauge { data_points: vec![point] }));
    let metrics = vec![Metric { name: "load".into(), data, ..Default::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics };
    let batch = Batch::new(SignalKind::Metrics, Bytes::from(request.encode_to_vec()), 1);
    assert!(whole(&batch, Verbosity::Normal).lines().any(|line| line == "load cpu=0 1.25"));
    assert!(whole(&batch, Verbosity::Detailed).contains("Type: Gauge"));

    let record = LogRecord { body: text("disk\nfull"), severity_number: 17, ..Default::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..Default::default() }];
    let request = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] };
    let batch = Batch::new(SignalKind::Logs, Bytes::from(request.encode_to_vec()), 1);
    assert!(whole(&batch, Verbosity::Normal).lines().any(|line| line == "disk\\nfull"));
    assert!(whole(&batch, Verbosity::Detailed).contains("Severity: Error"));
}

#[test]
fn long_texts_are_divided_between_items_only() {
    let names: Vec<String> = (0..50).map(|number| format!("span-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rendered = render(&traces(&names), Verbosity::Detailed);
    let records = rendered.records(4096);
    assert!(records.len() > 3 && records.iter().all(|record| record.len() <= 4096));
    for name in &names {
        let whole = |record: &&String| record.lines().any(|line| line.trim() == format!("Name: {name}"));
        let record = records.iter().find(whole).unwrap();
        let start = record.find(&format!("Name: {name}\n")).unwrap();
        assert!(record[start..].contains("Link #0"), "{name} is whole");
    }
}

proptest! {
    /// Nothing in the data reaches a terminal as a command, or begins a line of its own.
    #[test]
    fn names_cannot_steer_a_terminal(name in "\\PC*|[\u{0}-\u{9f}\u{2028}\u{202e}x]{0,20}") {
        for verbosity in [Verbosity::Normal, Verbosity::Detailed] {
            let text = whole(&traces(&[&name]), verbosity);
            prop_assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
            let reordered = text.contains(['\u{2028}', '\u{202e}']);
            prop_assert!(!reordered);
            prop_assert_eq!(text.lines().count(), whole(&traces(&["x"]), verbosity).lines().count());
        }
    }
}
