//! Killed at any moment, the collector loses nothing that it acknowledged into a queue on disk.
//!
//! `CORTEN_KILLS=1000` is the long form; `CORTEN_SEED=n` repeats the moments and back ends of a run.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking
#![allow(clippy::disallowed_methods)] // a blocking wait beside the runtime that is waited for
#![allow(clippy::print_stdout, reason = "what repeats a run")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corten_signal::otlp::SignalKind;
use corten_testkit::{Answer, Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");
const KILLS: usize = 10;
const CLIENTS: usize = 4;

/// Requests that may be under way to the back end at a kill, and as many that it has answered while the cursor was
/// being written.
const UNDER_WAY: usize = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn config(door: SocketAddr, sink: &str, directory: &Path) -> String {
    format!(
        r#"otelcol.receiver.otlp "default" {{
  http {{ endpoint = "{door}" }}
  output {{ traces = [otelcol.exporter.otlphttp.sink.input] }}
}}
otelcol.storage.file "buffer" {{
  directory = "{}"
}}
otelcol.exporter.otlphttp "sink" {{
  client {{ endpoint = "{sink}" }}
  sending_queue {{
    queue_size = 100000
    storage    = otelcol.storage.file.buffer.handler
  }}
  retry_on_failure {{
    initial_interval = "50ms"
    max_interval     = "200ms"
    max_elapsed_time = "0s"
  }}
}}
"#,
        directory.display()
    )
}

/// Sends one span after the other until the collector is gone: how many were sent, and which were acknowledged.
async fn load(door: SocketAddr, round: usize, client: usize, acknowledged: Arc<AtomicUsize>) -> (usize, Vec<String>) {
    let mut sender = Sender::new(door, Protocol::Http1);
    let (mut sent, mut safe) = (0, Vec::new());
    loop {
        let name = format!("{round}-{client}-{sent}");
        sent += 1;
        let size = if sent % 50 == 0 { 100_000 } else { 300 };
        let body = data::traces([name.clone()], size).encode_to_vec();
        match sender.send(SignalKind::Traces, body).await {
            Ok(answer) if answer.is_success() => {
                safe.push(name);
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer) => panic!("{name} was refused: {answer:?}"),
            Err(_) => return (sent, safe),
        }
    }
}

/// Sends one span, which is acknowledged once it is on disk.
async fn send_one(door: SocketAddr, name: &str) {
    let body = data::traces([name.to_owned()], 0).encode_to_vec();
    let answer = Sender::new(door, Protocol::Http1).send(SignalKind::Traces, body).await.expect("an answer");
    assert!(answer.is_success(), "{name}: {answer:?}");
}

fn tool(args: &[&str]) -> (bool, String) {
    let output = Command::new(BINARY).args(["tools", "buffer"]).args(args).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_show_what_waits() {
    let storage = tempfile::tempdir().expect("a directory");
    let (door, nobody) = (free_address(), free_address());
    let collector = Collector::start(BINARY, &config(door, &format!("http://{nobody}"), storage.path()));
    for name in ["a", "b", "c"] {
        send_one(door, name).await;
    }
    let directory = storage.path().display().to_string();
    let (ok, text) = tool(&["inspect", &directory]);
    assert!(ok && text.contains("3 spans in 3 requests"), "{text}");
    collector.signal("KILL");
    drop(collector);
    let to = storage.path().join("exported");
    let (ok, text) = tool(&["export", &directory, "--to", &to.display().to_string()]);
    assert!(ok && text.contains("3 requests written"), "{text}");
    let body = std::fs::read(to.join("00000001-traces.binpb")).expect("a file");
    let request = corten_proto::otlp::collector::ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP");
    assert_eq!(request.resource_spans[0].scope_spans[0].spans[0].name, "a");
    let (ok, text) = tool(&["verify", &directory]);
    assert!(ok && text.contains("whole"), "{text}");
    let segment = storage.path().join("otelcol.exporter.otlphttp.sink/0000000000000001.seg");
    let mut content = std::fs::read(&segment).expect("a segment");
    content[600] ^= 1;
    std::fs::write(&segment, content).expect("written");
    let (ok, text) = tool(&["verify", &directory]);
    assert!(!ok && text.contains("DAMAGED") && text.contains("1 records"), "{text}");
    let (ok, text) = tool(&["inspect", &to.display().to_string()]);
    assert!(!ok && text.contains("holds no queue"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_what_was_acknowledged() {
    let seed = number("CORTEN_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("CORTEN_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let kills = number("CORTEN_KILLS").map_or(KILLS, |kills| kills as usize);
    let sink = Sink::start();
    sink.forget_requests();
    let storage = tempfile::tempdir().expect("a directory");
    let door = free_address();
    let config = config(door, &sink.url(), storage.path());
    let (mut sent, mut safe) = (BTreeSet::new(), Vec::new());
    for round in 0..kills {
        let collector = Collector::start(BINARY, &config);
        sink.answer(if rng.u8(..3) == 0 { Answer::Status(503, None) } else { Answer::Ok });
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| (client, tokio::spawn(load(door, round, client, Arc::clone(&acknowledged)))))
            .collect();
        let until = rng.usize(1..300);
        let patient =
            || eventually("acknowledgements", || (acknowledged.load(Ordering::SeqCst) >= until).then_some(()));
        tokio::task::block_in_place(patient);
        collector.signal("KILL");
        for (client, task) in clients {
            let (count, names) = task.await.expect("a client");
            sent.extend((0..count).map(|number| format!("{round}-{client}-{number}")));
            safe.extend(names);
        }
        drop(collector);
    }
    sink.answer(Answer::Ok);
    let collector = Collector::start(BINARY, &config);
    send_one(door, "marker").await;
    sent.insert("marker".to_owned());
    safe.push("marker".to_owned());
    let queued = || {
        let waiting = collector.metrics().sum("corten_delivery_queued_items", &[("data_type", "traces")]);
        (waiting == 0.0).then_some(())
    };
    let marker = || sink.with_span_names(|names| names.contains_key("marker").then_some(()));
    tokio::task::block_in_place(|| eventually("the marker to arrive", marker));
    tokio::task::block_in_place(|| eventually("the queue to be empty", queued));
    let arrived = sink.span_names();
    let missing: Vec<_> = safe.iter().filter(|name| !arrived.contains_key(*name)).collect();
    assert!(missing.is_empty(), "CORTEN_SEED={seed}: {} of {} are lost: {missing:?}", missing.len(), safe.len());
    let foreign: Vec<_> = arrived.keys().filter(|name| !sent.contains(*name)).collect();
    assert!(foreign.is_empty(), "CORTEN_SEED={seed}: never sent: {foreign:?}");
    let doubled: usize = arrived.values().map(|count| count - 1).sum();
    println!("{} acknowledged, {} sent, {doubled} came twice in {kills} kills", safe.len(), sent.len());
    assert!(doubled <= kills * UNDER_WAY, "CORTEN_SEED={seed}: {doubled} came twice");

    // A clean end leaves nothing to repeat.
    let before: usize = arrived.values().sum();
    let ended = collector.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    let collector = Collector::start(BINARY, &config);
    send_one(door, "last").await;
    let last = || sink.with_span_names(|names| names.contains_key("last").then_some(()));
    tokio::task::block_in_place(|| eventually("the last to arrive", last));
    assert_eq!(sink.span_names().values().sum::<usize>(), before + 1, "CORTEN_SEED={seed}");
    drop(collector);
}
