//! `softirqs`: work that interrupts have left for later, by CPU.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for line in files::read(roots.proc("softirqs"))?.lines().skip(1) {
        let Some((kind, counts)) = line.split_once(':') else { continue };
        for (cpu, count) in counts.split_whitespace().enumerate() {
            let cpu = cpu.to_string();
            let labels = [("cpu", &*cpu), ("type", kind.trim())];
            let count: u64 = parse::number(count, "softirqs")?;
            out.counter("node_softirqs_functions_total", "Work left for later by interrupts.", &labels, count);
        }
    }
    Ok(())
}
