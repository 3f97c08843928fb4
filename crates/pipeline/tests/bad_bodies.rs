//! What a receiver answers to bodies that are wrong, too large or hostile: the right status, a message, and no growth.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::io::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use corten_signal::otlp::SignalKind;
use corten_testkit::{Answered, Collector, Protocol, Sender, Sink, data, eventually, free_address};
use http_body_util::Full;
use hyper::Request;
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

fn receiver(sink: &Sink) -> (Collector, SocketAddr, SocketAddr) {
    let (http, grpc) = (free_address(), free_address());
    let config = format!(
        r#"otelcol.receiver.otlp "default" {{
  grpc {{ endpoint = "{grpc}" }}
  http {{ endpoint = "{http}" }}
  output {{
    traces = [otelcol.exporter.otlphttp.sink.input]
    logs   = [otelcol.exporter.otlphttp.sink.input]
  }}
}}
otelcol.exporter.otlphttp "sink" {{
  client {{ endpoint = "{}" }}
}}
"#,
        sink.url()
    );
    (Collector::start(BINARY, &config), http, grpc)
}

async fn post(door: SocketAddr, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answered {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body.into())).unwrap();
    Sender::new(door, Protocol::Http1).request(request).await.unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTO: (&str, &str) = ("content-type", "application/x-protobuf");

#[tokio::test(flavor = "multi_thread")]
async fn empty_requests_succeed() {
    let sink = Sink::start();
    let (collector, door, grpc) = receiver(&sink);
    let answer = post(door, "/v1/traces", &[JSON], "{}").await;
    assert_eq!((answer.status, &*answer.body), (200, &b"{\"partialSuccess\":{}}"[..]));
    assert_eq!(answer.content_type, "application/json");
    let answer = post(door, "/v1/traces", &[("content-type", "application/json; charset=utf-8")], "{}").await;
    assert_eq!(answer.status, 200, "parameters of the media type are ignored");
    let answer = post(door, "/v1/traces", &[PROTO], "").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/x-protobuf"));
    let mut sender = Sender::new(grpc, Protocol::Grpc);
    assert!(sender.send(SignalKind::Traces, Vec::new()).await.unwrap().is_success());
    assert_eq!(collector.metrics().sum("otelcol_receiver_accepted_spans_total", &[]), 0.0);
    assert!(sink.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_get_their_status_and_a_message() {
    let sink = Sink::start();
    let (_collector, door, grpc) = receiver(&sink);
    let span = |trace_id: &str| {
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{trace_id}","spanId":"eee19b7ec3c1b174","name":"x"}}]}}]}}]}}"#
        )
    };
    let cases: Vec<(&str, Vec<(&str, &str)>, Vec<u8>, u16, &str)> = vec![
        ("/v1/traces", vec![JSON], span("$(openssl rand -hex 16)").into_bytes(), 400, "traceId"),
        ("/v1/traces", vec![JSON], span("abcd").into_bytes(), 400, "traceId"),
        ("/v1/traces", vec![JSON], br#"{"resourceSpans": 5}"#.to_vec(), 400, "resourceSpans"),
        ("/v1/traces", vec![JSON], br#"{"resourceSpans": [{"#.to_vec(), 400, ""),
        ("/v1/traces", vec![JSON], "[".repeat(100_000).into_bytes(), 400, ""),
        ("/v1/traces", vec![PROTO], vec![0x0a, 0xff, 0xff], 400, ""),
        ("/v1/traces", vec![PROTO], b"plainly no protobuf".to_vec(), 400, ""),
        ("/v1/traces", vec![("content-type", "text/plain")], b"x".to_vec(), 415, "application/json"),
        ("/v1/traces", vec![], b"x".to_vec(), 415, "application/x-protobuf"),
        ("/v1/traces", vec![PROTO, ("content-encoding", "br")], b"x".to_vec(), 400, "br"),
        ("/v1/traces", vec![PROTO, ("content-encoding", "gzip")], b"no gzip".to_vec(), 400, ""),
        ("/v1/metrics", vec![JSON], b"{}".to_vec(), 404, ""),
        ("/v1/nothing", vec![JSON], b"{}".to_vec(), 404, ""),
    ];
    for (path, headers, body, status, word) in cases {
        let answer = post(door, path, &headers, body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{path} {headers:?}: {text}");
        assert!(text.contains(word), "{path} {headers:?}: {text:?} does not name {word:?}");
        assert!(!text.is_empty() || status == 404, "{path} {headers:?}: a message");
    }
    let get = Request::get("/v1/traces").body(Full::default()).unwrap();
    assert_eq!(Sender::new(door, Protocol::Http1).request(get).await.unwrap().status, 405);

    let mut sender = Sender::new(grpc, Protocol::Grpc);
    let broken = sender.send(SignalKind::Traces, vec![0x0a, 0xff, 0xff]).await.unwrap();
    assert_eq!(broken.grpc, Some(3), "InvalidArgument: {broken:?}");
    let unserved = sender.send(SignalKind::Metrics, Vec::new()).await.unwrap();
    assert_eq!(unserved.grpc, Some(12), "Unimplemented: {unserved:?}");
    assert!(sink.received().is_empty());
}

fn gzip(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..times).for_each(|_| encoder.write_all(bytes).unwrap());
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_and_bombs_are_refused_without_growth() {
    let sink = Sink::start();
    let (collector, door, grpc) = receiver(&sink);
    let before = collector.resident();
    let bomb = gzip(&[0; 1 << 20], 1024);
    assert!(bomb.len() < 2 << 20, "a gibibyte in {} bytes", bomb.len());
    for _ in 0..4 {
        let answer = post(door, "/v1/traces", &[PROTO, ("content-encoding", "gzip")], bomb.clone()).await;
        assert_eq!(answer.status, 413, "{}", String::from_utf8_lossy(&answer.body));
    }
    let answer = post(door, "/v1/traces", &[PROTO], vec![0; 21 << 20]).await;
    assert_eq!(answer.status, 413);

    let mut sender = Sender::new(grpc, Protocol::Grpc);
    let large = data::traces(["big".to_owned()], 5 << 20).encode_to_vec();
    let answer = sender.send(SignalKind::Traces, large).await.unwrap();
    assert_eq!(answer.grpc, Some(8), "ResourceExhausted: {answer:?}");
    let grown = collector.resident().saturating_sub(before);
    assert!(grown < (20 << 20) + (16 << 20), "grew by {grown} bytes");

    // It still works.
    let good = data::traces(["after".to_owned()], 0).encode_to_vec();
    assert!(sender.send(SignalKind::Traces, good).await.unwrap().is_success());
    eventually("the good one", || (sink.items(SignalKind::Traces) == 1).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_written_span_arrives_as_it_was_meant() {
    let sink = Sink::start();
    let (_collector, door, _) = receiver(&sink);
    let body = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"nixos-tests"}}]},
"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"test.my_custom_test",
"kind":1,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","status":{"code":1},"unknownKey":[1,{}],
"attributes":[{"key":"vm.memory_mb","value":{"intValue":2048}}]}]}]}]}"#;
    let answer = post(door, "/v1/traces", &[JSON], body).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let received = eventually("the span", || sink.received().pop());
    let spans = received.traces();
    let span = &spans.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.name, "test.my_custom_test");
    assert_eq!((span.trace_id[0], span.trace_id.len(), span.span_id.len()), (0x5b, 16, 8));
    assert_eq!((span.start_time_unix_nano, span.kind), (1_544_712_660_000_000_000, 1));
    let value = span.attributes[0].value.as_ref().and_then(|value| value.value.as_ref());
    assert!(matches!(value, Some(corten_proto::otlp::common::any_value::Value::IntValue(2048))), "{value:?}");
}
