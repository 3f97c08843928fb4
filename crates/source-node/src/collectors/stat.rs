//! `stat`: interrupts, context switches, forks, the time of the boot.

use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::parse;
use crate::roots::Roots;

const LINES: &[(&str, &str, Kind, &str)] = &[
    ("intr", "node_intr_total", Kind::Counter, "Interrupts."),
    ("ctxt", "node_context_switches_total", Kind::Counter, "Context switches."),
    ("processes", "node_forks_total", Kind::Counter, "Processes and threads made."),
    ("btime", "node_boot_time_seconds", Kind::Gauge, "When the machine was started."),
    ("procs_running", "node_procs_running", Kind::Gauge, "Tasks that can run."),
    ("procs_blocked", "node_procs_blocked", Kind::Gauge, "Tasks that wait for disks."),
];

/// The columns after the sum of the line `softirq`.
const VECTORS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

struct Stat {
    roots: Arc<Roots>,
    /// Shown to those who ask for the `softirqs` collector, since upstream's switch for it has no argument here.
    softirqs: bool,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    Ok(Box::new(Stat { roots: Arc::clone(roots), softirqs: super::selected(args).contains("softirqs") }))
}

impl Collector for Stat {
    fn name(&self) -> &'static str {
        "stat"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let text = files::read(self.roots.proc("stat"))?;
        let of =
            |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).unwrap_or_default();
        for (key, metric, kind, help) in LINES {
            let number = of(key).split_whitespace().next().unwrap_or("0");
            out.sample(*kind, metric, help, &[], parse::number::<u64>(number, "stat")?);
        }
        if self.softirqs {
            for (vector, count) in VECTORS.iter().zip(of("softirq").split_whitespace().skip(1)) {
                let count: u64 = parse::number(count, "stat")?;
                let help = "Work left for later by interrupts.";
                out.counter("node_softirqs_total", help, &[("vector", vector)], count);
            }
        }
        Ok(())
    }
}
