//! `schedstat`: time that tasks ran and waited, by CPU.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for line in files::read(roots.proc("schedstat"))?.lines() {
        // "cpu0 1 2 3 4 5 6 7 8 9": the last three are nanoseconds running and waiting, and slices.
        let Some((cpu, rest)) = line.strip_prefix("cpu").and_then(|line| line.split_once(' ')) else { continue };
        let mut numbers = rest.split_whitespace().skip(6).map_while(|word| word.parse::<u64>().ok());
        let (Some(running), Some(waiting), Some(slices)) = (numbers.next(), numbers.next(), numbers.next()) else {
            continue;
        };
        let labels = [("cpu", cpu)];
        let (running, waiting) = (running as f64 / 1e9, waiting as f64 / 1e9);
        out.counter("node_schedstat_running_seconds_total", "Time in which tasks ran.", &labels, running);
        out.counter("node_schedstat_waiting_seconds_total", "Time in which tasks waited.", &labels, waiting);
        out.counter("node_schedstat_timeslices_total", "Slices of time given to tasks.", &labels, slices);
    }
    Ok(())
}
