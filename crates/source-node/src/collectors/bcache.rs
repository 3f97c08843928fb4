//! `bcache`: block caches, by the identity of their set.

use std::path::Path;
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::parse;
use crate::roots::Roots;

struct Bcache {
    roots: Arc<Roots>,
    priority_stats: bool,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    Ok(Box::new(Bcache { roots: Arc::clone(roots), priority_stats: args.bcache.priority_stats }))
}

/// A file, its metric, what it means.
type Field = (&'static str, &'static str, Kind, &'static str);

const SET: &[Field] = &[
    ("average_key_size", "average_key_size_sectors", Kind::Gauge, "Sectors that a key of the tree covers on average."),
    ("btree_cache_size", "btree_cache_size_bytes", Kind::Gauge, "Memory that the tree's cache takes."),
    ("cache_available_percent", "cache_available_percent", Kind::Gauge, "Share of the cache without dirty data."),
    ("congested", "congested", Kind::Gauge, "Congestion of the cache."),
    ("root_usage_percent", "root_usage_percent", Kind::Gauge, "Share of the tree's root that is in use."),
    ("tree_depth", "tree_depth", Kind::Gauge, "Depth of the tree."),
    ("internal/active_journal_entries", "active_journal_entries", Kind::Gauge, "Journal entries newer than the index."),
    ("internal/btree_nodes", "btree_nodes", Kind::Gauge, "Nodes of the tree."),
    ("internal/cache_read_races", "cache_read_races_total", Kind::Counter, "Reads whose bucket was reused meanwhile."),
];

const TOTALS: &[Field] = &[
    ("bypassed", "bypassed_bytes_total", Kind::Counter, "Bytes read and written past the cache."),
    ("cache_hits", "cache_hits_total", Kind::Counter, "Requests that the cache answered."),
    ("cache_misses", "cache_misses_total", Kind::Counter, "Requests that the cache did not answer."),
    ("cache_bypass_hits", "cache_bypass_hits_total", Kind::Counter, "Hits of requests meant to go past the cache."),
    (
        "cache_bypass_misses",
        "cache_bypass_misses_total",
        Kind::Counter,
        "Misses of requests meant to go past the cache.",
    ),
    (
        "cache_miss_collisions",
        "cache_miss_collisions_total",
        Kind::Counter,
        "Insertions that lost a race with a write.",
    ),
];

const CACHE: &[Field] = &[
    ("io_errors", "io_errors", Kind::Gauge, "Errors of the cache device, decaying with time."),
    ("metadata_written", "metadata_written_bytes_total", Kind::Counter, "Bytes written that are not data."),
    ("written", "written_bytes_total", Kind::Counter, "Bytes of data written to the cache."),
];

impl Collector for Bcache {
    fn name(&self) -> &'static str {
        "bcache"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let root = self.roots.sys("fs/bcache");
        for uuid in files::list_if_present(&root)?.iter().filter(|name| name.contains('-')) {
            self.set(&root.join(uuid), uuid, out)?;
        }
        Ok(())
    }
}

impl Bcache {
    fn set(&self, dir: &Path, uuid: &str, out: &mut Families) -> Outcome {
        fields(SET, dir, &[("uuid", uuid)], out)?;
        let nanoseconds = value(&dir.join("internal/btree_read_average_duration_us"))?;
        let help = "How long reading a node takes on average.";
        out.gauge("node_bcache_btree_read_average_duration_seconds", help, &[("uuid", uuid)], nanoseconds * 1e-9);
        for device in files::numbered(dir, "bdev")? {
            let labels = [("backing_device", &*device), ("uuid", uuid)];
            let dir = dir.join(&device);
            fields(&[("dirty_data", "dirty_data_bytes", Kind::Gauge, "Dirty data in the cache.")], &dir, &labels, out)?;
            writeback(&files::read(dir.join("writeback_rate_debug"))?, &labels, out)?;
            fields(TOTALS, &dir.join("stats_total"), &labels, out)?;
            let read_ahead = value(&dir.join("stats_total/cache_readaheads"))?;
            if read_ahead != 0.0 {
                out.counter("node_bcache_cache_readaheads_total", "Reads ahead of time.", &labels, read_ahead);
            }
        }
        for device in files::numbered(dir, "cache")? {
            if device.starts_with("cache_") {
                continue;
            }
            let labels = [("cache_device", &*device), ("uuid", uuid)];
            let dir = dir.join(&device);
            fields(CACHE, &dir, &labels, out)?;
            if self.priority_stats {
                priorities(&files::read(dir.join("priority_stats"))?, &labels, out)?;
            }
        }
        Ok(())
    }
}

fn fields(fields: &[Field], dir: &Path, labels: &[(&str, &str)], out: &mut Families) -> Outcome {
    for (file, name, kind, help) in fields {
        out.sample(*kind, &format!("node_bcache_{name}"), help, labels, value(&dir.join(file))?);
    }
    Ok(())
}

/// A number, perhaps with a unit; an absent file is 0.
fn value(path: &Path) -> Result<f64, Failure> {
    match files::read_if_present(path)? {
        None => Ok(0.0),
        Some(text) => human(text.trim()).ok_or_else(|| Failure::new(format!("{}: {text:?}", path.display()))),
    }
}

/// What `bch_hprint` writes: after the point stands a number of 1/1024 of the unit, in hundredths.
fn human(text: &str) -> Option<f64> {
    let positive = text.strip_prefix('-');
    let digits = positive.unwrap_or(text);
    let unit = digits.chars().next_back().filter(|letter| !letter.is_ascii_digit());
    let number = match unit {
        None => digits.parse().ok()?,
        Some(letter) => {
            let mantissa = &digits[..digits.len() - letter.len_utf8()];
            let mantissa = match mantissa.split_once('.') {
                None => mantissa.parse().ok()?,
                Some((whole, part)) => whole.parse::<f64>().ok()? + part.parse::<f64>().ok()? / 10.24,
            };
            mantissa * parse::binary_units(&format!("1{letter}"))?
        }
    };
    let number: f64 = f64::trunc(number);
    Some(if positive.is_some() { -number } else { number })
}

fn writeback(text: &str, labels: &[(&str, &str)], out: &mut Families) -> Outcome {
    const LINES: &[(&str, &str, &str)] = &[
        ("target:", "dirty_target_bytes", "How much dirty data is aimed at."),
        ("rate:", "writeback_rate", "Bytes a second that are written back."),
        ("proportional:", "writeback_rate_proportional_term", "What the controller's proportional part gives."),
        ("integral:", "writeback_rate_integral_term", "What the controller's integral part gives."),
        ("change:", "writeback_change", "The last change of the rate."),
    ];
    for (key, name, help) in LINES {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        let last = line.split_whitespace().next_back().unwrap_or("0").trim_end_matches("/sec");
        let value = human(last).ok_or_else(|| Failure::new(format!("writeback_rate_debug: {line:?}")))?;
        out.gauge(&format!("node_bcache_{name}"), help, labels, value);
    }
    Ok(())
}

fn priorities(text: &str, labels: &[(&str, &str)], out: &mut Families) -> Outcome {
    const LINES: &[(&str, &str, &str)] = &[
        ("Unused:", "priority_stats_unused_percent", "Share of the cache without data."),
        ("Metadata:", "priority_stats_metadata_percent", "Share of the cache that is metadata."),
    ];
    for (key, name, help) in LINES {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        let last = line.split_whitespace().next_back().unwrap_or("0").trim_end_matches('%');
        out.gauge(&format!("node_bcache_{name}"), help, labels, parse::number::<u64>(last, "priority_stats")?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_after_the_point_is_of_1024() {
        assert_eq!(human("512"), Some(512.0));
        assert_eq!(human("1.0k"), Some(1024.0));
        assert_eq!(human("-4k"), Some(-4096.0));
        assert_eq!(human("1.1k"), Some(1124.0));
        assert_eq!(human("k"), None);
        assert_eq!(human(""), None);
    }
}
