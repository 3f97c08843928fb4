//! What the log promises.

mod assign;
mod damage;
mod disk;
mod group;
mod power;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::core::{Core, Opened};
use super::options::{Options, WhenFull};
use super::sim::Sim;
use super::{Record, Report};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a simulation with each seed: as many as `CORTEN_POWER_CUTS` says, or only `CORTEN_SEED`, which a failure names.
pub(super) fn each_seed(usual: u64, run: fn(u64)) {
    let seeds = match number("CORTEN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CORTEN_POWER_CUTS").unwrap_or(usual),
    };
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "CORTEN_SEED={seed} repeats it");
    }
}

/// Small segments.
pub(super) fn options() -> Options {
    Options { max_bytes: Some(512 << 10), retry_after: Duration::ZERO, ..Options::default() }
}

pub(super) fn dropping() -> Options {
    Options { when_full: WhenFull::DropOldest, ..options() }
}

/// A record that can be told from all others, with a payload that follows from its number.
pub(super) fn record(id: u64, kind: u8, len: usize) -> Record {
    let mut payload = id.to_le_bytes().to_vec();
    let mut rng = fastrand::Rng::with_seed(id);
    payload.extend((0..len).map(|_| rng.u8(..)));
    let meta = Bytes::from(format!("meta {id}"));
    Record { kind, items: 1 + id as u32 % 5, time: id, meta, payload: vec![payload.into()] }
}

/// The number of a record, once it is seen to be what was made under that number.
pub(super) fn id(found: &Record) -> u64 {
    let payload = &found.payload[0];
    let id = u64::from_le_bytes(payload[..8].try_into().unwrap());
    assert_eq!(*found, record(id, found.kind, payload.len() - 8), "a foreign record");
    id
}

pub(super) fn open(sim: &Sim, options: Options) -> (Core, Report) {
    let (core, report, _) = open_all(sim, options);
    (core, report)
}

pub(super) fn open_all(sim: &Sim, options: Options) -> Opened {
    Core::open(Arc::new(sim.clone()), options, &["queue"]).unwrap()
}

/// Everything that waits of a kind: sequence numbers and ids.
pub(super) fn waiting(core: &mut Core, kind: u8) -> Vec<(u64, u64)> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let read = core.read(Some(0), kind, from, 5000);
        found.extend(read.records.iter().map(|(seq, record)| (*seq, id(record))));
        from = read.next;
        if read.at_end {
            break;
        }
    }
    assert!(found.is_sorted_by(|a, b| a.0 < b.0), "in order: {found:?}");
    found
}

pub(super) fn ids(core: &mut Core, kind: u8) -> Vec<u64> {
    waiting(core, kind).into_iter().map(|(_, id)| id).collect()
}

pub(super) fn append(core: &mut Core, records: &[Record]) -> Vec<u64> {
    core.append(records).results.into_iter().map(|result| result.unwrap()).collect()
}

pub(super) fn one(seq: u64) -> std::ops::Range<u64> {
    seq..seq + 1
}
