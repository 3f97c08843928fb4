//! A destination that is dead for the whole run: the other loses and repeats nothing, the queue holds what it says,
//! the process stays small, the oldest goes first, and the counters agree to the item.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");
const MIB: f64 = 1024.0 * 1024.0;

fn config(http: SocketAddr, grpc: SocketAddr, local: &str, dead: SocketAddr) -> String {
    format!(
        r#"otelcol.receiver.otlp "default" {{
  grpc {{ endpoint = "{grpc}" }}
  http {{ endpoint = "{http}" }}
  output {{ traces = [otelcol.exporter.otlphttp.local.input, otelcol.exporter.otlphttp.dead.input] }}
}}
otelcol.exporter.otlphttp "local" {{
  client {{ endpoint = "{local}" }}
}}
otelcol.exporter.otlphttp "dead" {{
  client {{ endpoint = "http://{dead}" }}
}}
"#
    )
}

/// Sends `total` spans, one a request, over four connections of each protocol: how many went over each connection.
async fn load(http: SocketAddr, grpc: SocketAddr, total: usize, padding: usize) -> Vec<usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|id| {
            let next = Arc::clone(&next);
            let (door, protocol) = if id % 2 == 0 { (http, Protocol::Http1) } else { (grpc, Protocol::Grpc) };
            tokio::spawn(async move {
                let mut sender = Sender::new(door, protocol);
                let mut sent = 0;
                while next.fetch_add(1, Ordering::Relaxed) < total {
                    let body = data::traces([format!("{id}-{sent}")], padding).encode_to_vec();
                    let answer = sender.send(SignalKind::Traces, body).await.unwrap();
                    assert!(answer.is_success(), "a dead destination is not the sender's affair: {answer:?}");
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    let mut sent = Vec::new();
    for client in clients {
        sent.push(client.await.unwrap());
    }
    sent
}

async fn overflow(padding: usize) {
    let local = Sink::start();
    let (http, grpc, dead) = (free_address(), free_address(), free_address());
    let collector = Collector::start(BINARY, &config(http, grpc, &local.url(), dead));
    let body = data::traces(["0-0".to_owned()], padding).encode_to_vec().len();
    // Half as much again as the queue holds.
    let total = 157_286_400 / body;
    let mut largest = 0;
    let loading = tokio::spawn(load(http, grpc, total, padding));
    while !loading.is_finished() {
        largest = largest.max(collector.resident());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let sent = loading.await.unwrap();
    eventually("the living destination", || (local.items(SignalKind::Traces) == total).then_some(()));
    let arrived = local.span_names();
    assert!(arrived.len() == total && arrived.values().all(|times| *times == 1), "each span once");

    let counted = collector.metrics();
    let exporter = [("exporter", "otlp_http/otelcol.exporter.otlphttp.dead")];
    let sum = |name: &str| counted.sum(name, &exporter);
    let queued = sum("corten_delivery_queued_items");
    let dropped = sum("corten_delivery_dropped_items_total");
    assert_eq!(sum("corten_delivery_accepted_items_total"), total as f64);
    assert_eq!(sum("corten_delivery_delivered_items_total"), 0.0);
    assert_eq!(queued + dropped, total as f64, "accepted = queued + dropped");
    let held = sum("otelcol_exporter_queue_size");
    assert!((held / (100.0 * MIB) - 1.0).abs() < 0.05, "the queue holds {:.1} MiB", held / MIB);
    largest = largest.max(collector.resident());
    assert!(largest < 150_000_000, "{:.1} MB resident with bodies of {body} bytes", largest as f64 / 1e6);

    // What is left are the newest of each connection.
    let revived = Sink::start_at(dead);
    eventually("what waited", || (revived.items(SignalKind::Traces) == queued as usize).then_some(()));
    let left = revived.span_names();
    assert!(left.len() == queued as usize && left.values().all(|times| *times == 1), "each span once");
    for (id, sent) in sent.iter().enumerate() {
        let kept = left.keys().filter(|name| name.starts_with(&format!("{id}-"))).count();
        let newest = (sent - kept..*sent).filter(|n| left.contains_key(&format!("{id}-{n}"))).count();
        assert_eq!(newest, kept, "the oldest of connection {id} went first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_600_byte_bodies() {
    overflow(360).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_6_kilobyte_bodies() {
    overflow(5_800).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_60_kilobyte_bodies() {
    overflow(59_800).await;
}
