//! `conntrack`: connections that the packet filter follows.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// Names and columns of `net/stat/nf_conntrack`.
const STATISTICS: &[(&str, usize, &str)] = &[
    ("found", 2, "Entries that were looked for and found."),
    ("invalid", 4, "Packets that cannot be followed."),
    ("ignore", 5, "Packets of connections that are known already."),
    ("insert", 8, "Entries inserted."),
    ("insert_failed", 9, "Entries that could not be inserted."),
    ("drop", 10, "Packets dropped because following them failed."),
    ("early_drop", 11, "Entries dropped to make room."),
    ("search_restart", 16, "Searches begun again because the table was resized."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let setting = |name: &str| files::number::<u64>(roots.proc(format!("sys/net/netfilter/nf_conntrack_{name}")));
    out.gauge("node_nf_conntrack_entries", "Connections that are followed.", &[], setting("count")?);
    out.gauge("node_nf_conntrack_entries_limit", "Connections that can be followed.", &[], setting("max")?);
    let mut sums = [0u64; STATISTICS.len()];
    // A line for each CPU, in hexadecimal.
    for line in files::read(roots.proc("net/stat/nf_conntrack"))?.lines().skip(1) {
        let columns = line.split_whitespace().map(|word| parse::hex(word, "nf_conntrack"));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        if !(16..=17).contains(&columns.len()) {
            return Err(Failure::new(format!("nf_conntrack: a line has {} columns instead of 17", columns.len())));
        }
        for (sum, (_, column, _)) in sums.iter_mut().zip(STATISTICS) {
            *sum = sum.wrapping_add(columns.get(*column).copied().unwrap_or(0));
        }
    }
    for (sum, (name, _, help)) in sums.iter().zip(STATISTICS) {
        out.gauge(&format!("node_nf_conntrack_stat_{name}"), help, &[], *sum);
    }
    Ok(())
}
