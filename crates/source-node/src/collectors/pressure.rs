//! `pressure`: time lost waiting for the CPU, memory, disks and interrupts.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// Files, their lines, metrics.
const LINES: &[(&str, &str, &str, &str)] = &[
    ("cpu", "some", "cpu_waiting_seconds_total", "Time in which something waited for a CPU."),
    ("io", "some", "io_waiting_seconds_total", "Time in which something waited for disks."),
    ("io", "full", "io_stalled_seconds_total", "Time in which everything waited for disks."),
    ("memory", "some", "memory_waiting_seconds_total", "Time in which something waited for memory."),
    ("memory", "full", "memory_stalled_seconds_total", "Time in which everything waited for memory."),
    ("irq", "full", "irq_stalled_seconds_total", "Time in which everything waited for interrupts."),
];

/// What reading says where the kernel could, but is told not to.
const EOPNOTSUPP: i32 = 95;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let mut found = false;
    let mut text = None;
    let mut last = "";
    for (file, line, metric, help) in LINES {
        if *file != last {
            last = file;
            text = match files::read_if_present(roots.proc("pressure").join(file)) {
                Err(error) if error.errno() == Some(EOPNOTSUPP) => return Err(Failure::no_data("it is switched off")),
                other => other?,
            };
        }
        let Some(text) = &text else { continue };
        let total = text.lines().find(|found| found.starts_with(line)).and_then(|found| found.split_once("total="));
        let (_, total) = total.ok_or_else(|| Failure::no_data(format!("pressure/{file} does not say {line:?}")))?;
        let microseconds: u64 = parse::number(total, "pressure")?;
        out.counter(&format!("node_pressure_{metric}"), help, &[], microseconds as f64 / 1e3 / 1e3);
        found = true;
    }
    if found { Ok(()) } else { Err(Failure::no_data("the kernel does not tell of pressure")) }
}
