//! `arp`: how many neighbours each device knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::filter::Filter;
use crate::netlink;
use crate::roots::Roots;

struct Arp {
    roots: Arc<Roots>,
    filter: Filter,
    netlink: bool,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let filter = Filter::new("arp", "device", &args.arp.device_exclude, &args.arp.device_include)?;
    Ok(Box::new(Arp { roots: Arc::clone(roots), filter, netlink: args.arp.netlink && roots.is_live() }))
}

impl Collector for Arp {
    fn name(&self) -> &'static str {
        "arp"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let counts =
            if self.netlink { netlink::neighbours()? } else { count(&files::read(self.roots.proc("net/arp"))?)? };
        for (device, count) in counts.iter().filter(|(device, _)| !self.filter.ignores(device)) {
            out.gauge("node_arp_entries", "Neighbours that a device knows.", &[("device", device)], *count);
        }
        Ok(())
    }
}

/// Of lines with six columns, the last of which is the device; the header has nine.
fn count(text: &str) -> Result<BTreeMap<String, u32>, Failure> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        match line.split_whitespace().count() {
            0 | 9 => {}
            6 => {
                let device = line.split_whitespace().next_back().unwrap_or_default();
                *counts.entry(device.to_owned()).or_default() += 1;
            }
            columns => return Err(Failure::new(format!("net/arp: a line has {columns} columns instead of 6"))),
        }
    }
    Ok(counts)
}
