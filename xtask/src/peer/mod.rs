//! `cargo xtask peer`: real back ends of others, built from source, and what they say of the data that Corten brings them.

mod golang;
mod jaeger;
mod program;
mod prometheus;
mod queries;

use anyhow::{Result, bail};
use lexopt::Parser;
use lexopt::prelude::Value;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask peer jaeger|prometheus [--scale]|queries

Builds a program that Corten sends to, runs it and the collector on free ports of 127.0.0.1, sends telemetry through both, and asks
the program what it has. Fails unless that is what was sent. What is built stays in the target folder, so that only the first time
takes long.

  jaeger   otelcol.receiver.otlp (JSON over HTTP, protobuf over gRPC and HTTP) to otelcol.exporter.otlp to Jaeger, which keeps
           traces in memory; needs Go
  prometheus [--scale]
           prometheus.scrape to prometheus.remote_write to the Prometheus that is installed and to a Prometheus 3, while both are
           killed and started again; then every kind of sample in both versions of remote write; needs Go. With --scale instead a
           million series beside Prometheus 3 in agent mode (corten-bench scrape)
  queries  a workstation's file to the Prometheus that is installed; then the queries of dashboards and alerts, one by one: which
           answer, and what this machine lacks for the others. CORTEN names another binary than the debug build
";

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    match parser.next()? {
        Some(Value(word)) if word == "jaeger" => jaeger::run(),
        Some(Value(word)) if word == "prometheus" => prometheus::run(parser),
        Some(Value(word)) if word == "queries" => queries::run(),
        Some(Value(word)) => {
            bail!("there is no peer {:?}; there are: jaeger, prometheus, queries", word.to_string_lossy())
        }
        Some(other) => Err(other.unexpected().into()),
        None => bail!("which? there are: jaeger, prometheus, queries"),
    }
}
