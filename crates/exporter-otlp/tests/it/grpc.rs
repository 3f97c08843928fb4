//! What arrives, and what a status leads to.

use std::time::Duration;

use bytes::Bytes;
use corten_delivery::Arena;
use corten_net::codec::{self, Encoding};
use corten_signal::otlp::{Batch, Encoded, SignalKind};
use corten_testkit::exporter::{large, logs, metrics, traces};
use corten_testkit::{Answer, Received, Sink, eventually, free_address};

use crate::bench::{refused, start};

const QUICK: &str = r#"retry_on_failure { initial_interval = "10ms"
 max_interval = "20ms" }"#;

fn to(sink: &Sink, client: &str, rest: &str) -> String {
    let address = sink.address();
    format!("client {{\n endpoint = \"{address}\"\n tls {{ insecure = true }}\n {client}\n}}\n{rest}")
}

fn requests(sink: &Sink, count: usize) -> Vec<Received> {
    eventually("the requests", || Some(sink.received()).filter(|received| received.len() >= count))
}

fn exporter_label() -> (&'static str, &'static str) {
    ("exporter", "otlp_grpc/otelcol.exporter.otlp.x")
}

fn traces_label() -> [(&'static str, &'static str); 1] {
    [("data_type", "traces")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_signal_goes_to_its_service() {
    let sink = Sink::start();
    let exporter = start(&to(&sink, "", "")).await;
    exporter.send(traces(&["a", "b"])).await;
    exporter.send(metrics(&[1, 2, 3])).await;
    exporter.send(logs(&["x"])).await;
    let received = requests(&sink, 3);
    for (kind, items) in [(SignalKind::Traces, 2), (SignalKind::Metrics, 3), (SignalKind::Logs, 1)] {
        let request = received.iter().find(|request| request.path == kind.grpc_path()).expect("a request");
        assert!(request.grpc);
        assert_eq!(request.items(), items);
        assert_eq!(request.header("grpc-encoding"), Some("gzip"));
        assert!(request.header("user-agent").unwrap().starts_with("Corten/"));
        assert_eq!(request.header("grpc-timeout"), Some("5000m"));
    }
    eventually("the counters", || {
        (exporter.metric("otelcol_exporter_sent_spans_total", &[exporter_label()]) == 2.0).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_compression_is_what_it_says() {
    for name in ["gzip", "zstd", "snappy", "none", ""] {
        let sink = Sink::start();
        let exporter = start(&to(&sink, &format!("compression = {name:?}"), "")).await;
        // Large enough to be compressed aside.
        let batch = large(300);
        let expected = batch.to_bytes();
        exporter.send(batch).await;
        let request = &requests(&sink, 1)[0];
        let said = request.header("grpc-encoding");
        assert_eq!(said, Some(name).filter(|name| !name.is_empty() && *name != "none"));
        assert_eq!(request.wire[0], u8::from(said.is_some()));
        let encoding = Encoding::from_grpc(said.unwrap_or("")).unwrap();
        let plain = codec::decode(encoding, [request.wire.slice(5..)], 10 << 20, &mut |_| true).unwrap();
        assert_eq!(Bytes::from(plain), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_forwarded_as_it_came_where_it_is_the_same() {
    let sink = Sink::start();
    let exporter = start(&to(&sink, "", "")).await;
    let kept = exporter.service::<Arena>().store(b"as it came").unwrap();
    let bytes = exporter.service::<Arena>().store(&traces(&["a"]).to_bytes()).unwrap();
    let encoded = Some(Encoded { encoding: "gzip", body: kept.clone() });
    exporter.send(Batch::new(SignalKind::Traces, bytes, 1).with_encoded(encoded)).await;
    assert_eq!(requests(&sink, 1)[0].wire.slice(5..), kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_go_as_one_message() {
    let sink = Sink::start();
    let exporter = start(&to(&sink, "compression = \"none\"", "")).await;
    exporter.send(Batch::concat(vec![traces(&["a"]), traces(&["b"]), traces(&["c"])]).unwrap()).await;
    assert_eq!(requests(&sink, 1)[0].items(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_and_credentials_are_added() {
    let sink = Sink::start();
    let client = "headers = {\"X-Scope-OrgID\" = \"tenant\"}\n auth = credentials\n authority = \"name.example\"";
    let exporter = start(&to(&sink, client, "")).await;
    exporter.send(logs(&["x"])).await;
    let request = &requests(&sink, 1)[0];
    assert_eq!(request.header("x-scope-orgid"), Some("tenant"));
    assert_eq!(request.header("authorization"), Some("Bearer canary"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_tried_again_is_and_the_rest_is_not() {
    let sink = Sink::start();
    let status = |code| Answer::Status(code, None);
    sink.script([
        status(14),
        status(4),
        status(1),
        status(10),
        status(11),
        status(15),
        Answer::Ok,
        status(8),
        status(13),
    ]);
    let exporter = start(&to(&sink, "", QUICK)).await;
    for (name, count) in [("a", 7), ("b", 8), ("c", 9), ("d", 10)] {
        exporter.send(traces(&[name])).await;
        requests(&sink, count);
    }
    let sum = |name: &str| exporter.metric(name, &traces_label());
    eventually("everything", || (sum("corten_delivery_queued_items") == 0.0).then_some(()));
    assert_eq!(sum("corten_delivery_delivered_items_total"), 2.0);
    assert_eq!(sum("corten_delivery_rejected_items_total"), 2.0);
    assert_eq!(exporter.metric("otelcol_exporter_send_failed_spans_total", &[exporter_label()]), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_success_is_counted_and_not_repeated() {
    let sink = Sink::start();
    sink.script([Answer::Partial(2, "too old".to_owned())]);
    let exporter = start(&to(&sink, "", QUICK)).await;
    exporter.send(traces(&["a", "b", "c"])).await;
    let sum = |name: &str| exporter.metric(name, &traces_label());
    eventually("the answer", || (sum("corten_delivery_rejected_items_total") == 2.0).then_some(()));
    assert_eq!(sum("corten_delivery_delivered_items_total"), 1.0);
    exporter.send(traces(&["d"])).await;
    assert_eq!(requests(&sink, 2).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_gets_what_waited() {
    let sink = Sink::start();
    let address = sink.address();
    let text = to(&sink, "", QUICK);
    drop(sink);
    let exporter = start(&text).await;
    for name in ["a", "b", "c"] {
        exporter.send(traces(&[name])).await;
    }
    let sum = |name: &str| exporter.metric(name, &traces_label());
    eventually("a failure", || (sum("corten_delivery_retries_total") > 1.0).then_some(()));
    let sink = Sink::start_at(address);
    eventually("delivery", || (sink.items(SignalKind::Traces) == 3).then_some(()));
    eventually("the counters", || (sum("corten_delivery_queued_items") == 0.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_at_the_end_is_counted() {
    let sink = Sink::start();
    sink.answer(Answer::Status(14, None));
    let exporter = start(&to(&sink, "", "")).await;
    exporter.send(traces(&["a", "b"])).await;
    requests(&sink, 1);
    let registry = exporter.stop(Duration::from_secs(20)).await;
    let text = registry.render();
    let line = text.lines().find(|line| line.contains("data_type=\"traces\"") && line.contains("reason=\"shutdown\""));
    assert!(line.unwrap().ends_with(" 2"), "{line:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_said_while_the_file_is_loaded() {
    for (text, words) in [
        ("", "missing required block \"client\""),
        ("client { endpoint = \"\" }", "host:port"),
        ("client { endpoint = \"a:1\"\n compression = \"zlib\" }", "unsupported compression type"),
        ("client { endpoint = \"a:1\"\n balancer_name = \"mine\" }", "is not one of round_robin, pick_first"),
        ("client { endpoint = \"a:1\"\n tls { ca_file = \"/nonexistent/ca.pem\" } }", "/nonexistent/ca.pem"),
    ] {
        let found = refused(text).await;
        assert!(found.contains(words), "{text}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_back_gets_what_waits_before_its_pause_is_over() {
    let address = free_address();
    // A retry at its time would come in an hour.
    let retry = "retry_on_failure {\n initial_interval = \"1h\"\n max_interval = \"1h\"\n max_elapsed_time = \"0s\"\n}";
    let client = format!("client {{\n endpoint = \"{address}\"\n tls {{ insecure = true }}\n}}");
    let exporter = start(&format!("{client}\n{retry}")).await;
    exporter.send(traces(&["a"])).await;
    eventually("the pause", || (exporter.metric("corten_delivery_paused", &[exporter_label()]) == 1.0).then_some(()));
    let sink = Sink::start_at(address);
    assert_eq!(requests(&sink, 1)[0].items(), 1);
}
