//! `btrfs`: file systems of that type, by their identity.

use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("fs/btrfs");
    for name in files::list_if_present(&root)?.iter().filter(|name| name.contains('-')) {
        filesystem(&root.join(name), name, out)?;
    }
    Ok(())
}

fn filesystem(dir: &Path, name: &str, out: &mut Families) -> Outcome {
    let uuid = text(dir, "metadata_uuid")?;
    let uuid = if uuid.is_empty() { name } else { &uuid };
    let labels = [("uuid", uuid)];
    let label = text(dir, "label")?;
    out.gauge("node_btrfs_info", "A mounted btrfs.", &[("label", &label), ("uuid", uuid)], 1);
    let reserve = number(dir, "allocation/global_rsv_size")?;
    out.gauge("node_btrfs_global_rsv_size_bytes", "Size of the global reserve.", &labels, reserve);
    commits(dir, &labels, out)?;
    let devices = files::list(dir.join("devices"))?;
    for kind in ["data", "metadata", "system"] {
        allocation(&dir.join("allocation").join(kind), kind, uuid, devices.len(), out)?;
    }
    for device in &devices {
        let labels = [("device", &**device), ("uuid", uuid)];
        let size = number(dir, &format!("devices/{device}/size"))? * 512;
        out.gauge("node_btrfs_device_size_bytes", "Size of a device of the file system.", &labels, size);
    }
    errors(dir, uuid, &devices, out)
}

/// The kernel tells commits as `name milliseconds`; before 6.0 it does not.
fn commits(dir: &Path, labels: &[(&str, &str)], out: &mut Families) -> Outcome {
    let text = files::read_if_present(dir.join("commit_stats"))?.unwrap_or_default();
    let of = |key: &str| -> Result<f64, Failure> {
        let line = text.lines().find_map(|line| line.split_once(char::is_whitespace).filter(|(name, _)| *name == key));
        line.map_or(Ok(0.0), |(_, value)| parse::number(value, "commit_stats"))
    };
    out.counter("node_btrfs_commits_total", "Commits.", labels, of("commits")?);
    out.gauge("node_btrfs_last_commit_seconds", "How long the last commit took.", labels, of("last_commit_ms")? / 1e3);
    out.gauge("node_btrfs_max_commit_seconds", "How long the slowest commit took.", labels, of("max_commit_ms")? / 1e3);
    out.counter("node_btrfs_commit_seconds_total", "How long all commits took.", labels, of("total_commit_ms")? / 1e3);
    Ok(())
}

fn allocation(dir: &Path, kind: &str, uuid: &str, devices: usize, out: &mut Families) -> Outcome {
    let labels = [("block_group_type", kind), ("uuid", uuid)];
    out.gauge("node_btrfs_reserved_bytes", "Space reserved.", &labels, number(dir, "bytes_reserved")?);
    for mode in files::list(dir)? {
        let layout = dir.join(&mode);
        if !layout.is_dir() {
            continue;
        }
        let labels = [("block_group_type", kind), ("mode", &*mode), ("uuid", uuid)];
        out.gauge("node_btrfs_used_bytes", "Space used.", &labels, number(&layout, "used_bytes")?);
        out.gauge("node_btrfs_size_bytes", "Space allocated.", &labels, number(&layout, "total_bytes")?);
        let help = "Bytes on disk for each byte of data.";
        out.gauge("node_btrfs_allocation_ratio", help, &labels, ratio(&mode, devices));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a number of devices")]
fn ratio(mode: &str, devices: usize) -> f64 {
    let devices = devices as f64;
    match mode {
        "single" | "raid0" => 1.0,
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => devices / (devices - 1.0),
        "raid6" => devices / (devices - 2.0),
        _ => 0.0,
    }
}

/// `/sys` counts errors by the device's number, and does not say which device has which: with one device it is clear.
fn errors(dir: &Path, uuid: &str, devices: &[String], out: &mut Families) -> Outcome {
    let numbers = files::list_if_present(dir.join("devinfo"))?;
    let ([device], [number]) = (devices, &*numbers) else { return Ok(()) };
    let text = files::read_if_present(dir.join("devinfo").join(number).join("error_stats"))?.unwrap_or_default();
    for (name, count) in text.lines().filter_map(|line| line.split_once(' ')) {
        let labels = [("device", &**device), ("type", name.trim_end_matches("_errs")), ("uuid", uuid)];
        let count: u64 = parse::number(count, "error_stats")?;
        out.counter("node_btrfs_device_errors_total", "Errors of a device.", &labels, count);
    }
    Ok(())
}

fn text(dir: &Path, file: &str) -> Result<String, Failure> {
    match files::attribute(dir.join(file)) {
        Err(error) if !error.is_absent() => Err(error.into()),
        other => Ok(other.unwrap_or_default()),
    }
}

fn number(dir: &Path, file: &str) -> Result<u64, Failure> {
    Ok(text(dir, file)?.parse().unwrap_or(0))
}
