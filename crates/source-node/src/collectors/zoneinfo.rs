//! `zoneinfo`: pages of memory by zone.

use std::collections::BTreeMap;

use crate::collector::Outcome;
use crate::families::{Families, Kind};
use crate::files;
use crate::parse;
use crate::roots::Roots;

const FIELDS: &[(&str, &str, Kind, &str)] = &[
    ("nr_free_pages", "nr_free_pages", Kind::Gauge, "Free pages."),
    ("min", "min_pages", Kind::Gauge, "Free pages below which allocation waits."),
    ("low", "low_pages", Kind::Gauge, "Free pages below which reclaiming begins."),
    ("high", "high_pages", Kind::Gauge, "Free pages at which reclaiming ends."),
    ("scanned", "scanned_pages", Kind::Gauge, "Pages looked at since pages were last reclaimed."),
    ("spanned", "spanned_pages", Kind::Gauge, "Pages that the zone spans, with holes."),
    ("present", "present_pages", Kind::Gauge, "Pages that are there."),
    ("managed", "managed_pages", Kind::Gauge, "Pages that can be allocated."),
    ("nr_active_anon", "nr_active_anon_pages", Kind::Gauge, "Anonymous pages in recent use."),
    ("nr_inactive_anon", "nr_inactive_anon_pages", Kind::Gauge, "Anonymous pages not in recent use."),
    ("nr_isolated_anon", "nr_isolated_anon_pages", Kind::Gauge, "Anonymous pages set aside."),
    ("nr_anon_pages", "nr_anon_pages", Kind::Gauge, "Anonymous pages."),
    ("nr_anon_transparent_hugepages", "nr_anon_transparent_hugepages", Kind::Gauge, "Anonymous huge pages."),
    ("nr_active_file", "nr_active_file_pages", Kind::Gauge, "Pages of files in recent use."),
    ("nr_inactive_file", "nr_inactive_file_pages", Kind::Gauge, "Pages of files not in recent use."),
    ("nr_isolated_file", "nr_isolated_file_pages", Kind::Gauge, "Pages of files set aside."),
    ("nr_file_pages", "nr_file_pages", Kind::Gauge, "Pages of files."),
    ("nr_slab_reclaimable", "nr_slab_reclaimable_pages", Kind::Gauge, "Pages of the kernel that can be reclaimed."),
    ("nr_slab_unreclaimable", "nr_slab_unreclaimable_pages", Kind::Gauge, "Pages of the kernel that cannot."),
    ("nr_mlock_stack", "nr_mlock_stack_pages", Kind::Gauge, "Locked pages."),
    ("nr_kernel_stack", "nr_kernel_stacks", Kind::Gauge, "Stacks of the kernel."),
    ("nr_mapped", "nr_mapped_pages", Kind::Gauge, "Mapped pages."),
    ("nr_dirty", "nr_dirty_pages", Kind::Gauge, "Pages to be written."),
    ("nr_writeback", "nr_writeback_pages", Kind::Gauge, "Pages being written."),
    ("nr_unevictable", "nr_unevictable_pages", Kind::Gauge, "Pages that cannot be moved out."),
    ("nr_shmem", "nr_shmem_pages", Kind::Gauge, "Shared pages."),
    ("nr_dirtied", "nr_dirtied_total", Kind::Counter, "Pages that were to be written."),
    ("nr_written", "nr_written_total", Kind::Counter, "Pages written."),
    ("numa_hit", "numa_hit_total", Kind::Counter, "Allocations in the intended node."),
    ("numa_miss", "numa_miss_total", Kind::Counter, "Allocations meant for another node."),
    ("numa_foreign", "numa_foreign_total", Kind::Counter, "Allocations meant for here and made elsewhere."),
    ("numa_interleave", "numa_interleave_total", Kind::Counter, "Allocations that were spread."),
    ("numa_local", "numa_local_total", Kind::Counter, "Allocations from the own node."),
    ("numa_other", "numa_other_total", Kind::Counter, "Allocations from another node."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = files::read(roots.proc("zoneinfo"))?;
    let mut zones: Vec<(&str, &str, BTreeMap<usize, i128>)> = Vec::new();
    for line in text.lines() {
        if let Some((node, zone)) = line.strip_prefix("Node ").and_then(|rest| rest.split_once(", zone")) {
            zones.push((node.trim(), zone.trim(), BTreeMap::new()));
            continue;
        }
        let Some((node, zone, values)) = zones.last_mut() else { continue };
        if let Some(list) = line.trim().strip_prefix("protection:") {
            for (at, value) in list.trim().trim_matches(['(', ')']).split(", ").enumerate() {
                let labels = [("node", *node), ("zone", *zone)];
                let help = format_args!("Pages kept from allocations for zone {at}.");
                let value: i64 = parse::number(value, "zoneinfo")?;
                out.gauge(&format!("node_zoneinfo_protection_{at}"), help, &labels, value);
            }
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
        if let Some(at) = FIELDS.iter().position(|(field, ..)| *field == name)
            && let Some(value) = parse::c_number(value)
        {
            // What stands twice, for the node and for the zone, is the zone's.
            values.insert(at, value);
        }
    }
    for (node, zone, values) in &zones {
        for (at, value) in values {
            let (_, metric, kind, help) = FIELDS[*at];
            let labels = [("node", *node), ("zone", *zone)];
            out.sample(kind, &format!("node_zoneinfo_{metric}"), help, &labels, *value as f64);
        }
    }
    Ok(())
}
