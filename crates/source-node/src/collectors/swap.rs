//! `swap`: where memory is moved out to.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for line in files::read(roots.proc("swaps"))?.lines().skip(1) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [device, kind, size, used, priority, ..] = &*words else {
            return Err(Failure::new(format!("swaps: {line:?} has too few columns")));
        };
        let labels = [("device", *device), ("swap_type", *kind)];
        let kilobytes = |word: &str| parse::number::<u64>(word, "swaps").map(|value| value as f64 * 1024.0);
        out.gauge("node_swap_size_bytes", "Size.", &labels, kilobytes(size)?);
        out.gauge("node_swap_used_bytes", "What is used.", &labels, kilobytes(used)?);
        out.gauge("node_swap_priority", "Priority.", &labels, parse::number::<i64>(priority, "swaps")?);
    }
    Ok(())
}
