//! Batches as short text.

use bytes::Bytes;
use corten_component::Signal;
use corten_proto::otlp::collector::ExportTraceServiceRequest;
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use corten_signal::otlp::{Batch, Meta, SignalKind};
use prost::Message;

fn batch(names: impl Iterator<Item = String>) -> Batch {
    let spans: Vec<Span> = names.map(|name| Span { name, trace_id: vec![0xab; 16], ..Span::default() }).collect();
    let count = spans.len();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let bytes = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    Batch::new(SignalKind::Traces, Bytes::from(bytes), count)
}

#[test]
fn it_names_items_and_no_line_forges_another() {
    let meta = Meta::builder().header("authorization", "canary").build();
    let text =
        batch(["GET /".to_owned(), "two\nlines\u{1b}[31m".to_owned()].into_iter()).with_meta(Some(meta)).describe();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 4 && lines[0].starts_with("2 spans in "), "{text}");
    assert!(lines[2].contains("GET / abababababababababababababababab"), "{text}");
    assert!(lines[3].contains("two\\nlines\\u{1b}[31m"), "{text}");
    assert!(!text.contains("canary"));
}

#[test]
fn it_stays_short() {
    let text = batch((0..10_000).map(|n| format!("span number {n}"))).describe();
    assert!(text.len() < 17 << 10 && text.ends_with("\n..."), "{}", text.len());
    let wide = batch(std::iter::once("x".repeat(1 << 20))).describe();
    assert!(wide.len() < 17 << 10, "{}", wide.len());
}

#[test]
fn every_signal_knows_its_names() {
    assert_eq!(Batch::output("logs"), Some(corten_component::Kinds(SignalKind::Logs.bit())));
    assert_eq!(Batch::output("forward_to"), None);
    assert_eq!(Batch::kind_name(SignalKind::Metrics as usize), "otel_metric");
}
