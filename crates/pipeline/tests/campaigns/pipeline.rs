//! The configurations of campaigns.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// An exporter's block.
#[derive(Debug, Clone)]
pub(crate) struct Destination<'a> {
    pub(crate) name: &'a str,
    pub(crate) url: String,
    /// Whether its queue is on disk.
    pub(crate) durable: bool,
    /// More of its `client` block.
    pub(crate) client: &'a str,
    /// More of its `sending_queue` block.
    pub(crate) queue: &'a str,
}

impl<'a> Destination<'a> {
    /// One with a queue on disk.
    pub(crate) fn durable(name: &'a str, url: impl Into<String>) -> Self {
        Self { name, url: url.into(), durable: true, client: "", queue: "" }
    }

    /// One with its queue in memory.
    pub(crate) fn memory(name: &'a str, url: impl Into<String>) -> Self {
        Self { durable: false, ..Self::durable(name, url) }
    }

    /// The value of the label `exporter`.
    pub(crate) fn label(name: &str) -> String {
        format!("otlp_http/otelcol.exporter.otlphttp.{name}")
    }
}

/// OTLP over HTTP in, batched if asked for, out to the destinations, which are tried again soon and for ever.
pub(crate) fn config(door: SocketAddr, batched: bool, buffer: &Path, destinations: &[Destination<'_>]) -> String {
    let inputs: Vec<String> =
        destinations.iter().map(|to| format!("otelcol.exporter.otlphttp.{}.input", to.name)).collect();
    let inputs = inputs.join(", ");
    let first = if batched { "otelcol.processor.batch.default.input" } else { &inputs };
    let mut out = format!(
        "otelcol.receiver.otlp \"default\" {{\n  http {{ endpoint = \"{door}\" }}\n  output {{ traces = [{first}] }}\n}}\n"
    );
    if batched {
        let _ = writeln!(
            out,
            "otelcol.processor.batch \"default\" {{\n  send_batch_size = 1000\n  timeout = \"200ms\"\n  \
             send_batch_max_size = 2000\n  output {{ traces = [{inputs}] }}\n}}"
        );
    }
    if destinations.iter().any(|to| to.durable) {
        let _ = writeln!(out, "otelcol.storage.file \"buffer\" {{\n  directory = \"{}\"\n}}", buffer.display());
    }
    for Destination { name, url, durable, client, queue } in destinations {
        let storage = if *durable { "storage = otelcol.storage.file.buffer.handler" } else { "" };
        let _ = writeln!(
            out,
            "otelcol.exporter.otlphttp \"{name}\" {{\n  client {{\n    endpoint = \"{url}\"\n    {client}\n  }}\n  \
             sending_queue {{\n    queue_size = 100000\n    {storage}\n    {queue}\n  }}\n  retry_on_failure {{\n    \
             initial_interval = \"50ms\"\n    max_interval = \"200ms\"\n    max_elapsed_time = \"0s\"\n  }}\n}}"
        );
    }
    out
}
