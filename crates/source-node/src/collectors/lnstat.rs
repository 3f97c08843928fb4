//! `lnstat`: caches of the network stack, by CPU.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let dir = roots.proc("net/stat");
    for file in files::list_if_present(&dir)? {
        let text = files::read(dir.join(&file))?;
        let mut lines = text.lines();
        let header: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
        for (cpu, line) in lines.enumerate() {
            let cpu = cpu.to_string();
            let labels = [("cpu", &*cpu), ("subsystem", &*file)];
            for (name, value) in header.iter().zip(line.split_whitespace()) {
                let help = "A counter of the network's caches.";
                out.counter(&format!("node_lnstat_{name}_total"), help, &labels, parse::hex(value, &file)?);
            }
        }
    }
    Ok(())
}
