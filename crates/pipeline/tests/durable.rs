//! Queues on disk, as the tools see them. What kills do to them is in `campaigns`.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Protocol, Sender, data, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

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
