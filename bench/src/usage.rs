//! What a process has used, as `/proc` tells.

use std::fs;

use anyhow::{Context, Result};

/// A reading.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// CPU time of all its threads, those that have ended included.
    pub(crate) cpu_seconds: f64,
    /// Of the threads that are there.
    pub(crate) context_switches: u64,
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the collector has ended")?;
        // The name in parentheses may hold anything; user and system time are fields 14 and 15 of all, 12 and 13 behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let cpu_seconds = (ticks(11) + ticks(12)) as f64 / rustix::param::clock_ticks_per_second() as f64;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mut context_switches = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            // A thread may end between the listing and the reading.
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            context_switches += number(&status, "voluntary_ctxt_switches:");
            context_switches += number(&status, "nonvoluntary_ctxt_switches:");
        }
        let (resident, peak) = (number(&status, "VmRSS:") * 1024, number(&status, "VmHWM:") * 1024);
        Ok(Self { cpu_seconds, context_switches, resident, peak })
    }
}

fn number(status: &str, name: &str) -> u64 {
    let rest = status.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_read_itself() {
        let before = Usage::of(std::process::id()).expect("a reading");
        let mut sum = 0_u64;
        while Usage::of(std::process::id()).expect("a reading").cpu_seconds < before.cpu_seconds + 0.02 {
            sum = std::hint::black_box((0..1_000_000_u64).fold(sum, u64::wrapping_add));
        }
        assert!(before.resident > 0 && before.peak >= before.resident);
    }
}
