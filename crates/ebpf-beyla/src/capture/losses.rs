//! Counters in the kernel, turned into records: what was lost, and what was left out on purpose.

use corten_ebpf::libbpf_rs::{MapCore, MapFlags, MapHandle};
use corten_ebpf::process::Losses;
use corten_ebpf::{LoadError, Loaded};

use super::outlet::Outlet;
use crate::record::{Event, Head, Loss, Lost, Record, Throttled};

/// `lost` of `bpf/settings.h`, in its order.
const REASONS: [Loss; 4] = [Loss::RingFull, Loss::NoState, Loss::Unreadable, Loss::Missed];

/// What has been said so far.
pub(super) struct Counters {
    lost: MapHandle,
    throttled: MapHandle,
    processes: Option<Losses>,
    said: [u64; REASONS.len()],
    said_of_processes: u64,
    said_throttled: u64,
}

impl Counters {
    pub(super) fn new(loaded: &Loaded, processes: Option<Losses>) -> Result<Self, LoadError> {
        Ok(Self {
            lost: loaded.map_handle(".bss.lost")?,
            throttled: loaded.map_handle(".bss.throttled")?,
            processes,
            said: [0; REASONS.len()],
            said_of_processes: 0,
            said_throttled: 0,
        })
    }

    /// Says what has been added since the last time.
    pub(super) fn say(&mut self, outlet: &mut Outlet) {
        let totals = numbers(&self.lost);
        for ((reason, said), total) in REASONS.iter().zip(&mut self.said).zip(totals) {
            lost(outlet, *reason, added(said, total));
        }
        if let Some(processes) = &self.processes {
            lost(outlet, Loss::RingFull, added(&mut self.said_of_processes, processes.total()));
        }
        let exchanges = numbers(&self.throttled).first().map_or(0, |total| added(&mut self.said_throttled, *total));
        if exchanges > 0 {
            outlet.say(&Record { head: Head::default(), event: Event::Throttled(Throttled { exchanges }) });
        }
    }
}

fn added(said: &mut u64, total: u64) -> u64 {
    total.saturating_sub(std::mem::replace(said, total))
}

fn numbers(map: &MapHandle) -> Vec<u64> {
    let value = map.lookup(&[0; 4], MapFlags::ANY).ok().flatten().unwrap_or_default();
    value.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default())).collect()
}

fn lost(outlet: &mut Outlet, reason: Loss, count: u64) {
    if count > 0 {
        outlet.say(&Record { head: Head::default(), event: Event::Lost(Lost { reason, count }) });
    }
}
