//! Reloads that replace the receiver under load: every request is answered, nothing is lost, nothing comes twice.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");
const RELOADS: usize = 200;

fn config(http: SocketAddr, grpc: SocketAddr, sink: &str, round: usize) -> String {
    format!(
        r#"otelcol.receiver.otlp "default" {{
  grpc {{
    endpoint = "{grpc}"
    max_recv_msg_size = "{}KiB"
  }}
  http {{
    endpoint = "{http}"
    max_request_body_size = "{}KiB"
  }}
  output {{ traces = [otelcol.processor.batch.default.input] }}
}}
otelcol.processor.batch "default" {{
  timeout = "{}ms"
  output {{ traces = [otelcol.exporter.otlphttp.sink.input] }}
}}
otelcol.exporter.otlphttp "sink" {{
  client {{ endpoint = "{sink}" }}
}}
"#,
        4096 + round,
        8192 + round,
        // The batch changes too, but not every time.
        100 + round / 10,
    )
}

/// Sends one span after the other until told to stop: the names that were acknowledged, and the connections it took.
async fn load(door: SocketAddr, protocol: Protocol, id: usize, stop: Arc<AtomicBool>) -> (Vec<String>, usize) {
    let mut sender = Sender::new(door, protocol);
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let name = format!("{protocol:?}-{id}-{}", sent.len());
        let body = data::traces([name.clone()], 0).encode_to_vec();
        let answer = sender.send(SignalKind::Traces, body).await;
        let answer = answer.unwrap_or_else(|error| panic!("{name} got no answer: {error}"));
        assert!(answer.is_success(), "{name}: {answer:?}");
        sent.push(name);
    }
    (sent, sender.connects)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_replaced_receivers_answer_every_request() {
    let sink = Sink::start();
    let (http, grpc) = (free_address(), free_address());
    let collector = Collector::start(BINARY, &config(http, grpc, &sink.url(), 0));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = [(http, Protocol::Http1), (http, Protocol::Http2), (grpc, Protocol::Grpc)]
        .into_iter()
        .flat_map(|(door, protocol)| (0..2).map(move |id| (door, protocol, id)))
        .map(|(door, protocol, id)| tokio::spawn(load(door, protocol, id, Arc::clone(&stop))))
        .collect();
    for round in 1..=RELOADS {
        let (status, body) = collector.reload(&config(http, grpc, &sink.url(), round));
        assert_eq!(status, 200, "reload {round}: {body}");
    }
    // A broken file in between: refused with its diagnostic, and the old pipeline runs on.
    let (status, body) = collector.reload("otelcol.receiver.otlp \"default\" {");
    assert_eq!(status, 400, "{body}");
    let (status, body) = collector.reload("otelcol.receiver.otpl \"default\" { }");
    assert!(status == 400 && body.contains("otelcol.receiver.otpl"), "{body}");
    stop.store(true, Ordering::Relaxed);

    let mut sent = Vec::new();
    for client in clients {
        let (names, connects) = client.await.unwrap();
        assert_eq!(connects, 1, "the connection outlives the instances");
        sent.extend(names);
    }
    eventually("all that was acknowledged", || (sink.items(SignalKind::Traces) == sent.len()).then_some(()));
    let arrived = sink.span_names();
    assert!(arrived.values().all(|times| *times == 1), "nothing twice");
    assert!(sent.iter().all(|name| arrived.contains_key(name)), "nothing lost");
    let counted = collector.metrics();
    assert_eq!(counted.sum("otelcol_receiver_accepted_spans_total", &[]), sent.len() as f64);
    assert_eq!(counted.sum("otelcol_exporter_sent_spans_total", &[]), sent.len() as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_and_a_stopped_collector_has_delivered_what_it_held() {
    let sink = Sink::start();
    let (http, grpc) = (free_address(), free_address());
    let collector = Collector::start(BINARY, &config(http, grpc, &sink.url(), 0));
    // From now on the batch waits long: only the drain can bring the span out.
    let slow = config(http, grpc, &sink.url(), 1).replace("timeout = \"100ms\"", "timeout = \"10m\"");
    std::fs::write(collector.config_path(), slow).unwrap();
    collector.signal("HUP");
    eventually("the reload", || collector.output().contains("reload").then_some(()));
    let mut sender = Sender::new(http, Protocol::Http1);
    let body = data::traces(["held".to_owned()], 0).encode_to_vec();
    assert!(sender.send(SignalKind::Traces, body).await.unwrap().is_success());
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);
    assert_eq!(sink.span_names().get("held"), Some(&1));
}
