//! `mountstats`: what NFS mounts do.

use std::collections::HashSet;

use super::mountinfo;
use crate::collector::{Failure, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::parse;
use crate::roots::Roots;

const BYTES: [(&str, &str); 8] = [
    ("read_bytes_total", "Bytes read by read()."),
    ("write_bytes_total", "Bytes written by write()."),
    ("direct_read_bytes_total", "Bytes read past the cache."),
    ("direct_write_bytes_total", "Bytes written past the cache."),
    ("total_read_bytes_total", "Bytes read from the server."),
    ("total_write_bytes_total", "Bytes written to the server."),
    ("read_pages_total", "Pages read for mapped files."),
    ("write_pages_total", "Pages written for mapped files."),
];

/// The one in the middle has no meaning.
const EVENTS: [(&str, &str); 27] = [
    ("event_inode_revalidate_total", "Attributes of inodes checked with the server."),
    ("event_dnode_revalidate_total", "Names checked with the server."),
    ("event_data_invalidate_total", "Caches of inodes emptied."),
    ("event_attribute_invalidate_total", "Attributes of inodes that became invalid."),
    ("event_vfs_open_total", "Files and folders opened."),
    ("event_vfs_lookup_total", "Names looked up."),
    ("event_vfs_access_total", "Permissions checked."),
    ("event_vfs_update_page_total", "Pages updated."),
    ("event_vfs_read_page_total", "Single pages read."),
    ("event_vfs_read_pages_total", "Groups of pages read."),
    ("event_vfs_write_page_total", "Single pages written."),
    ("event_vfs_write_pages_total", "Groups of pages written."),
    ("event_vfs_getdents_total", "Folders listed."),
    ("event_vfs_setattr_total", "Attributes set."),
    ("event_vfs_flush_total", "Writes flushed to the server."),
    ("event_vfs_fsync_total", "Calls of fsync()."),
    ("event_vfs_lock_total", "Locks tried."),
    ("event_vfs_file_release_total", "Files closed."),
    ("", ""),
    ("event_truncation_total", "Files truncated."),
    ("event_write_extension_total", "Files that grew by a write."),
    ("event_silly_rename_total", "Files removed while open."),
    ("event_short_read_total", "Reads that gave less than asked for."),
    ("event_short_write_total", "Writes that took less than given."),
    ("event_jukebox_delay_total", "Answers that the data must first be fetched."),
    ("event_pnfs_read_total", "Reads by pNFS."),
    ("event_pnfs_write_total", "Writes by pNFS."),
];

/// Times that have run backwards in the kernel are shown as node_exporter does: the part that a float can hold.
const MANTISSA: u64 = 1 << 53;

const OPERATIONS: [(&str, f64, &str); 8] = [
    ("operations_requests_total", 1.0, "Requests."),
    ("operations_transmissions_total", 1.0, "Requests that were sent."),
    ("operations_major_timeouts_total", 1.0, "Requests that timed out for good."),
    ("operations_sent_bytes_total", 1.0, "Bytes sent."),
    ("operations_received_bytes_total", 1.0, "Bytes received."),
    ("operations_queue_time_seconds_total", 1e3, "Time that requests waited to be sent."),
    ("operations_response_time_seconds_total", 1e3, "Time that answers took."),
    ("operations_request_time_seconds_total", 1e3, "Time from waiting to being handled."),
];

/// Columns of a transport over TCP.
const TRANSPORT: [(usize, &str, Kind, &str); 10] = [
    (1, "transport_bind_total", Kind::Counter, "Connections made from scratch."),
    (2, "transport_connect_total", Kind::Counter, "Connections made."),
    (4, "transport_idle_time_seconds", Kind::Gauge, "Time since anything was sent or received."),
    (5, "transport_sends_total", Kind::Counter, "Requests sent."),
    (6, "transport_receives_total", Kind::Counter, "Answers received."),
    (7, "transport_bad_transaction_ids_total", Kind::Counter, "Answers to nothing that was asked."),
    (9, "transport_backlog_queue_total", Kind::Counter, "Sum of the backlog at each request."),
    (10, "transport_maximum_rpc_slots", Kind::Gauge, "Most requests at a time so far."),
    (11, "transport_sending_queue_total", Kind::Counter, "Sum of the sending queue at each request."),
    (12, "transport_pending_queue_total", Kind::Counter, "Sum of the pending queue at each request."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let mounts = parse(&files::read(roots.proc("self/mountstats"))?)?;
    let info = mountinfo::parse(&files::read(roots.proc("self/mountinfo"))?, roots)?;
    let (mut points, mut devices) = (HashSet::new(), HashSet::new());
    for (at, mount) in mounts.iter().enumerate() {
        let Some(stats) = &mount.stats else { continue };
        // Both files have the mounts in the same order.
        let address = info.get(at).and_then(|info| info.super_option("addr")).unwrap_or_default();
        for transport in &stats.transports {
            let labels = [("export", &*mount.device), ("mountaddr", address), ("protocol", &*transport.protocol)];
            if points.insert((mount.device.clone(), transport.protocol.clone(), address, mount.point.clone())) {
                let mut labels = labels.to_vec();
                labels.push(("mountpoint", &mount.point));
                out.gauge("node_mountstats_nfs_mountpoint_info", "An NFS mount.", &labels, 1);
            }
            if !devices.insert((mount.device.clone(), transport.protocol.clone(), address)) {
                break;
            }
            report(stats, &labels, out);
        }
    }
    Ok(())
}

fn report(stats: &Stats, labels: &[(&str, &str)], out: &mut Families) {
    out.counter("node_mountstats_nfs_age_seconds_total", "Age of the mount.", labels, stats.age);
    let plain = BYTES.iter().zip(&stats.bytes).chain(EVENTS.iter().zip(&stats.events));
    for ((name, help), value) in plain.filter(|((name, _), _)| !name.is_empty()) {
        out.counter(&format!("node_mountstats_nfs_{name}"), help, labels, *value);
    }
    for (at, transport) in stats.transports.iter().enumerate() {
        let at = at.to_string();
        let labels = [labels, &[("transport", &*at)]].concat();
        for (column, name, kind, help) in TRANSPORT {
            let value = transport.columns.get(column).copied().unwrap_or(0);
            let value = if name.ends_with("_seconds") { value % MANTISSA } else { value };
            out.sample(kind, &format!("node_mountstats_nfs_{name}"), help, &labels, value);
        }
    }
    for (operation, columns) in &stats.operations {
        let labels = [labels, &[("operation", &**operation)]].concat();
        for ((name, unit, help), value) in OPERATIONS.iter().zip(columns) {
            let value = if *unit == 1.0 { *value } else { value % MANTISSA };
            out.counter(&format!("node_mountstats_nfs_{name}"), help, &labels, value as f64 / unit);
        }
    }
}

pub(super) struct Mount {
    device: String,
    point: String,
    /// Of NFS alone.
    stats: Option<Stats>,
}

#[derive(Default)]
struct Stats {
    age: f64,
    bytes: Vec<u64>,
    events: Vec<u64>,
    transports: Vec<Transport>,
    operations: Vec<(String, Vec<u64>)>,
}

struct Transport {
    protocol: String,
    columns: Vec<u64>,
}

pub(super) fn parse(text: &str) -> Result<Vec<Mount>, Failure> {
    let mut mounts = Vec::new();
    let mut operations = false;
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["device", device, "mounted", "on", point, "with", "fstype", kind, rest @ ..] = &*words {
            operations = false;
            let stats = (!rest.is_empty() && matches!(*kind, "nfs" | "nfs4")).then(Stats::default);
            mounts.push(Mount { device: (*device).to_owned(), point: (*point).to_owned(), stats });
            continue;
        }
        let Some(stats) = mounts.last_mut().and_then(|mount: &mut Mount| mount.stats.as_mut()) else { continue };
        match &*words {
            [] => operations = false,
            ["age:", age, ..] => stats.age = parse::number(age, "mountstats")?,
            ["bytes:", values @ ..] => stats.bytes = numbers(values, BYTES.len())?,
            ["events:", values @ ..] => stats.events = numbers(values, EVENTS.len())?,
            ["xprt:", protocol, values @ ..] => stats.transports.push(transport(protocol, values)?),
            ["per-op", ..] => operations = true,
            [name, values @ ..] if operations => {
                let columns = numbers(values, values.len().max(OPERATIONS.len()))?;
                stats.operations.push((name.trim_end_matches(':').to_owned(), columns));
            }
            _ => {}
        }
    }
    Ok(mounts)
}

fn transport(protocol: &str, values: &[&str]) -> Result<Transport, Failure> {
    let mut columns = numbers(values, values.len())?;
    match protocol {
        "tcp" => {}
        // There is no connection whose time could be told.
        "udp" if columns.len() >= 2 => drop(columns.splice(2..2, [0; 3])),
        // Before the numbers of its own it has no queues.
        "rdma" if columns.len() >= 10 => drop(columns.splice(10..10, [0; 3])),
        _ => return Err(Failure::new(format!("mountstats: a transport {protocol:?} is not known"))),
    }
    Ok(Transport { protocol: protocol.to_owned(), columns })
}

fn numbers(words: &[&str], count: usize) -> Result<Vec<u64>, Failure> {
    if words.len() != count {
        return Err(Failure::new(format!("mountstats: {count} numbers expected, {} found", words.len())));
    }
    words.iter().map(|word| parse::number(word, "mountstats")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_panics(text in "(device a mounted on b with fstype nfs statvers=1.1\n|xprt: |udp|rdma|per-op|age:|[0-9 ]|\n|.){0,60}") {
            let _ = parse(&text);
        }
    }
}
