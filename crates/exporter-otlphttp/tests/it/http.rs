//! What arrives, and what an answer leads to.

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
    format!("client {{\n endpoint = {:?}\n {client}\n}}\n{rest}", sink.url())
}

fn requests(sink: &Sink, count: usize) -> Vec<Received> {
    eventually("the requests", || Some(sink.received()).filter(|received| received.len() >= count))
}

fn exporter_label() -> (&'static str, &'static str) {
    ("exporter", "otlp_http/otelcol.exporter.otlphttp.x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_signal_goes_to_its_path_as_gzipped_protobuf() {
    let sink = Sink::start();
    let exporter = start(&to(&sink, "", "")).await;
    exporter.send(traces(&["a", "b"])).await;
    exporter.send(metrics(&[1, 2, 3])).await;
    exporter.send(logs(&["x"])).await;
    let received = requests(&sink, 3);
    for (path, items) in [("/v1/traces", 2), ("/v1/metrics", 3), ("/v1/logs", 1)] {
        let request = received.iter().find(|request| request.path == path).expect(path);
        assert_eq!(request.items(), items);
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        assert_eq!(request.header("content-encoding"), Some("gzip"));
        assert!(request.header("user-agent").unwrap().starts_with("Corten/"));
    }
    eventually("the counters", || {
        (exporter.metric("otelcol_exporter_sent_spans_total", &[exporter_label()]) == 2.0).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_of_signals_are_used_as_they_are() {
    let sink = Sink::start();
    let own = format!("traces_endpoint = \"{}/own/traces?tenant=a\"", sink.url());
    let exporter = start(&to(&sink, "", &own)).await;
    exporter.send(traces(&["a"])).await;
    assert_eq!(requests(&sink, 1)[0].path, "/own/traces");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_compression_is_what_it_says() {
    let limit = 10 << 20;
    for name in ["gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4", "none", ""] {
        let sink = Sink::start();
        let exporter = start(&to(&sink, &format!("compression = {name:?}"), "")).await;
        // Large enough to be compressed aside.
        let batch = large(300);
        let expected = batch.to_bytes();
        exporter.send(batch).await;
        let request = &requests(&sink, 1)[0];
        let said = request.header("content-encoding");
        assert_eq!(said, Some(name).filter(|name| !name.is_empty() && *name != "none"));
        let encoding = Encoding::from_http(said.unwrap_or("")).unwrap();
        let plain = codec::decode(encoding, [request.wire.clone()], limit, &mut |_| true).unwrap();
        assert_eq!(Bytes::from(plain), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_forwarded_as_it_came_only_where_it_is_the_same() {
    let sink = Sink::start();
    let exporter = start(&to(&sink, "", "sending_queue { num_consumers = 1 }")).await;
    // Bytes that cannot be what this exporter makes.
    let body = Bytes::from_static(b"as it came");
    let kept = exporter.service::<Arena>().store(&body).unwrap();
    let batch = |encoding, body: &Bytes| {
        let batch = traces(&["a"]);
        let bytes = exporter.service::<Arena>().store(&batch.to_bytes()).unwrap();
        let encoded = Some(Encoded { encoding, body: body.clone() });
        Batch::new(SignalKind::Traces, bytes, 1).with_encoded(encoded)
    };
    exporter.send(batch("gzip", &kept)).await;
    exporter.send(batch("zstd", &kept)).await;
    // A body that lies in a network buffer is not kept in a queue.
    exporter.send(batch("gzip", &body)).await;
    exporter.send(Batch::concat(vec![batch("gzip", &kept), batch("gzip", &kept)]).unwrap()).await;
    let received = requests(&sink, 4);
    assert_eq!(received[0].wire, body);
    assert!(received[1..].iter().all(|request| request.wire != body && request.message.is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_sent_where_it_is_wanted() {
    let sink = Sink::start();
    let exporter = start(&to(&sink, "compression = \"none\"", "encoding = \"json\"")).await;
    let joined = Batch::concat(vec![traces(&["a"]), traces(&["b"])]).unwrap();
    exporter.send(joined).await;
    let request = &requests(&sink, 1)[0];
    assert_eq!(request.header("content-type"), Some("application/json"));
    let text = String::from_utf8(request.wire.to_vec()).unwrap();
    assert!(
        text.starts_with("{\"resourceSpans\"") && text.contains("\"name\":\"a\"") && text.contains("\"name\":\"b\"")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_credentials_are_added() {
    let sink = Sink::start();
    let client = "headers = {\"X-Scope-OrgID\" = \"tenant\", \"User-Agent\" = \"mine\"}\n auth = credentials";
    let exporter = start(&to(&sink, client, "")).await;
    exporter.send(logs(&["x"])).await;
    let request = &requests(&sink, 1)[0];
    assert_eq!(request.header("x-scope-orgid"), Some("tenant"));
    assert_eq!(request.header("user-agent"), Some("mine"));
    assert_eq!(request.header("authorization"), Some("Bearer canary"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_tried_again_is_and_the_rest_is_not() {
    let sink = Sink::start();
    let status = |status| Answer::Status(status, None);
    sink.script([status(503), status(429), status(502), status(504), Answer::Ok, status(500), Answer::Ok]);
    let exporter = start(&to(&sink, "", QUICK)).await;
    exporter.send(traces(&["a"])).await;
    requests(&sink, 5);
    exporter.send(traces(&["b"])).await;
    requests(&sink, 6);
    exporter.send(traces(&["c"])).await;
    requests(&sink, 7);
    let sum = |name: &str| exporter.metric(name, &[("data_type", "traces")]);
    eventually("everything", || (sum("corten_delivery_queued_items") == 0.0).then_some(()));
    assert_eq!(sum("corten_delivery_accepted_items_total"), 3.0);
    assert_eq!(sum("corten_delivery_delivered_items_total"), 2.0);
    assert_eq!(sum("corten_delivery_rejected_items_total"), 1.0);
    assert_eq!(exporter.metric("otelcol_exporter_send_failed_spans_total", &[exporter_label()]), 1.0);
    assert_eq!(sink.span_names().into_keys().collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_batch_with_poison_everything_else_arrives() {
    let sink = Sink::start();
    // 400 for eight requests, then for the half with the poison, and so on down to it.
    let bad = || Answer::Status(400, None);
    sink.script([bad(), bad(), bad(), bad()]);
    let consumer = "sending_queue { num_consumers = 1 }";
    let exporter = start(&to(&sink, "", consumer)).await;
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    exporter.send(Batch::concat(names.iter().map(|name| traces(&[name])).collect()).unwrap()).await;
    let sum = |name: &str| exporter.metric(name, &[("data_type", "traces")]);
    eventually("the rest", || (sum("corten_delivery_delivered_items_total") == 7.0).then_some(()));
    assert_eq!(sum("corten_delivery_rejected_items_total"), 1.0);
    let mut taken: Vec<_> = sink.span_names().into_iter().collect();
    taken.sort();
    assert_eq!(taken, names[1..].iter().map(|name| (name.to_string(), 1)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_success_is_counted_and_not_repeated() {
    let sink = Sink::start();
    sink.script([Answer::Partial(2, "too old".to_owned())]);
    let exporter = start(&to(&sink, "", QUICK)).await;
    exporter.send(traces(&["a", "b", "c"])).await;
    let sum = |name: &str| exporter.metric(name, &[("data_type", "traces")]);
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
    let sum = |name: &str| exporter.metric(name, &[("data_type", "traces")]);
    eventually("a failure", || (sum("corten_delivery_retries_total") > 1.0).then_some(()));
    assert_eq!(sum("corten_delivery_queued_items"), 3.0);
    let sink = Sink::start_at(address);
    eventually("delivery", || (sink.items(SignalKind::Traces) == 3).then_some(()));
    eventually("the counters", || (sum("corten_delivery_queued_items") == 0.0).then_some(()));
    assert_eq!(sum("corten_delivery_delivered_items_total"), 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_asked_again() {
    let sink = Sink::start();
    sink.script([Answer::Hang]);
    let exporter = start(&to(&sink, "timeout = \"100ms\"", QUICK)).await;
    exporter.send(traces(&["a"])).await;
    assert_eq!(requests(&sink, 2)[1].items(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_at_the_end_is_counted() {
    let sink = Sink::start();
    sink.answer(Answer::Status(503, Some("3600".to_owned())));
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
        ("client { }", "missing required attribute \"endpoint\""),
        ("client { endpoint = \"a:1\" }", "http://"),
        ("client { endpoint = \"http://a\"\n compression = \"br\" }", "unsupported compression type"),
        ("client { endpoint = \"http://a\" }\n encoding = \"xml\"", "is not one of proto, json"),
        ("client { endpoint = \"http://a\" }\n retry_on_failure { multiplier = 1 }", "multiplier"),
        ("client { endpoint = \"http://a\" }\n sending_queue { queue_size = 0 }", "queue_size"),
        ("client { endpoint = \"http://a\"\n tls { ca_file = \"/nonexistent/ca.pem\" } }", "/nonexistent/ca.pem"),
        ("client { endpoint = \"http://a\"\n proxy_url = \"ftp://a\" }", "scheme \"ftp\""),
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
    let exporter = start(&format!("client {{\n endpoint = \"http://{address}\"\n}}\n{retry}")).await;
    exporter.send(traces(&["a"])).await;
    eventually("the pause", || (exporter.metric("corten_delivery_paused", &[exporter_label()]) == 1.0).then_some(()));
    let sink = Sink::start_at(address);
    assert_eq!(requests(&sink, 1)[0].items(), 1);
}
