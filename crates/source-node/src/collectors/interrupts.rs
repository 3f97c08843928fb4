//! `interrupts`: interrupts by CPU and source.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = files::read(roots.proc("interrupts"))?;
    let mut lines = text.lines();
    let header = lines.next().ok_or_else(|| Failure::new("interrupts is empty"))?;
    let cpus: Vec<_> = (0..header.split_whitespace().count()).map(|cpu| cpu.to_string()).collect();
    for line in lines {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let name = name.trim_start_matches(' ');
        let words: Vec<_> = rest.split_whitespace().collect();
        // Sources without a description (ERR, MIS) have one number for all CPUs.
        if words.len() < cpus.len() + 1 {
            continue;
        }
        let (counts, description) = words.split_at(cpus.len());
        let numbered = name.parse::<i64>().is_ok();
        let (info, devices) = if numbered { description.split_at(1) } else { (description, &[][..]) };
        let (info, devices) = (info.join(" "), devices.join(" "));
        for (cpu, count) in cpus.iter().zip(counts) {
            let labels = [("cpu", &**cpu), ("devices", &*devices), ("info", &*info), ("type", name)];
            let count: f64 = parse::number(count, "interrupts")?;
            out.counter("node_interrupts_total", "Interrupts by CPU and source.", &labels, count);
        }
    }
    Ok(())
}
