//! One receiver, one batch, two destinations, through the real binary: what arrives, what waits, what is counted.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use corten_signal::otlp::SignalKind;
use corten_testkit::{Answer, Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

struct Fanout {
    collector: Collector,
    door: SocketAddr,
}

fn fanout(local: &str, remote: &str) -> Fanout {
    let port = free_address().port();
    let config = include_str!("configs/otlp-fanout.alloy")
        .replace("0.0.0.0:4318", &format!("0.0.0.0:{port}"))
        .replace("http://localhost:4320", local)
        .replace("http://127.0.0.1:14318", remote);
    let collector = Collector::start(BINARY, &config);
    Fanout { collector, door: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port) }
}

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |n| format!("{prefix}-{n}"))
}

async fn send_spans(door: SocketAddr, prefix: &str, count: usize) {
    let mut sender = Sender::new(door, Protocol::Http1);
    let body = data::traces(names(prefix, count), 0).encode_to_vec();
    let answer = sender.send(SignalKind::Traces, body).await.unwrap();
    assert!(answer.is_success(), "{answer:?}");
}

/// The addresses that a process listens on, from the kernel's tables.
fn listeners(pid: u32) -> Vec<String> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut found = Vec::new();
    for (table, wildcard) in [("tcp", "0.0.0.0"), ("tcp6", "::")] {
        for line in std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(&"0A"), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
                continue;
            };
            if sockets.iter().any(|socket| socket == inode) {
                let (address, port) = local.split_once(':').unwrap();
                let port = u16::from_str_radix(port, 16).unwrap();
                let host = match address {
                    "0100007F" => "127.0.0.1",
                    all if all.bytes().all(|b| b == b'0') => wildcard,
                    other => other,
                };
                found.push(format!("{host}:{port}"));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn all_signals_reach_both_destinations_compressed_and_in_the_batches_that_were_asked_for() {
    let (local, remote) = (Sink::start(), Sink::start());
    let Fanout { collector, door } = fanout(&local.url(), &remote.url());
    let mut expected = vec![collector.http().to_string(), format!("0.0.0.0:{}", door.port())];
    expected.sort();
    assert_eq!(listeners(collector.pid()), expected, "only what the file names is opened");

    // 999 wait for the timer; the size is not reached.
    send_spans(door, "timer", 999).await;
    for sink in [&local, &remote] {
        eventually("the timer", || (sink.items(SignalKind::Traces) == 999).then_some(()));
    }
    let counted = collector.metrics();
    assert_eq!(counted.sum("otelcol_processor_batch_timeout_trigger_send_total", &[]), 1.0);
    assert_eq!(counted.sum("otelcol_processor_batch_batch_size_trigger_send_total", &[]), 0.0);

    // 1000 leave at once, 5000 leave as 2000 + 2000 + 1000, none of them by the timer.
    send_spans(door, "at-once", 1000).await;
    eventually("the full batch", || (local.items(SignalKind::Traces) == 1999).then_some(()));
    send_spans(door, "split", 5000).await;
    for sink in [&local, &remote] {
        eventually("the split batch", || (sink.items(SignalKind::Traces) == 6999).then_some(()));
        let mut sizes: Vec<usize> = sink.received().iter().map(corten_testkit::Received::items).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [999, 1000, 1000, 2000, 2000]);
        let spans = sink.span_names();
        assert!(spans.len() == 6999 && spans.values().all(|times| *times == 1), "each span once");
    }
    assert_eq!(collector.metrics().sum("otelcol_processor_batch_timeout_trigger_send_total", &[]), 1.0);

    let mut sender = Sender::new(door, Protocol::Http1);
    let metrics = data::metrics(0..1000).encode_to_vec();
    let logs = data::logs(names("line", 1000)).encode_to_vec();
    assert!(sender.send(SignalKind::Metrics, metrics).await.unwrap().is_success());
    assert!(sender.send(SignalKind::Logs, logs).await.unwrap().is_success());
    for sink in [&local, &remote] {
        for kind in [SignalKind::Metrics, SignalKind::Logs] {
            eventually("metrics and logs", || (sink.items(kind) == 1000).then_some(()));
        }
        for received in sink.received() {
            assert_eq!(received.header("content-type"), Some("application/x-protobuf"));
            assert_eq!(received.header("content-encoding"), Some("gzip"));
            assert!(received.header("user-agent").is_some_and(|agent| agent.starts_with("Corten/")));
            assert!(["/v1/traces", "/v1/metrics", "/v1/logs"].contains(&received.path.as_str()));
        }
    }

    let counted = collector.metrics();
    let receiver = [("receiver", "otlp/otelcol.receiver.otlp.default"), ("transport", "http")];
    assert_eq!(counted.sum("otelcol_receiver_accepted_spans_total", &receiver), 6999.0);
    for id in ["local", "k8s"] {
        let exporter = format!("otlp_http/otelcol.exporter.otlphttp.{id}");
        let exporter = [("exporter", exporter.as_str())];
        assert_eq!(counted.sum("otelcol_exporter_sent_spans_total", &exporter), 6999.0);
        assert_eq!(counted.sum("otelcol_exporter_sent_metric_points_total", &exporter), 1000.0);
        assert_eq!(counted.sum("otelcol_exporter_sent_log_records_total", &exporter), 1000.0);
        assert!(counted.has("otelcol_exporter_send_failed_spans_total", &exporter));
        assert!(counted.has("otelcol_exporter_queue_size", &exporter));
    }
    assert_eq!(collector.stop().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_destination_waits_in_its_queue_while_the_other_is_served() {
    let local = Sink::start();
    let absent = free_address();
    let Fanout { collector, door } = fanout(&local.url(), &format!("http://{absent}"));
    for round in 0..5 {
        send_spans(door, &format!("round{round}"), 1000).await;
    }
    eventually("the living destination", || (local.items(SignalKind::Traces) == 5000).then_some(()));
    let dead = [("exporter", "otlp_http/otelcol.exporter.otlphttp.k8s")];
    assert_eq!(collector.metrics().sum("otelcol_exporter_sent_spans_total", &dead), 0.0);

    let remote = Sink::start_at(absent);
    eventually("what waited for the other", || (remote.items(SignalKind::Traces) == 5000).then_some(()));
    let spans = remote.span_names();
    assert!(spans.len() == 5000 && spans.values().all(|times| *times == 1), "each span once");
    eventually("the counters", || {
        let sent = collector.metrics().sum("otelcol_exporter_sent_spans_total", &dead);
        (sent == 5000.0).then_some(())
    });
    assert_eq!(collector.metrics().sum("otelcol_exporter_queue_size", &dead), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_request_drops_alone_and_permanent_refusals_are_counted() {
    let (local, remote) = (Sink::start(), Sink::start());
    remote.answer(Answer::Status(403, None));
    let Fanout { collector, door } = fanout(&local.url(), &remote.url());
    send_spans(door, "span", 1000).await;
    eventually("the living destination", || (local.items(SignalKind::Traces) == 1000).then_some(()));
    let refusing = [("exporter", "otlp_http/otelcol.exporter.otlphttp.k8s")];
    eventually("the refusal", || {
        let failed = collector.metrics().sum("otelcol_exporter_send_failed_spans_total", &refusing);
        (failed == 1000.0).then_some(())
    });
    assert_eq!(remote.received().len(), 1, "a permanent refusal is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_data_comes_again_and_is_not_doubled() {
    let (local, remote) = (Sink::start(), Sink::start());
    remote.script([Answer::Status(429, Some("1".into())), Answer::Status(503, None)]);
    let Fanout { collector: _collector, door } = fanout(&local.url(), &remote.url());
    send_spans(door, "span", 1000).await;
    eventually("the third try", || (remote.items(SignalKind::Traces) == 1000).then_some(()));
    assert_eq!(remote.received().len(), 3);
    assert_eq!(local.received().len(), 1);
}
