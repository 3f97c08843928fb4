//! `ksmd`: merging of equal memory pages.

use crate::collector::Outcome;
use crate::families::{Families, Kind};
use crate::files;
use crate::roots::Roots;

const FILES: &[(&str, &str, Kind, f64, &str)] = &[
    ("full_scans", "full_scans_total", Kind::Counter, 1.0, "How often all memory was gone through."),
    ("general_profit", "general_profit_bytes", Kind::Gauge, 1.0, "Memory saved, less what merging itself takes."),
    ("merge_across_nodes", "merge_across_nodes", Kind::Gauge, 1.0, "Whether pages of different nodes are merged."),
    ("pages_shared", "pages_shared", Kind::Gauge, 1.0, "Shared pages in use."),
    ("pages_sharing", "pages_sharing", Kind::Gauge, 1.0, "Places that share them, so pages saved."),
    ("pages_to_scan", "pages_to_scan", Kind::Gauge, 1.0, "Pages gone through before sleeping."),
    ("pages_unshared", "pages_unshared", Kind::Gauge, 1.0, "Pages that had no equal."),
    ("pages_volatile", "pages_volatile", Kind::Gauge, 1.0, "Pages that change too fast."),
    ("run", "run", Kind::Gauge, 1.0, "Whether pages are merged: 0 no, 1 yes, 2 merged ones are divided."),
    ("sleep_millisecs", "sleep_seconds", Kind::Gauge, 1000.0, "Sleep between two rounds."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for (file, metric, kind, divisor, help) in FILES {
        match files::number::<i64>(roots.sys("kernel/mm/ksm").join(file)) {
            Ok(value) => out.sample(*kind, &format!("node_ksmd_{metric}"), help, &[], value as f64 / divisor),
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
