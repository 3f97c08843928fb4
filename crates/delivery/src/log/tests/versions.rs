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

/// A segment of version 1 as the format's page describes it, made without the code that writes it.
fn by_the_book(id: u64, payload: &[u8]) -> Vec<u8> {
    const SALT: u64 = 0x1122_3344_5566_7788;
    let put = |bytes: &mut Vec<u8>, at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    let mut segment = vec![0; 512];
    put(&mut segment, 0, b"CRTNLOG\n");
    put(&mut segment, 8, &[1, 0, 1, 0]);
    put(&mut segment, 16, &id.to_le_bytes());
    put(&mut segment, 24, &SALT.to_le_bytes());
    let crc = crc32c::crc32c(&segment[..508]);
    put(&mut segment, 508, &crc.to_le_bytes());
    let mut header = vec![0; 64];
    put(&mut header, 0, b"\xc0Rec");
    put(&mut header, 4, &[1, 2, 1, 0]);
    put(&mut header, 16, &9u64.to_le_bytes());
    put(&mut header, 24, &SALT.to_le_bytes());
    put(&mut header, 32, &id.to_le_bytes());
    put(&mut header, 40, &3u32.to_le_bytes());
    put(&mut header, 44, &4u32.to_le_bytes());
    put(&mut header, 48, &(payload.len() as u32).to_le_bytes());
    put(&mut header, 52, &crc32c::crc32c(&[b"meta", payload].concat()).to_le_bytes());
    put(&mut header, 56, &(512u32 / 64).to_le_bytes());
    let crc = crc32c::crc32c(&header[..60]);
    put(&mut header, 60, &crc.to_le_bytes());
    [segment, header, b"meta".to_vec(), payload.to_vec()].concat()
}

#[test]
fn what_version_1_left_is_read() {
    let sim = Sim::default();
    sim.create(&segment_name(7), 0).unwrap();
    sim.set(&segment_name(7), by_the_book(7, b"what was said"));
    let (mut core, report) = open(&sim, options());
    assert!(report.is_whole(), "{report:?}");
    let read = core.read(Some(0), 2, 0, 1000);
    let (seq, found) = &read.records[0];
    assert_eq!((*seq, found.kind, found.items, found.time), (0, 2, 3, 9));
    assert_eq!((&found.meta[..], &found.payload[0][..]), (&b"meta"[..], &b"what was said"[..]));
    // And what is written behind it by this version.
    append(&mut core, &[record(1, 2, 10)]);
    drop(core);
    let (mut core, report) = open(&sim, options());
    assert!(report.is_whole() && core.read(Some(0), 2, 0, 1000).records.len() == 2, "{report:?}");
}

#[test]
fn a_newer_cursor_is_left_alone_too() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    append(&mut core, &[record(0, 0, 10), record(1, 0, 10)]);
    core.settle(0, 0, one(0));
    core.sync_cursors();
    drop(core);
    let mut slot = sim.content("cursor-queue");
    let ends = 24 + u32::from_le_bytes(slot[12..16].try_into().unwrap()) as usize;
    slot[8..12].copy_from_slice(&[9, 0, 9, 0]);
    let crc = crc32c::crc32c(&slot[..ends]);
    slot[ends..ends + 4].copy_from_slice(&crc.to_le_bytes());
    sim.set("cursor-queue", slot.clone());
    let before = sim.content(&segment_name(1));
    let error = Core::open(Arc::new(sim.clone()), options(), &["queue"]).err().expect("refused");
    let text = error.to_string();
    assert!(text.contains("cursor-queue") && text.contains("format 9"), "{text}");
    assert_eq!((sim.content("cursor-queue"), sim.content(&segment_name(1))), (slot, before), "kept as they are");
}
