//! Power cuts and kills at any moment, with writes and syncs that fail in between.
//!
//! `CORTEN_POWER_CUTS=10000` is the long form; `CORTEN_SEED=n` repeats one run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use super::*;

const RUNS: u64 = 300;
const KINDS: u8 = 3;

#[derive(Default)]
struct Oracle {
    issued: u64,
    /// Promised and not settled: id to kind and sequence number.
    owed: BTreeMap<u64, (u8, u64)>,
    /// Settled, and so much of it for good.
    settled: BTreeSet<u64>,
    for_good: BTreeSet<u64>,
}

impl Oracle {
    /// Compares with what is there, and takes what is there as owed from now on.
    fn check(&mut self, core: &mut Core, after: &str) {
        let mut found = BTreeMap::new();
        for kind in 0..KINDS {
            let waiting = waiting(core, kind);
            assert!(waiting.is_sorted_by(|a, b| a.1 < b.1), "{after}: out of order: {waiting:?}");
            found.extend(waiting.into_iter().map(|(seq, id)| (id, (kind, seq))));
        }
        for (id, place) in &self.owed {
            assert_eq!(found.get(id), Some(place), "{after}: record {id} was acknowledged and is gone");
        }
        for id in found.keys() {
            assert!(*id < self.issued, "{after}: record {id} was never made");
            assert!(!self.for_good.contains(id), "{after}: record {id} was settled for good and is back");
        }
        self.settled.retain(|id| !found.contains_key(id));
        self.owed = found;
    }
}

fn live(rng: &mut fastrand::Rng, core: &mut Core, sim: &Sim, oracle: &mut Oracle) {
    for _ in 0..rng.usize(1..40) {
        match rng.u8(..12) {
            0..5 => {
                let records: Vec<Record> = (0..rng.u64(1..6))
                    .map(|place| {
                        let len = if rng.u8(..30) == 0 { 40_000 } else { 1500 };
                        record(oracle.issued + place, rng.u8(..KINDS), rng.usize(..len))
                    })
                    .collect();
                let appended = core.append(&records);
                for evicted in appended.evicted {
                    oracle.owed.retain(|_, place| *place != (evicted.kind, evicted.seq));
                }
                for (place, (record, result)) in records.iter().zip(appended.results).enumerate() {
                    if let Ok(seq) = result {
                        oracle.owed.insert(oracle.issued + place as u64, (record.kind, seq));
                    }
                }
                oracle.issued += records.len() as u64;
            }
            5..9 => {
                for _ in 0..rng.usize(1..5) {
                    // Mostly in order.
                    let reach = if rng.bool() { 1 } else { oracle.owed.len() };
                    let Some((id, (kind, seq))) = oracle.owed.iter().nth(rng.usize(..reach.max(1))) else { break };
                    let id = *id;
                    core.settle(0, *kind, one(*seq));
                    oracle.owed.remove(&id);
                    oracle.settled.insert(id);
                }
                core.write_cursors();
            }
            9 => {
                core.sync_cursors();
                if !core.cursors_unsynced() {
                    oracle.for_good.append(&mut oracle.settled);
                }
            }
            10 => {
                for kind in 0..KINDS {
                    let waiting = waiting(core, kind);
                    let owed = oracle.owed.values().filter(|(other, _)| *other == kind);
                    assert!(owed.map(|(_, seq)| *seq).eq(waiting.iter().map(|(seq, _)| *seq)));
                }
            }
            _ => sim.faults(|faults| match rng.u8(..8) {
                0 => faults.write = Some((rng.u32(..4), ErrorKind::StorageFull)),
                1 => faults.sync = Some(rng.u32(..4)),
                2 => faults.capacity = Some(rng.u64(..400_000)),
                _ => faults.capacity = None,
            }),
        }
    }
}

fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut sim = Sim::default();
    let mut oracle = Oracle::default();
    for life in 0..rng.usize(2..6) {
        let options = if rng.bool() { options() } else { dropping() };
        let after = format!("seed {seed}, life {life}");
        let (mut core, report, backlogs) = open_all(&sim, options);
        assert!(report.damage.is_empty() && report.damaged_records == 0, "{after}: {report:?}");
        oracle.check(&mut core, &after);
        let records: u64 = backlogs[0].iter().map(|backlog| backlog.records).sum();
        assert_eq!(records, oracle.owed.len() as u64, "{after}");
        live(&mut rng, &mut core, &sim, &mut oracle);
        drop(core);
        sim = if rng.u8(..4) == 0 {
            // Nothing that was written to a cursor file comes again.
            sim.killed()
        } else {
            sim.power_cut(&mut rng)
        };
    }
}

#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    each_seed(RUNS, run);
}

#[test]
fn a_kill_forgets_nothing_that_was_settled() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    let records: Vec<Record> = (0..50).map(|id| record(id, 0, 500)).collect();
    let seqs = append(&mut core, &records);
    for seq in seqs.iter().filter(|seq| *seq % 3 != 0) {
        core.settle(0, 0, one(*seq));
        core.write_cursors();
    }
    let (mut core, report) = open(&sim.killed(), options());
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(ids(&mut core, 0), (0..50).filter(|id| id % 3 == 0).collect::<Vec<_>>());
}
