//! Corten's own traces, through the real binary.

use std::collections::HashSet;

use corten_proto::otlp::common::any_value::Value;
use corten_proto::otlp::trace::Span;
use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

/// A pipeline to `data`; Corten's own traces go through a batch to `own`.
fn config(door: std::net::SocketAddr, data: &str, own: &str, tracing: &str) -> String {
    format!(
        r#"
tracing {{
	write_to = [otelcol.processor.batch.own.input]
	{tracing}
}}

otelcol.receiver.otlp "default" {{
	http {{
		endpoint = "{door}"
	}}
	output {{
		traces = [otelcol.exporter.otlphttp.data.input]
	}}
}}

otelcol.exporter.otlphttp "data" {{
	client {{
		endpoint = "{data}"
	}}
}}

otelcol.processor.batch "own" {{
	timeout = "100ms"
	output {{
		traces = [otelcol.exporter.otlphttp.own.input]
	}}
}}

otelcol.exporter.otlphttp "own" {{
	client {{
		endpoint = "{own}"
	}}
}}
"#
    )
}

fn spans(sink: &Sink) -> Vec<Span> {
    let resources = sink.received().into_iter().flat_map(|received| received.traces().resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn text<'s>(span: &'s Span, name: &str) -> &'s str {
    let value = span.attributes.iter().find(|pair| pair.key == name).and_then(|pair| pair.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

async fn send(door: std::net::SocketAddr, name: &str) {
    let body = data::traces([name.to_owned()], 0).encode_to_vec();
    assert!(Sender::new(door, Protocol::Http1).send(SignalKind::Traces, body).await.expect("an answer").is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reloads_and_runs_leave_spans_and_the_spans_none() {
    let (data, own, door) = (Sink::start(), Sink::start(), free_address());
    let config = config(door, &data.url(), &own.url(), "sampling_fraction = 1");
    let collector = Collector::start(BINARY, &config);
    send(door, "one").await;
    assert_eq!(collector.reload(&config.replace("100ms", "150ms")).0, 200);

    let wanted = ["ReceiveRequest", "SendRequest", "GraphEvaluate", "EvaluateNode", "ComponentBuild", "GraphCommit"];
    let found = eventually("spans of all kinds", || {
        let spans = spans(&own);
        let names: HashSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        (wanted.iter().all(|name| names.contains(name)) && names.contains("ComponentRun")).then_some(spans)
    });
    let named = |name: &str| found.iter().find(|span| span.name == name).expect("a span of this name");
    let receive = named("ReceiveRequest");
    assert_eq!(text(receive, "component_id"), "otelcol.receiver.otlp.default");
    assert!(receive.parent_span_id.is_empty() && receive.trace_id.len() == 16 && receive.span_id.len() == 8);
    let send_span = named("SendRequest");
    assert_eq!(text(send_span, "component_id"), "otelcol.exporter.otlphttp.data");
    assert!(send_span.end_time_unix_nano >= send_span.start_time_unix_nano);
    let (load, build) = (named("GraphEvaluate"), named("ComponentBuild"));
    assert_eq!(build.trace_id, load.trace_id);
    let node = found.iter().find(|span| span.span_id == build.parent_span_id).expect("the parent");
    assert_eq!((node.name.as_str(), &node.parent_span_id), ("EvaluateNode", &load.span_id));
    assert_eq!(text(named("ComponentRun"), "component_id"), "otelcol.processor.batch.own");

    let received = own.received();
    let resource = received[0].traces().resource_spans[0].resource.clone().expect("a resource");
    assert!(resource.attributes.iter().any(|pair| {
        let value = pair.value.as_ref().and_then(|value| value.value.clone());
        pair.key == "service.name" && value == Some(Value::StringValue("corten".into()))
    }));

    // The spans' own way is not traced; then nothing is left to say.
    assert!(found.iter().all(|span| span.name != "SendRequest" || text(span, "component_id").ends_with(".data")));
    let (before, requests) = (spans(&own).len(), data.received().len());
    send(door, "two").await;
    eventually("the second request's spans", || (spans(&own).len() == before + 2).then_some(()));
    eventually("its data", || (data.received().len() == requests + 1).then_some(()));
    let counted = collector.metrics();
    assert_eq!(counted.sum("corten_own_spans_total", &[]), spans(&own).len() as f64);
    assert_eq!(counted.sum("corten_own_spans_dropped_total", &[]), 0.0);
    assert!(!collector.output().contains("node_id="), "spans for export say nothing in the log");
    assert_eq!(collector.stop().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_or_not_implemented_is_said() {
    let (data, own, door) = (Sink::start(), Sink::start(), free_address());
    let sampler = "sampling_fraction = 0\n\tsend_traceparent = true\n\tsampler {\n\t\tjaeger_remote { }\n\t}";
    let text = config(door, &data.url(), &own.url(), sampler);
    let collector = Collector::start(BINARY, &text);
    send(door, "one").await;
    eventually("the data", || (data.received().len() == 1).then_some(()));
    assert_eq!(collector.reload(&text).0, 200);
    assert!(collector.output().contains("jaeger_remote is not implemented"), "{}", collector.output());

    let wrong = text.replace("sampling_fraction = 0", "sampling_fraction = 1.5");
    let (status, body) = collector.reload(&wrong);
    assert!(status == 400 && body.contains("sampling_fraction must be a number from 0 to 1"), "{body}");
    let wrong = text.replace("\toutput {\n\t\ttraces = [otelcol.exporter.otlphttp.own.input]", "\toutput {");
    assert_eq!(collector.reload(&wrong).0, 200, "as in Alloy, with a warning");
    let said = "otelcol.processor.batch.own.input does not take traces";
    eventually("the warning", || collector.output().contains(said).then_some(()));
    collector.stop();
    assert!(own.received().is_empty());
}
