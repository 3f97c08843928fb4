//! What user space tells the programs while they run: who is observed, which ports, how to go on with a stream.

use corten_ebpf::libbpf_rs::{MapCore, MapFlags, MapHandle};
use corten_ebpf::{LoadError, Loaded};

use crate::record::{Mode, Verdict};

/// What one process may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Exchanges a second that are captured in the long run.
    pub per_second: u32,
    /// How many may come at once.
    pub burst: u32,
}

/// What holds for a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Its connections are observed.
    Observe(Option<Budget>),
    /// They are not, whatever ports they have: ourselves, and what was excluded.
    Ignore,
}

const OBSERVE: u32 = 1;
const IGNORE: u32 = 2;
/// `struct policy` of `bpf/settings.h`.
const POLICY: usize = 32;
/// Entries of the map that is asked before the policies are.
const MAYBE: u32 = 16384;

impl Policy {
    fn encode(self) -> [u8; POLICY] {
        let (flags, cost, burst) = match self {
            Self::Ignore => (IGNORE, 0, 0),
            Self::Observe(None) => (OBSERVE, 0, 0),
            Self::Observe(Some(budget)) => {
                let cost = 1_000_000_000 / u64::from(budget.per_second.max(1));
                (OBSERVE, cost, cost * u64::from(budget.burst))
            }
        };
        let mut bytes = [0; POLICY];
        bytes[..4].copy_from_slice(&flags.to_le_bytes());
        bytes[8..16].copy_from_slice(&cost.to_le_bytes());
        bytes[16..24].copy_from_slice(&burst.to_le_bytes());
        bytes
    }
}

/// The maps behind it.
#[derive(Debug)]
pub(super) struct Control {
    policies: MapHandle,
    maybe: MapHandle,
    verdicts: MapHandle,
    chosen: MapHandle,
    listening: MapHandle,
}

const FIRST: [u8; 4] = [0; 4];

impl Control {
    pub(super) fn of(loaded: &Loaded) -> Result<Self, LoadError> {
        Ok(Self {
            policies: loaded.map_handle("policies")?,
            maybe: loaded.map_handle("maybe")?,
            verdicts: loaded.map_handle("verdicts")?,
            chosen: loaded.map_handle(".bss.ports")?,
            listening: loaded.map_handle(".bss.listening")?,
        })
    }

    pub(super) fn set(&self, pid: u32, policy: Policy) -> Result<(), String> {
        let low = pid % MAYBE;
        let set = self.policies.update(&pid.to_le_bytes(), &policy.encode(), MapFlags::ANY);
        set.and_then(|()| self.maybe.update(&low.to_le_bytes(), &[1], MapFlags::ANY)).map_err(|error| error.to_string())
    }

    /// It is treated as all others are.
    pub(super) fn clear(&self, pid: u32) {
        // It may have gone by itself, with its process.
        let _ = self.policies.delete(&pid.to_le_bytes());
    }

    pub(super) fn choose(&self, ports: impl IntoIterator<Item = u16>) -> Result<(), String> {
        self.chosen.update(&FIRST, &bytes_of(ports), MapFlags::ANY).map_err(|error| error.to_string())
    }

    /// Only before anything is attached: from then on the programs write it.
    pub(super) fn listening(&self, ports: impl IntoIterator<Item = u16>) -> Result<(), String> {
        self.listening.update(&FIRST, &bytes_of(ports), MapFlags::ANY).map_err(|error| error.to_string())
    }

    pub(super) fn verdict(&self, verdict: &Verdict) -> Result<(), String> {
        let mode: u64 = match verdict.mode {
            Mode::Messages => 0,
            Mode::Frames => 1,
            Mode::Nothing => 2,
        };
        let mut value = [0; 24];
        value[..8].copy_from_slice(&verdict.skip[0].to_le_bytes());
        value[8..16].copy_from_slice(&verdict.skip[1].to_le_bytes());
        value[16..].copy_from_slice(&mode.to_le_bytes());
        self.verdicts.update(&verdict.stream.to_le_bytes(), &value, MapFlags::ANY).map_err(|error| error.to_string())
    }
}

fn bytes_of(ports: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut bytes = vec![0; 65536];
    for port in ports {
        bytes[usize::from(port)] = 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_cost_for_each_exchange() {
        let bytes = Policy::Observe(Some(Budget { per_second: 1000, burst: 50 })).encode();
        assert_eq!(bytes[0], 1);
        assert_eq!(u64::from_le_bytes(bytes[8..16].try_into().expect("eight")), 1_000_000);
        assert_eq!(u64::from_le_bytes(bytes[16..24].try_into().expect("eight")), 50_000_000);
        assert_eq!(Policy::Ignore.encode()[0], 2);
    }
}
