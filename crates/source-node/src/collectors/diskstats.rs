//! `diskstats`: reads, writes and time of block devices, and what udev knows of them.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::filter::Filter;
use crate::parse;
use crate::roots::Roots;

/// A sector, whatever the device says.
const SECTOR: f64 = 512.0;
const MILLISECOND: f64 = 1e-3;

/// The columns after the device's name: metric, what a unit is, meaning.
const COLUMNS: &[(&str, f64, &str)] = &[
    ("reads_completed_total", 1.0, "Reads."),
    ("reads_merged_total", 1.0, "Reads merged with others."),
    ("read_bytes_total", SECTOR, "Bytes read."),
    ("read_time_seconds_total", MILLISECOND, "Time that all reads took."),
    ("writes_completed_total", 1.0, "Writes."),
    ("writes_merged_total", 1.0, "Writes merged with others."),
    ("written_bytes_total", SECTOR, "Bytes written."),
    ("write_time_seconds_total", MILLISECOND, "Time that all writes took."),
    ("io_now", 1.0, "Requests under way."),
    ("io_time_seconds_total", MILLISECOND, "Time with a request under way."),
    ("io_time_weighted_seconds_total", MILLISECOND, "Time times the requests under way."),
    ("discards_completed_total", 1.0, "Discards."),
    ("discards_merged_total", 1.0, "Discards merged with others."),
    ("discarded_sectors_total", 1.0, "Sectors discarded."),
    ("discard_time_seconds_total", MILLISECOND, "Time that all discards took."),
    ("flush_requests_total", 1.0, "Flushes."),
    ("flush_requests_time_seconds_total", MILLISECOND, "Time that all flushes took."),
];

const ATA: &[(&str, &str, &str)] = &[
    ("ID_ATA_WRITE_CACHE", "write_cache", "Whether the disk has a write cache."),
    ("ID_ATA_WRITE_CACHE_ENABLED", "write_cache_enabled", "Whether the disk's write cache is on."),
    ("ID_ATA_ROTATION_RATE_RPM", "rotation_rate_rpm", "Turns a minute, 0 if the disk does not turn."),
];

/// What udev knows of a device, with the time and the inode of the file that says so.
type Known = ((i64, i64, u64), Arc<HashMap<String, String>>);

struct Diskstats {
    roots: Arc<Roots>,
    filter: Filter,
    udev: Mutex<HashMap<String, Known>>,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let include = &*args.disk.device_include;
    let exclude = if include.is_empty() { &*args.disk.device_exclude } else { "" };
    let filter = Filter::new("disk", "device", exclude, include)?;
    Ok(Box::new(Diskstats { roots: Arc::clone(roots), filter, udev: Mutex::default() }))
}

impl Collector for Diskstats {
    fn name(&self) -> &'static str {
        "diskstats"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let mut name = String::new();
        for line in files::read(self.roots.proc("diskstats"))?.lines() {
            let columns: Vec<_> = line.split_whitespace().collect();
            let [major, minor, device, counts @ ..] = &*columns else { continue };
            if counts.len() < 11 || self.filter.ignores(device) {
                continue;
            }
            let udev = self.udev(&format!("b{major}:{minor}"));
            let counts = counts.iter().map(|word| parse::number::<u64>(word, "diskstats"));
            let counts = counts.collect::<Result<Vec<_>, Failure>>()?;
            for (count, (metric, unit, help)) in counts.iter().zip(COLUMNS) {
                name.clear();
                name.extend(["node_disk_", metric]);
                let kind = if *metric == "io_now" { Kind::Gauge } else { Kind::Counter };
                out.sample(kind, &name, help, &[("device", device)], *count as f64 * unit);
            }
            self.describe(device, (major, minor), &udev, out);
        }
        Ok(())
    }
}

impl Diskstats {
    fn describe(&self, device: &str, number: (&str, &str), udev: &HashMap<String, String>, out: &mut Families) {
        let of = |key: &str| udev.get(key).map_or("", String::as_str);
        // What is printed on the disk, else what its driver says, else what virtual ones have.
        let serials = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"];
        let serial = serials.into_iter().map(of).find(|serial| !serial.is_empty()).unwrap_or("");
        let turns = files::attribute(self.roots.sys("block").join(device).join("queue/rotational"));
        let info = [
            ("device", device),
            ("major", number.0),
            ("minor", number.1),
            ("model", of("ID_MODEL")),
            ("path", of("ID_PATH")),
            ("revision", of("ID_REVISION")),
            ("rotational", if turns.is_ok_and(|text| text == "1") { "1" } else { "0" }),
            ("serial", serial),
            ("wwn", of("ID_WWN")),
        ];
        out.gauge("node_disk_info", "A block device.", &info, 1);
        if !of("ID_FS_TYPE").is_empty() {
            let labels = [
                ("device", device),
                ("type", of("ID_FS_TYPE")),
                ("usage", of("ID_FS_USAGE")),
                ("uuid", of("ID_FS_UUID")),
                ("version", of("ID_FS_VERSION")),
            ];
            out.gauge("node_disk_filesystem_info", "The file system on a block device.", &labels, 1);
        }
        if !of("DM_NAME").is_empty() {
            let labels = [
                ("device", device),
                ("lv_layer", of("DM_LV_LAYER")),
                ("lv_name", of("DM_LV_NAME")),
                ("name", of("DM_NAME")),
                ("uuid", of("DM_UUID")),
                ("vg_name", of("DM_VG_NAME")),
            ];
            out.gauge("node_disk_device_mapper_info", "A device of the device mapper.", &labels, 1);
        }
        if !of("ID_ATA").is_empty() {
            for (key, metric, help) in ATA {
                if let Some(value) = udev.get(*key).and_then(|text| text.parse::<f64>().ok()) {
                    out.gauge(&format!("node_disk_ata_{metric}"), help, &[("device", device)], value);
                }
            }
        }
    }

    /// Read anew only where the file has changed.
    fn udev(&self, file: &str) -> Arc<HashMap<String, String>> {
        let path = self.roots.udev(file);
        let Ok(meta) = std::fs::metadata(&path) else { return Arc::default() };
        let state = (meta.mtime(), meta.mtime_nsec(), meta.ino());
        let mut known = self.udev.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(file) {
            Some((then, properties)) if *then == state => Arc::clone(properties),
            _ => {
                let text = files::read(&path).unwrap_or_default();
                let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
                let properties = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
                let properties = Arc::new(properties);
                known.insert(file.to_owned(), (state, Arc::clone(&properties)));
                properties
            }
        }
    }
}
