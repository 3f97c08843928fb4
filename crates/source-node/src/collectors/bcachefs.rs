//! `bcachefs`: file systems of that type, by their identity.

use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("fs/bcachefs");
    let mut found = false;
    for uuid in files::list(&root)? {
        let dir = root.join(&uuid);
        if dir.is_dir() {
            found = true;
            filesystem(&dir, &uuid, out)?;
        }
    }
    if found { Ok(()) } else { Err(Failure::no_data("no bcachefs is mounted")) }
}

fn filesystem(dir: &Path, uuid: &str, out: &mut Families) -> Outcome {
    let labels = [("uuid", uuid)];
    out.gauge("node_bcachefs_info", "A mounted bcachefs.", &labels, 1);
    let size = match files::read_if_present(dir.join("btree_cache_size"))? {
        Some(text) if !text.trim().is_empty() => bytes(&text)?,
        _ => 0.0,
    };
    out.gauge("node_bcachefs_btree_cache_size_bytes", "Memory that the trees' cache takes.", &labels, size);
    table(dir.join("compression_stats"), |kind, columns| {
        let labels = [("uuid", uuid), ("algorithm", kind)];
        let (packed, plain) = (bytes(columns[0])?, bytes(columns[1])?);
        out.gauge("node_bcachefs_compression_compressed_bytes", "Data after compression.", &labels, packed);
        out.gauge("node_bcachefs_compression_uncompressed_bytes", "Data before compression.", &labels, plain);
        Ok(())
    })?;
    for line in files::read_if_present(dir.join("errors"))?.unwrap_or_default().lines() {
        let mut columns = line.split_whitespace();
        if let (Some(kind), Some(count)) = (columns.next(), columns.next()) {
            let labels = [("uuid", uuid), ("error_type", kind)];
            let count: u64 = parse::number(count, "errors")?;
            out.counter("node_bcachefs_errors_total", "Errors by type.", &labels, count);
        }
    }
    for counter in files::list_if_present(dir.join("counters"))? {
        let text = files::read_if_present(dir.join("counters").join(&counter))?.unwrap_or_default();
        let of = |prefix| text.lines().find_map(|line| line.strip_prefix(prefix));
        let value = match (of("since filesystem creation:"), of("since mount:")) {
            (Some(value), _) => bytes(value)?,
            (None, Some(_)) => 0.0,
            (None, None) => return Err(Failure::new(format!("counters/{counter}: its format is not known"))),
        };
        let name = format!("node_bcachefs_{}_total", parse::metric_name(&counter));
        out.counter(&name, format_args!("Counter {counter} since the file system was made."), &labels, value);
    }
    table(dir.join("btree_write_stats"), |kind, columns| {
        let labels = [("uuid", uuid), ("type", kind)];
        let count: u64 = parse::number(columns[0], "btree_write_stats")?;
        out.counter("node_bcachefs_btree_writes_total", "Writes of tree nodes.", &labels, count);
        let help = "Bytes that a write of a tree node has on average.";
        out.gauge("node_bcachefs_btree_write_average_size_bytes", help, &labels, bytes(columns[1])?);
        Ok(())
    })?;
    for name in files::list(dir)? {
        if let Some(device) = name.strip_prefix("dev-") {
            self::device(&dir.join(&name), uuid, device, out)?;
        }
    }
    Ok(())
}

fn device(dir: &Path, uuid: &str, device: &str, out: &mut Families) -> Outcome {
    let labels = [("uuid", uuid), ("device", device)];
    let text = |file: &str| files::attribute(dir.join(file)).unwrap_or_default();
    let (label, state) = (text("label"), text("state"));
    let info = [("uuid", uuid), ("device", device), ("label", &*label), ("state", &*state)];
    out.gauge("node_bcachefs_device_info", "A device of the file system.", &info, 1);
    let bucket = text("bucket_size");
    let bucket = if bucket.is_empty() { 0.0 } else { bytes(&bucket)? };
    out.gauge("node_bcachefs_device_bucket_size_bytes", "Size of a bucket.", &labels, bucket);
    let number = |file: &str| match files::read_if_present(dir.join(file)) {
        Ok(Some(text)) => parse::number::<u64>(&text, file),
        Ok(None) => Ok(0),
        Err(error) => Err(error.into()),
    };
    out.gauge("node_bcachefs_device_buckets", "Buckets of the device.", &labels, number("nbuckets")?);
    out.gauge("node_bcachefs_device_durability", "Durability of the device.", &labels, number("durability")?);
    let mut operation = "";
    let done = files::read_if_present(dir.join("io_done"))?.unwrap_or_default();
    for line in done.lines().map(str::trim) {
        match (line, line.split_once(':')) {
            ("read:", _) => operation = "read",
            ("write:", _) => operation = "write",
            (_, Some((kind, value))) if !operation.is_empty() => {
                let data = [("uuid", uuid), ("device", device), ("operation", operation), ("data_type", kind.trim())];
                let value: u64 = parse::number(value, "io_done")?;
                out.counter("node_bcachefs_device_io_done_bytes_total", "Bytes read and written.", &data, value);
            }
            _ => {}
        }
    }
    let errors = files::read_if_present(dir.join("io_errors"))?.unwrap_or_default();
    let lines = errors.lines().skip_while(|line| !line.starts_with("IO errors since filesystem creation")).skip(1);
    for line in lines.take_while(|line| !line.starts_with("IO errors since ")) {
        if let Some((kind, value)) = line.trim().split_once(':') {
            let labels = [("uuid", uuid), ("device", device), ("type", kind.trim())];
            let value: u64 = parse::number(value, "io_errors")?;
            out.counter("node_bcachefs_device_io_errors_total", "Errors of the device by type.", &labels, value);
        }
    }
    Ok(())
}

/// Calls `row` with the name and the columns of each line below the header that has two columns or more.
fn table(path: std::path::PathBuf, mut row: impl FnMut(&str, &[&str]) -> Outcome) -> Outcome {
    for line in files::read_if_present(path)?.unwrap_or_default().lines().skip(1) {
        let columns: Vec<_> = line.split_whitespace().collect();
        if columns.len() >= 3 {
            row(columns[0].trim_end_matches(':'), &columns[1..])?;
        }
    }
    Ok(())
}

fn bytes(text: &str) -> Result<f64, Failure> {
    let value = parse::binary_units(text).map(f64::trunc);
    value.ok_or_else(|| Failure::new(format!("expected a number of bytes, found {text:?}")))
}
