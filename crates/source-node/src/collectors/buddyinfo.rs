//! `buddyinfo`: free blocks of memory by size.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for line in files::read(roots.proc("buddyinfo"))?.lines() {
        // "Node 0, zone DMA 1 0 1": then the number of free blocks of 2^0, 2^1, ... pages.
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, node, _, zone, counts @ ..] = &*columns else {
            return Err(Failure::new(format!("buddyinfo: {line:?} has too few columns")));
        };
        for (size, count) in counts.iter().enumerate() {
            let size = size.to_string();
            let labels = [("node", node.trim_end_matches(',')), ("zone", zone.trim_end_matches(',')), ("size", &*size)];
            let help = "Free blocks of 2^size pages.";
            out.gauge("node_buddyinfo_blocks", help, &labels, parse::number::<f64>(count, "buddyinfo")?);
        }
    }
    Ok(())
}
