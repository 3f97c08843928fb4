//! Upgrades and downgrades.

use super::*;
use crate::log::disk::Disk;
use crate::log::format::{Found, SECTOR, SegmentHeader, segment_name};
use crate::log::report::OpenError;
use crate::log::{Options, VERSION};

fn rewritten(sim: &Sim, version: u16, reader: u16) -> Sim {
    let sim = sim.fork();
    let name = segment_name(1);
    let mut content = sim.content(&name);
    let Found::Header(header) = SegmentHeader::parse(&content) else { panic!("a header") };
    let header = SegmentHeader { version, reader, ..*header };
    content[..SECTOR].copy_from_slice(&header.encode());
    sim.set(&name, content);
    sim
}

#[test]
fn a_newer_format_is_read_if_it_says_so_and_else_left_alone() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    append(&mut core, &[record(0, 0, 10)]);
    drop(core);
    let (mut core, report) = open(&rewritten(&sim, VERSION + 1, VERSION), options());
    assert!(report.is_whole());
    assert_eq!(ids(&mut core, 0), [0]);
    let newer = rewritten(&sim, VERSION + 2, VERSION + 1);
    let before = newer.content(&segment_name(1));
    let error = Core::open(Arc::new(newer.clone()), options(), &["queue"]).err().expect("refused");
    let text = error.to_string();
    assert!(matches!(error, OpenError::Newer { version, .. } if version == VERSION + 2));
    assert!(text.contains("sim/0000000000000001.seg") && text.contains("format 3"), "{text}");
    assert_eq!(newer.content(&segment_name(1)), before, "kept as it is");
    assert!(newer.list().unwrap().iter().all(|name| name.ends_with(".seg")));
}

/// What version 1 wrote, byte for byte: a change of the format that forgets its number fails here.
#[test]
fn version_1_stays_readable() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, Options { max_bytes: Some(64 << 10), ..options() });
    append(&mut core, &[record(0, 0, 10), record(1, 2, 20)]);
    drop(core);
    let content = sim.content(&segment_name(1));
    let text = |range: std::ops::Range<usize>| content[range].to_vec();
    assert_eq!(text(0..12), *b"CRTNLOG\n\x01\0\x01\0");
    assert_eq!(text(512..520), *b"\xc0Rec\x01\0\x01\0");
    assert_eq!(text(640..648), *b"\xc0Rec\x01\x02\0\0");
    assert_eq!(text(704..710), *b"meta 1");
}
