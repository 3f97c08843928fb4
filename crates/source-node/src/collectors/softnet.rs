//! `softnet`: packets on their way through the kernel, by CPU.

use crate::collector::{Failure, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// Columns, in hexadecimal; kernels differ in how many they have.
const COLUMNS: &[(usize, &str, Kind, &str)] = &[
    (0, "processed_total", Kind::Counter, "Packets processed."),
    (1, "dropped_total", Kind::Counter, "Packets dropped."),
    (2, "times_squeezed_total", Kind::Counter, "How often there was more to do than time for it."),
    (8, "cpu_collision_total", Kind::Counter, "How often a device was locked by another CPU."),
    (9, "received_rps_total", Kind::Counter, "How often another CPU asked to take packets."),
    (10, "flow_limit_count_total", Kind::Counter, "How often a flow's limit was reached."),
    (11, "backlog_len", Kind::Gauge, "Packets that wait."),
];
const CPU: usize = 12;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for (line, text) in files::read(roots.proc("net/softnet_stat"))?.lines().enumerate() {
        let columns = text.split_whitespace().map(|word| parse::hex(word, "softnet_stat"));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        if columns.len() < 9 {
            return Err(Failure::new(format!("softnet_stat: a line has {} columns", columns.len())));
        }
        // Before 5.14 lines stand in the order of CPUs.
        let known = columns.len() > CPU;
        let cpu = if known { columns[CPU].to_string() } else { line.to_string() };
        for (column, metric, kind, help) in COLUMNS {
            let value = columns.get(*column).copied().filter(|_| known || *column < 11).unwrap_or(0);
            out.sample(*kind, &format!("node_softnet_{metric}"), help, &[("cpu", &cpu)], value);
        }
    }
    Ok(())
}
