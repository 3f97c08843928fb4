//! Counters in the kernel, turned into records: what was lost, and what was left out on purpose.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use corten_ebpf::libbpf_rs::{MapCore, MapFlags, MapHandle};
use corten_ebpf::process::Losses;

use super::control::{Control, SKIPPED_EVERY};
use super::outlet::Outlet;
use crate::record::{Event, Head, Loss, Lost, Record, Throttled};

/// `lost` of `bpf/settings.h`, in its order.
const REASONS: [Loss; 4] = [Loss::RingFull, Loss::NoState, Loss::Unreadable, Loss::Missed];

/// What has been said so far.
pub(super) struct Counters {
    lost: MapHandle,
    processes: Option<Losses>,
    control: Arc<Control>,
    said: [u64; REASONS.len()],
    said_of_processes: u64,
    skipped: HashMap<u32, u64>,
    looked: Instant,
}

impl Counters {
    pub(super) fn new(lost: MapHandle, processes: Option<Losses>, control: Arc<Control>) -> Self {
        Self {
            lost,
            processes,
            control,
            said: [0; REASONS.len()],
            said_of_processes: 0,
            skipped: HashMap::new(),
            looked: Instant::now(),
        }
    }

    /// Says what has been added since the last time.
    pub(super) fn say(&mut self, outlet: &mut Outlet) {
        if self.looked.elapsed() < SKIPPED_EVERY {
            return;
        }
        self.looked = Instant::now();
        self.say_lost(outlet);
        self.say_skipped(outlet);
    }

    fn say_lost(&mut self, outlet: &mut Outlet) {
        let value = self.lost.lookup(&[0; 4], MapFlags::ANY).ok().flatten().unwrap_or_default();
        for ((reason, said), bytes) in REASONS.iter().zip(&mut self.said).zip(value.chunks_exact(8)) {
            let total = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            lost(outlet, *reason, total.saturating_sub(*said));
            *said = total;
        }
        if let Some(processes) = &self.processes {
            let total = processes.total();
            lost(outlet, Loss::RingFull, total.saturating_sub(self.said_of_processes));
            self.said_of_processes = total;
        }
    }

    fn say_skipped(&mut self, outlet: &mut Outlet) {
        let now = self.control.skipped();
        // Numbers of processes come again; a count that fell belongs to another one.
        let before = std::mem::take(&mut self.skipped);
        for (pid, total) in now {
            let said = before.get(&pid).copied().filter(|said| *said <= total).unwrap_or_default();
            if total > said {
                let event = Event::Throttled(Throttled { exchanges: total - said });
                outlet.say(&Record { head: Head { pid, ..Head::default() }, event });
            }
            self.skipped.insert(pid, total);
        }
    }
}

fn lost(outlet: &mut Outlet, reason: Loss, count: u64) {
    if count > 0 {
        outlet.say(&Record { head: Head::default(), event: Event::Lost(Lost { reason, count }) });
    }
}
