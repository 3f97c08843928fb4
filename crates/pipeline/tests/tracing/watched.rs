//! A collector that observes some ports and sends spans to a back end.

use std::process::Command;

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Samples, Sink, eventually};

use crate::ledger::{Seen, seen};

/// Rights that are enough: programs, their maps and probes; files and processes of other users.
const RIGHTS: &str = "+bpf,+perfmon,+sys_ptrace,+dac_read_search";

/// A collector that observes, and its back end.
pub(crate) struct Watched {
    pub(crate) collector: Collector,
    pub(crate) sink: Sink,
}

impl Watched {
    /// Observes whoever listens on the ports and waits until it has found so many processes. `None` where the kernel or
    /// our own rights do not allow it, which is said.
    pub(crate) fn ports(ports: &[u16], processes: usize) -> Option<Self> {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        Self::start(&format!("open_ports = \"{}\"", ports.join(",")), processes)
    }

    /// The same with the words of a rule.
    pub(crate) fn start(rule: &str, processes: usize) -> Option<Self> {
        let sink = Sink::start();
        let config = format!(
            r#"
beyla.ebpf "apps" {{
	discovery {{
		instrument {{
			{rule}
		}}
	}}
	output {{
		traces = [otelcol.exporter.otlphttp.sink.input]
	}}
}}

otelcol.exporter.otlphttp "sink" {{
	client {{
		endpoint = "{}"
	}}
}}
"#,
            sink.url()
        );
        let collector = Collector::start_by(unprivileged(), &config, &[]);
        let mut observed = None;
        eventually("processes to be observed", || {
            let (_, text) = collector.get("/api/v0/web/components/beyla.ebpf.apps");
            if text.contains("nothing can be observed") {
                println!("skipped: {text}");
                return Some(());
            }
            let found = collector.metrics().sum("corten_beyla_observed_processes", &[]);
            (found >= processes as f64).then(|| observed = Some(()))
        });
        observed.map(|()| Self { collector, sink })
    }

    /// Waits until as many spans are there, or no more come.
    pub(crate) fn settle(&self, spans: usize) {
        let (mut last, mut unchanged) = (0, 0);
        eventually("spans", || {
            let there = self.sink.items(SignalKind::Traces);
            unchanged = if there == last { unchanged + 1 } else { 0 };
            last = there;
            (there >= spans || unchanged > 300).then_some(())
        });
    }

    /// Ends the collector, so that what it holds has been sent: all spans, and what it counted.
    pub(crate) fn finish(self) -> (Vec<Seen>, Counts) {
        let metrics = self.collector.metrics();
        let counts = Counts::of(&metrics);
        if counts.lost > 0 {
            println!("lost records: {:?}", metrics.by_label("corten_beyla_lost_records_total", "reason"));
        }
        let exited = self.collector.stop();
        assert_eq!(exited.code, Some(0), "{}", exited.output);
        (seen(&self.sink), counts)
    }
}

/// What the collector counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) told: u64,
    pub(crate) incomplete: u64,
    pub(crate) throttled: u64,
    /// Records of the kernel.
    pub(crate) lost: u64,
}

impl Counts {
    pub(crate) fn of(samples: &Samples) -> Self {
        let exchanges = |outcome| samples.sum("corten_beyla_exchanges_total", &[("outcome", outcome)]) as u64;
        Self {
            told: exchanges("told"),
            incomplete: exchanges("incomplete"),
            throttled: samples.sum("corten_beyla_throttled_exchanges_total", &[]) as u64,
            lost: samples.sum("corten_beyla_lost_records_total", &[]) as u64,
        }
    }
}

/// The binary as a user without rights but the ones above, if we may become one. It needs its folder for itself.
fn unprivileged() -> Command {
    let binary = crate::binary();
    let root = Command::new("setpriv").args(["--reuid=65534", "true"]).status().is_ok_and(|status| status.success());
    if !root {
        println!("the collector runs with the rights of this test, which may not become another user");
        return Command::new(binary);
    }
    let become_nobody = r#"for file; do :; done; chown -R 65534:65534 "${file%/*}" && exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps="-all,$0" --ambient-caps="-all,$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", become_nobody, RIGHTS, &binary]);
    command
}
