//! The collectors and their files: the same targets, the same rules, the same back end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use corten_testkit::free_address;

use super::Plan;

/// Which collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Corten.
    Corten,
    /// Prometheus in agent mode.
    Prometheus,
}

/// A collector's program.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    /// Which.
    pub(super) kind: Kind,
    /// Its program.
    pub(super) binary: PathBuf,
}

impl Collector {
    /// What the table calls it.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Corten => "corten",
            Kind::Prometheus => "prometheus",
        }
    }

    /// Its files are in `directory`.
    pub(super) fn command(
        &self,
        plan: &Plan,
        directory: &Path,
        exposer: SocketAddr,
        receiver: SocketAddr,
    ) -> Result<Command> {
        let mut command = Command::new(&self.binary);
        let own = free_address();
        match self.kind {
            Kind::Corten => {
                let file = directory.join("scrape.alloy");
                std::fs::write(&file, corten(plan, exposer, receiver))?;
                command.arg("run").arg(file).arg(format!("--server.http.listen-addr={own}"));
                command.arg(format!("--storage.path={}", directory.join("data").display()));
            }
            Kind::Prometheus => {
                let file = directory.join("prometheus.yml");
                std::fs::write(&file, prometheus(plan, exposer, receiver))?;
                command.arg("--agent").arg(format!("--config.file={}", file.display()));
                command.arg(format!("--storage.agent.path={}", directory.join("data").display()));
                command.arg(format!("--web.listen-address={own}"));
            }
        }
        Ok(command)
    }
}

fn corten(plan: &Plan, exposer: SocketAddr, receiver: SocketAddr) -> String {
    let targets: String = (0..plan.targets)
        .map(|target| {
            format!("    {{ __address__ = \"{exposer}\", __metrics_path__ = \"/{target}/metrics\", instance = \"{target}\" }},\n")
        })
        .collect();
    let (interval, series, message) = (plan.interval, plan.series * 2, plan.message());
    format!(
        r#"prometheus.scrape "bench" {{
  targets = [
{targets}  ]
  scrape_interval = "{interval}s"
  scrape_timeout  = "{interval}s"
  forward_to      = [prometheus.relabel.bench.receiver]
}}

prometheus.relabel "bench" {{
  forward_to     = [prometheus.remote_write.bench.receiver]
  max_cache_size = {series}

  rule {{
    source_labels = ["__name__"]
    regex         = "bench_unwanted.*"
    action        = "drop"
  }}

  rule {{
    source_labels = ["path"]
    regex         = "/(api/)?([^/]+)/.*"
    replacement   = "$2"
    target_label  = "service"
  }}

  rule {{
    regex  = "internal_.*"
    action = "labeldrop"
  }}
}}

prometheus.remote_write "bench" {{
  endpoint {{
    url              = "http://{receiver}/api/v1/write"
    protobuf_message = "{message}"
  }}
}}
"#
    )
}

fn prometheus(plan: &Plan, exposer: SocketAddr, receiver: SocketAddr) -> String {
    let targets: String = (0..plan.targets)
        .map(|target| {
            format!(
                "      - targets: [\"{exposer}\"]\n        labels: {{__metrics_path__: \"/{target}/metrics\", instance: \"{target}\"}}\n"
            )
        })
        .collect();
    let (interval, message) = (plan.interval, plan.message());
    format!(
        r#"global:
  scrape_interval: {interval}s
  scrape_timeout: {interval}s
remote_write:
  - url: "http://{receiver}/api/v1/write"
    protobuf_message: "{message}"
scrape_configs:
  - job_name: bench
    static_configs:
{targets}    metric_relabel_configs:
      - source_labels: [__name__]
        regex: bench_unwanted.*
        action: drop
      - source_labels: [path]
        regex: /(api/)?([^/]+)/.*
        replacement: $2
        target_label: service
      - regex: internal_.*
        action: labeldrop
"#
    )
}
