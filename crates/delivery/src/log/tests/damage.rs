//! Every byte of the head and tail of a log, damaged one by one.
//!
//! With `CORTEN_COUNT` set, every bit of them, and every cut.

use super::*;
use crate::log::disk::Disk;
use crate::log::format::{DATA_START, SECTOR, segment_name};

fn is_long() -> bool {
    std::env::var_os("CORTEN_COUNT").is_some()
}

/// Two segments of records, one write each; the first is complete.
fn log() -> (Sim, u64) {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    let mut count = 0;
    while sim.list().unwrap().iter().filter(|name| name.ends_with(".seg")).count() < 2 || count % 12 != 0 {
        append(&mut core, &[record(count, 0, 700)]);
        count += 1;
    }
    core.settle(0, 0, one(2));
    core.sync_cursors();
    (sim, count)
}

/// Opens a damaged log: nothing but the damage may be missing, and what is missing is said.
fn check(sim: &Sim, count: u64, what: &str, may_miss: u64) -> Report {
    let (mut core, report) = open(sim, options());
    let found = ids(&mut core, 0);
    let missing = (0..count).filter(|id| *id != 2 && found.binary_search(id).is_err()).count() as u64;
    let doubled = u64::from(found.contains(&2));
    assert!(missing <= may_miss, "{what}: {missing} records are missing: {report}");
    // A last segment that ends in good order says nothing of what was behind.
    let said = !report.is_whole() || report.torn_bytes > 0 || what.starts_with("0000000000000002.seg cut");
    assert!(missing == 0 || said, "{what}: nothing was said of {missing}");
    assert!(doubled == 0 || !report.lost_cursors.is_empty(), "{what}: settled and back");
    // It works on.
    append(&mut core, &[record(count, 0, 100)]);
    assert_eq!(ids(&mut core, 0).last(), Some(&count), "{what}");
    report
}

#[test]
fn any_flipped_byte_costs_one_record_at_most() {
    let (sim, count) = log();
    check(&sim.fork(), count, "undamaged", 0);
    for segment in [1, 2] {
        let name = segment_name(segment);
        let content = sim.content(&name);
        let end = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let head = 0..2 * SECTOR + 512;
        let tail = end - 2 * SECTOR..end;
        for at in head.chain(tail) {
            for bit in (0..8).filter(|bit| is_long() || *bit == at % 8) {
                let damaged = sim.fork();
                let mut content = content.clone();
                content[at] ^= 1 << bit;
                damaged.set(&name, content);
                let what = format!("bit {bit} of byte {at} of {name}");
                check(&damaged, count, &what, u64::from(at as u64 >= DATA_START));
            }
        }
    }
}

#[test]
fn any_cut_costs_what_was_behind_it() {
    let (sim, count) = log();
    for segment in [1, 2] {
        let name = segment_name(segment);
        let content = sim.content(&name);
        let end = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in (0..1500).chain(end - 1500..end).step_by(if is_long() { 1 } else { 3 }) {
            let damaged = sim.fork();
            damaged.set(&name, content[..at].to_vec());
            let behind = (end - at).div_ceil(1024) as u64 + 1;
            check(&damaged, count, &format!("{name} cut at {at}"), behind);
        }
    }
}

#[test]
fn a_bad_block_costs_what_is_in_it() {
    let (sim, count) = log();
    let name = segment_name(1);
    for (start, len) in [(512, 512), (4096, 4096), (20_000, 10_000), (0, 512)] {
        let damaged = sim.fork();
        let mut content = damaged.content(&name);
        content[start..start + len].fill(0);
        damaged.set(&name, content.clone());
        let report = check(&damaged, count, &format!("{len} zeros at {start}"), len as u64 / 1024 + 2);
        if start > 0 {
            assert!(report.damaged_records > 0, "exactly known from the numbers: {report:?}");
        }
        fastrand::Rng::with_seed(1).fill(&mut content[start..start + len]);
        damaged.set(&name, content);
        check(&damaged, count + 1, &format!("{len} bytes of noise at {start}"), len as u64 / 1024 + 2);
        let unreadable = sim.fork();
        unreadable.faults(|faults| faults.unreadable = Some(start as u64..(start + len) as u64));
        let (mut core, _) = open(&unreadable, options());
        assert!(ids(&mut core, 0).len() as u64 + 2 * (len as u64 / 1024 + 10) > count, "what can be read is");
    }
}

#[test]
fn a_lost_position_repeats_everything_and_says_so() {
    let (sim, count) = log();
    for at in 0..48 << 10 {
        let content = sim.content("cursor-queue");
        if content[at] == 0 {
            continue;
        }
        let damaged = sim.fork();
        let mut content = content;
        content[at] ^= 0x10;
        damaged.set("cursor-queue", content);
        check(&damaged, count, &format!("byte {at} of the cursor"), 0);
    }
    let damaged = sim.fork();
    damaged.set("cursor-queue", vec![7; 48 << 10]);
    let report = check(&damaged, count, "a cursor of noise", 0);
    assert_eq!(report.lost_cursors, ["queue"]);
}

#[test]
fn a_record_inside_of_a_record_is_none() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    append(&mut core, &[record(0, 0, 300)]);
    // Whoever can see the log's bytes sends them as telemetry; then the record around them is damaged.
    let seen = sim.content(&segment_name(1));
    let mut inner = vec![0; 51];
    inner.extend_from_slice(&seen[512..1024]);
    let outer = Record { payload: vec![inner.into()], ..record(1, 0, 0) };
    append(&mut core, &[outer, record(2, 0, 100)]);
    let mut content = sim.content(&segment_name(1));
    let place = content.windows(6).rposition(|window| window == b"meta 1").unwrap();
    content[place] ^= 1;
    content[place - 64 + 60] ^= 1;
    sim.set(&segment_name(1), content);
    let (mut core, report) = open(&sim, options());
    assert_eq!(ids(&mut core, 0), [0, 2]);
    assert_eq!(report.torn_records + report.damaged_records, 1, "{report:?}");
}
