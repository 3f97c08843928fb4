//! `qdisc`: queues of network devices, those that stand at the root.

use crate::collector::Outcome;
use crate::families::{Families, Kind};
use crate::netlink;
use crate::roots::Roots;

const HEAD: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_STATS: u16 = 3;
const TCA_STATS2: u16 = 7;
const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_QUEUE: u16 = 3;

/// Metrics in the order of [`numbers`].
const METRICS: [(&str, Kind, &str); 7] = [
    ("bytes_total", Kind::Counter, "Bytes sent."),
    ("packets_total", Kind::Counter, "Packets sent."),
    ("current_queue_length", Kind::Gauge, "Packets that wait."),
    ("backlog", Kind::Gauge, "Bytes that wait."),
    ("drops_total", Kind::Counter, "Packets dropped."),
    ("requeues_total", Kind::Counter, "Packets put back."),
    ("overlimits_total", Kind::Counter, "Packets over the limit."),
];

pub(super) fn collect(_: &Roots, out: &mut Families) -> Outcome {
    let names = netlink::device_names()?;
    for message in netlink::queues()? {
        let Some((head, rest)) = message.payload.split_at_checked(HEAD) else { continue };
        let (Some(index), Some(parent)) = (netlink::u32_at(head, 4), netlink::u32_at(head, 12)) else { continue };
        // 0 too, since the kernel says either of the root.
        if !matches!(parent, 0 | u32::MAX) {
            continue;
        }
        let kind = netlink::attribute(rest, TCA_KIND).map(netlink::text).unwrap_or_default();
        let device = names.get(&index).map_or("", String::as_str);
        let Some(numbers) = numbers(rest) else { continue };
        for ((metric, family, help), value) in METRICS.iter().zip(numbers) {
            let labels = [("device", device), ("kind", &*kind)];
            out.sample(*family, &format!("node_qdisc_{metric}"), help, &labels, value);
        }
    }
    Ok(())
}

/// Bytes, packets, queue length, backlog, drops, requeues, overlimits.
fn numbers(attributes: &[u8]) -> Option<[u64; 7]> {
    let at = |bytes, place| netlink::u32_at(bytes, place).map(u64::from);
    if let Some(stats) = netlink::attribute(attributes, TCA_STATS2) {
        let basic = netlink::attribute(stats, TCA_STATS_BASIC)?;
        let queue = netlink::attribute(stats, TCA_STATS_QUEUE)?;
        let queue = |place: usize| at(queue, place * 4);
        return Some([
            netlink::u64_at(basic, 0)?,
            at(basic, 8)?,
            queue(0)?,
            queue(1)?,
            queue(2)?,
            queue(3)?,
            queue(4)?,
        ]);
    }
    let stats = netlink::attribute(attributes, TCA_STATS)?;
    let of = |place| at(stats, place);
    Some([netlink::u64_at(stats, 0)?, of(8)?, of(28)?, of(32)?, of(12)?, 0, of(16)?])
}
