//! `drbd`: block devices that are kept alike on two machines.

use crate::collector::Outcome;
use crate::families::{Families, Kind};
use crate::files;
use crate::parse;
use crate::roots::Roots;

const NUMBERS: &[(&str, &str, Kind, f64, &str)] = &[
    ("ns", "network_sent_bytes_total", Kind::Counter, 1024.0, "Bytes sent to the other side."),
    ("nr", "network_received_bytes_total", Kind::Counter, 1.0, "Bytes received from the other side."),
    ("dw", "disk_written_bytes_total", Kind::Counter, 1024.0, "Bytes written to the disk."),
    ("dr", "disk_read_bytes_total", Kind::Counter, 1024.0, "Bytes read from the disk."),
    ("al", "activitylog_writes_total", Kind::Counter, 1.0, "Writes to the log of activity."),
    ("bm", "bitmap_writes_total", Kind::Counter, 1.0, "Writes to the bitmap."),
    ("lo", "local_pending", Kind::Gauge, 1.0, "Requests that the disk has not answered."),
    ("pe", "remote_pending", Kind::Gauge, 1.0, "Requests that the other side has not answered."),
    ("ua", "remote_unacknowledged", Kind::Gauge, 1.0, "Requests of the other side not yet answered."),
    ("ap", "application_pending", Kind::Gauge, 1.0, "Requests not yet answered."),
    ("ep", "epochs", Kind::Gauge, 1.0, "Epochs under way."),
    ("oos", "out_of_sync_bytes", Kind::Gauge, 1024.0, "Data that is not alike."),
];

const PAIRS: &[(&str, &str, &str, &str)] = &[
    ("ro", "node_role_is_primary", "Primary", "Whether a side is the primary one."),
    ("ds", "disk_state_is_up_to_date", "UpToDate", "Whether a side's disk is up to date."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = files::read(roots.proc("drbd"))?;
    let mut device = String::from("unknown");
    for word in text.split_whitespace() {
        let Some((key, value)) = word.split_once(':').filter(|(_, value)| !value.contains(':')) else { continue };
        if value.is_empty() {
            if let Ok(number) = key.parse::<u64>() {
                device = format!("drbd{number}");
            }
        } else if let Some((_, metric, kind, unit, help)) = NUMBERS.iter().find(|(name, ..)| *name == key) {
            let value: f64 = parse::number(value, "drbd")?;
            out.sample(*kind, &format!("node_drbd_{metric}"), help, &[("device", &device)], value * unit);
        } else if let Some((_, metric, good, help)) = PAIRS.iter().find(|(name, ..)| *name == key) {
            for (node, state) in ["local", "remote"].iter().zip(value.split('/')) {
                let labels = [("device", &*device), ("node", *node)];
                out.gauge(&format!("node_drbd_{metric}"), help, &labels, state == *good);
            }
        } else if key == "cs" {
            let help = "Whether the other side is connected.";
            out.gauge("node_drbd_connected", help, &[("device", &device)], value == "Connected");
        }
    }
    Ok(())
}
