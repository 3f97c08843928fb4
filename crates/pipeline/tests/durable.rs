//! Queues on disk, as the tools see them. What kills do to them is in `campaigns`.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking
#![allow(clippy::disallowed_methods)] // a blocking wait beside the runtime that is waited for

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

fn config(door: SocketAddr, sink: &str, directory: &Path) -> String {
    format!(
        r#"otelcol.receiver.otlp "default" {{
  http {{ endpoint = "{door}" }}
  output {{ traces = [otelcol.exporter.otlphttp.sink.input] }}
}}
{}{}"#,
        storage(directory),
        durable("sink", sink),
    )
}

/// A batch in front of a back end in memory and two on disk.
fn batched(door: SocketAddr, [local, k8s, archive]: [&str; 3], timeout: &str, directory: &Path) -> String {
    format!(
        r#"otelcol.receiver.otlp "default" {{
  http {{ endpoint = "{door}" }}
  output {{ traces = [otelcol.processor.batch.default.input] }}
}}
otelcol.processor.batch "default" {{
  send_batch_size     = 1000
  timeout             = "{timeout}"
  send_batch_max_size = 2000
  output {{
    traces = [
      otelcol.exporter.otlphttp.local.input,
      otelcol.exporter.otlphttp.k8s.input,
      otelcol.exporter.otlphttp.archive.input,
    ]
  }}
}}
otelcol.exporter.otlphttp "local" {{
  client {{ endpoint = "{local}" }}
}}
{}{}{}"#,
        storage(directory),
        durable("k8s", k8s),
        durable("archive", archive),
    )
}

fn storage(directory: &Path) -> String {
    format!("otelcol.storage.file \"buffer\" {{\n  directory = \"{}\"\n}}\n", directory.display())
}

fn durable(name: &str, sink: &str) -> String {
    format!(
        r#"otelcol.exporter.otlphttp "{name}" {{
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
"#
    )
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
async fn a_batch_keeps_one_log_for_all_and_moves_with_the_storage() {
    let (old, new) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let local = Sink::start();
    let (door, k8s, archive) = (free_address(), free_address(), free_address());
    let urls = [local.url(), format!("http://{k8s}"), format!("http://{archive}")];
    let config = |directory: &Path| batched(door, urls.each_ref().map(String::as_str), "20ms", directory);
    let collector = Collector::start(BINARY, &config(old.path()));
    for name in ["a", "b", "c"] {
        send_one(door, name).await;
    }
    let inspect = |directory: &Path| tool(&["inspect", &directory.display().to_string()]).1;
    let of = |name: &str, spans: usize| format!("waiting for otelcol.exporter.otlphttp.{name}: {spans} spans");
    let text = inspect(old.path());
    assert!(text.contains("otelcol.processor.batch.default"), "{text}");
    assert!(text.contains(&of("k8s", 3)) && text.contains(&of("archive", 3)) && !text.contains("local"), "{text}");

    let (status, text) = collector.reload(&config(new.path()));
    assert_eq!(status, 200, "{text}");
    send_one(door, "d").await;
    let text = inspect(new.path());
    assert!(text.contains(&of("k8s", 1)) && text.contains(&of("archive", 1)), "{text}");
    let revived = [k8s, archive].map(Sink::start_at);
    let all = |sink: &Sink| sink.with_span_names(|names| (names.len() == 4).then(|| names.values().sum::<usize>()));
    for sink in &revived {
        assert_eq!(tokio::task::block_in_place(|| eventually("all four", || all(sink))), 4, "each once");
    }
    let is_empty = |directory: &Path| (!inspect(directory).contains("waiting for")).then_some(());
    for directory in [old.path(), new.path()] {
        tokio::task::block_in_place(|| eventually("the logs to empty", || is_empty(directory)));
    }
    drop(collector);
}
