//! `mdadm`: arrays of disks made by the kernel.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

const STATES: [(&str, &str); 5] = [
    ("active", "active"),
    ("inactive", "inactive"),
    ("recovering", "recovering"),
    ("resync", "resyncing"),
    ("check", "checking"),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for array in parse(&files::read(roots.proc("mdstat"))?)? {
        let device = ("device", &*array.name);
        for (label, state) in STATES {
            let help = "The state of an array: 1 for the one that holds.";
            out.gauge("node_md_state", help, &[device, ("state", label)], array.state == state);
        }
        for (state, count) in [("active", array.active), ("failed", array.failed), ("spare", array.spare)] {
            out.gauge("node_md_disks", "Disks of an array by state.", &[device, ("state", state)], count);
        }
        out.gauge("node_md_disks_required", "Disks that an array should have.", &[device], array.total);
        out.gauge("node_md_blocks", "Blocks of an array.", &[device], array.blocks);
        out.gauge("node_md_blocks_synced", "Blocks of an array that are in step.", &[device], array.synced);
    }
    let block = roots.sys("block");
    for name in files::list_if_present(&block)?.iter().filter(|name| name.starts_with("md")) {
        let dir = block.join(name).join("md");
        if dir.is_dir() {
            of_sysfs(&dir, name, out)?;
        }
    }
    Ok(())
}

fn of_sysfs(dir: &Path, name: &str, out: &mut Families) -> Outcome {
    let labels = [("device", name)];
    let level = files::attribute(dir.join("level"))?;
    if !matches!(&*level, "container" | "imsm" | "ddf" | "") {
        // While it grows: "11 (10)".
        let disks = files::attribute(dir.join("raid_disks"))?;
        if let Some(count) = disks.split(' ').next().and_then(|count| count.parse::<u64>().ok()) {
            out.gauge("node_md_raid_disks", "Disks that an array is made of.", &labels, count);
        }
    }
    let degraded: u64 = match &*level {
        "raid1" | "raid4" | "raid5" | "raid6" | "raid10" => files::number(dir.join("degraded"))?,
        _ => 0,
    };
    out.gauge("node_md_degraded", "Disks that an array lacks.", &labels, degraded);
    Ok(())
}

#[derive(Debug, PartialEq)]
pub(super) struct Array {
    name: String,
    state: String,
    active: i64,
    failed: i64,
    spare: i64,
    total: i64,
    blocks: i64,
    synced: i64,
}

pub(super) fn parse(text: &str) -> Result<Vec<Array>, Failure> {
    let lines: Vec<_> = text.split('\n').collect();
    let mut arrays = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.trim().is_empty()
            || line.starts_with([' ', '\t'])
            || line.starts_with("unused")
            || line.starts_with("Personalities")
        {
            continue;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let ([name, _, state, ..], Some([status, second, third, ..])) = (&*words, lines.get(at + 1..)) else {
            return Err(Failure::new(format!("mdstat: {line:?} has not the form of an array")));
        };
        let (active, total, blocks) = status_line(line, status)?;
        let progress = if second.contains("bitmap") { third } else { second };
        let mut array = Array {
            name: (*name).to_owned(),
            state: (*state).to_owned(),
            active,
            failed: count(line, "(F)"),
            spare: count(line, "(S)"),
            total,
            blocks,
            synced: blocks,
        };
        let states =
            [("recovery", "recovering"), ("reshape", "reshaping"), ("check", "checking"), ("resync", "resyncing")];
        if let Some((_, state)) = states.iter().find(|(word, _)| progress.contains(word)) {
            (*state).clone_into(&mut array.state);
            array.synced = match progress.contains("PENDING") || progress.contains("DELAYED") {
                true => 0,
                false => synced(progress)?,
            };
        }
        arrays.push(array);
    }
    Ok(arrays)
}

fn count(line: &str, what: &str) -> i64 {
    i64::try_from(line.matches(what).count()).unwrap_or(i64::MAX)
}

/// Active disks, disks that should be, blocks: `523968 blocks super 1.2 [4/4] [UUUU]`.
fn status_line(device: &str, status: &str) -> Result<(i64, i64, i64), Failure> {
    static DISKS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"([0-9]+) blocks .*\[([0-9]+)/([0-9]+)\] \[([U_]+)\]").ok());
    let blocks = parse::number(status.split_whitespace().next().unwrap_or_default(), "mdstat")?;
    if device.contains("raid0") || device.contains("linear") {
        let disks = count(device, "[");
        return Ok((disks, disks, blocks));
    }
    if device.contains("inactive") {
        return Ok((0, 0, blocks));
    }
    let found = DISKS.as_ref().and_then(|pattern| pattern.captures(status));
    let found = found.ok_or_else(|| Failure::new(format!("mdstat: {status:?} does not say its disks")))?;
    Ok((parse::number(&found[3], "mdstat")?, parse::number(&found[2], "mdstat")?, blocks))
}

/// `[==>..] recovery = 8.5% (16775552/195310144) finish=17.0min speed=259783K/sec`.
fn synced(line: &str) -> Result<i64, Failure> {
    let inner = line.split_once('(').and_then(|(_, rest)| rest.split_once('/'));
    let (done, _) = inner.ok_or_else(|| Failure::new(format!("mdstat: {line:?} does not say how far it is")))?;
    parse::number(done, "mdstat")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pending_resync_has_nothing_in_step() {
        let text = "Personalities : [raid1]\nmd0 : active raid1 sdb1[1] sda1[0](F)\n      100 blocks [2/1] [_U]\n      \
            \tresync=PENDING\n\nunused devices: <none>\n";
        let arrays = parse(text).unwrap();
        assert_eq!((arrays.len(), &*arrays[0].state), (1, "resyncing"));
        assert_eq!((arrays[0].active, arrays[0].total, arrays[0].failed, arrays[0].synced), (1, 2, 1, 0));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(md0 : |active|raid1|sda1\\[0\\]|blocks|\\[2/2\\] \\[UU\\]|resync|[0-9]|\n|.){0,60}") {
            let _ = parse(&text);
        }
    }
}
