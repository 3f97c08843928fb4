//! `slabinfo`: objects of the kernel's caches.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

const COLUMNS: [(&str, &str); 5] = [
    ("active_objects", "Objects in use."),
    ("objects", "Objects, used or not."),
    ("object_size_bytes", "Size of an object."),
    ("objects_per_slab", "Objects of a slab."),
    ("pages_per_slab", "Pages of a slab."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = files::read(roots.proc("slabinfo"))?;
    for line in text.lines().filter(|line| !line.starts_with("slabinfo -") && !line.starts_with('#')) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, numbers @ ..] = &*words else { continue };
        if numbers.len() < COLUMNS.len() {
            return Err(Failure::new(format!("slabinfo: {line:?} has too few columns")));
        }
        for ((metric, help), number) in COLUMNS.iter().zip(numbers) {
            let value: u64 = parse::number(number, "slabinfo")?;
            out.gauge(&format!("node_slabinfo_{metric}"), help, &[("slab", name)], value);
        }
    }
    Ok(())
}
