//! `zfs`: counters of that file system, its pools and their data sets.

use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// Groups of metrics and their files.
const GROUPS: [(&str, &str); 11] = [
    ("zfs_abd", "abdstats"),
    ("zfs_arc", "arcstats"),
    ("zfs_dbuf", "dbufstats"),
    ("zfs_dmu_tx", "dmu_tx"),
    ("zfs_dnode", "dnodestats"),
    ("zfs_fm", "fm"),
    ("zfs_vdev_cache", "vdev_cache_stats"),
    ("zfs_vdev_mirror", "vdev_mirror_stats"),
    ("zfs_xuio", "xuio_stats"),
    ("zfs_zfetch", "zfetchstats"),
    ("zfs_zil", "zil"),
];

const STATES: [&str; 7] = ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

/// Types of values that are numbers.
const INT64: &str = "3";
const UINT64: &str = "4";

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.proc("spl/kstat/zfs");
    let entries = files::list(&root)?;
    for (group, file) in GROUPS {
        // Older versions have not all of them.
        let Ok(text) = files::read(root.join(file)) else { continue };
        for row in rows(&text, file)? {
            let value = match row.kind {
                UINT64 => parse::number::<u64>(row.value, file)? as f64,
                INT64 => parse::number::<i64>(row.value, file)? as f64,
                _ => continue,
            };
            let name = format!("node_{group}_{}", metric(row.name));
            out.untyped(&name, format_args!("kstat.zfs.misc.{file}.{}", row.name), &[], value);
        }
    }
    for pool in entries.iter().filter(|name| root.join(name).is_dir()) {
        self::pool(&root.join(pool), pool, out)?;
    }
    Ok(())
}

pub(super) struct Row<'a> {
    name: &'a str,
    kind: &'a str,
    value: &'a str,
}

/// The lines below `name type data`.
pub(super) fn rows<'a>(text: &'a str, what: &str) -> Result<Vec<Row<'a>>, Failure> {
    let mut lines = text.lines();
    if !lines.any(|line| line.split_whitespace().eq(["name", "type", "data"])) {
        return Err(Failure::new(format!("{what} has no table")));
    }
    let row = |line: &'a str| {
        let (name, rest) = line.trim_start().split_once(char::is_whitespace)?;
        let (kind, value) = rest.trim_start().split_once(char::is_whitespace)?;
        Some(Row { name, kind, value: value.trim_start() }).filter(|row| !row.value.is_empty())
    };
    Ok(lines.filter_map(row).collect())
}

fn metric(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).replace('-', "_")
}

fn pool(dir: &Path, pool: &str, out: &mut Families) -> Outcome {
    if let Some(text) = files::read_if_present(dir.join("io"))? {
        let mut lines = text.lines().skip_while(|line| !line.starts_with("nread"));
        let names: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
        for line in lines {
            for (name, value) in names.iter().zip(line.split_whitespace()) {
                let value: u64 = parse::number(value, "io")?;
                let help = format_args!("kstat.zfs.misc.io.{name}");
                out.untyped(&format!("node_zfs_zpool_{}", metric(name)), help, &[("zpool", pool)], value);
            }
        }
    }
    for file in files::list(dir)?.iter().filter(|file| file.starts_with("objset-")) {
        let Some(text) = files::read_if_present(dir.join(file))? else { continue };
        let mut dataset = "";
        for row in rows(&text, file)? {
            if row.name == "dataset_name" {
                dataset = row.value;
            } else if row.kind == UINT64 {
                let labels = [("dataset", dataset), ("zpool", pool)];
                let value: u64 = parse::number(row.value, file)?;
                let help = format_args!("kstat.zfs.misc.objset.{}", row.name);
                out.untyped(&format!("node_zfs_zpool_dataset_{}", metric(row.name)), help, &labels, value);
            }
        }
    }
    if let Some(text) = files::read_if_present(dir.join("state"))? {
        let now = text.lines().next().unwrap_or_default().to_lowercase();
        for state in STATES {
            let labels = [("state", state), ("zpool", pool)];
            out.gauge("node_zfs_zpool_state", "kstat.zfs.misc.state", &labels, now == state);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_data_sets_may_hold_spaces() {
        let text = "1 1 0x01\nname type data\ndataset_name   7  pool/my data\nwrites  4  7\n";
        let rows = rows(text, "objset").unwrap();
        assert_eq!((rows[0].name, rows[0].value), ("dataset_name", "pool/my data"));
        assert_eq!((rows[1].kind, rows[1].value), ("4", "7"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(name type data\n|[a-z]|[0-9]| |\n|.){0,60}") {
            let _ = rows(&text, "x");
        }
    }
}
