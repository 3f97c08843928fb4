//! `tcpstat`: TCP connections by state.

use std::collections::BTreeMap;

use crate::collector::Outcome;
use crate::families::Families;
use crate::netlink::{self, Family};
use crate::roots::Roots;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// All states.
const STATES: u32 = 0xfff;
const QUESTION: usize = 56;

/// The kernel's numbers begin with 1.
const NAMES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let six = roots.proc("net/tcp6").exists();
    for family in [AF_INET, AF_INET6].into_iter().take(if six { 2 } else { 1 }) {
        let mut question = vec![family, IPPROTO_TCP, 0, 0];
        question.extend(STATES.to_ne_bytes());
        question.resize(QUESTION, 0);
        for message in netlink::dump(Family::SockDiag, SOCK_DIAG_BY_FAMILY, &question)? {
            let bytes = &message.payload;
            let Some(state) = bytes.get(1) else { continue };
            let name = usize::from(*state).checked_sub(1).and_then(|at| NAMES.get(at)).copied().unwrap_or("unknown");
            *counts.entry(name).or_default() += 1;
            for (queue, at) in [("rx_queued_bytes", 56), ("tx_queued_bytes", 60)] {
                *counts.entry(queue).or_default() += netlink::u32_at(bytes, at).map_or(0, u64::from);
            }
        }
    }
    for (state, count) in counts {
        out.gauge("node_tcp_connection_states", "TCP connections by state.", &[("state", state)], count);
    }
    Ok(())
}
