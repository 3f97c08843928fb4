//! Destinations that come and go, with power cuts in between.
//!
//! `CORTEN_POWER_CUTS=10000` is the long form; `CORTEN_SEED=n` repeats one run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use super::*;

const RUNS: u64 = 100;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// What a destination was promised, and what it has settled that may come back.
#[derive(Default)]
struct Share {
    owed: BTreeMap<u64, u64>,
    for_good: BTreeSet<u64>,
    settled: BTreeSet<u64>,
}

fn waiting_for(core: &mut Core, place: usize) -> BTreeMap<u64, u64> {
    let (mut found, mut from) = (BTreeMap::new(), 0);
    loop {
        let read = core.read(Some(place), 0, from, 5000);
        found.extend(read.records.iter().map(|(seq, record)| (id(record), *seq)));
        from = read.next;
        if read.at_end {
            return found;
        }
    }
}

fn assign(core: &mut Core, names: &[&str]) -> Vec<usize> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    core.assign(&names).unwrap()
}

fn some(rng: &mut fastrand::Rng) -> Vec<&'static str> {
    let mut names: Vec<_> = NAMES.into_iter().filter(|_| rng.bool()).collect();
    if names.is_empty() {
        names.push(NAMES[rng.usize(..3)]);
    }
    names
}

fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut sim = Sim::default();
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    let mut issued = 0;
    for life in 0..rng.usize(2..6) {
        let (mut core, _, _) = open_all(&sim, Options { max_bytes: Some(2 << 20), ..options() });
        let (mut names, mut places) = (Vec::new(), Vec::new());
        for step in 0..rng.usize(1..40) {
            let after = format!("seed {seed}, life {life}, step {step}");
            if step == 0 || rng.u8(..15) == 0 {
                sim.faults(|faults| *faults = Default::default());
                names = some(&mut rng);
                places = assign(&mut core, &names);
                shares.retain(|name, _| names.contains(name));
                for (name, place) in names.iter().zip(&places) {
                    let found = waiting_for(&mut core, *place);
                    let is_new = !shares.contains_key(name);
                    let share = shares.entry(name).or_default();
                    assert!(!is_new || found.is_empty(), "{after}: {name} is new and gets {found:?}");
                    for (id, seq) in &share.owed {
                        assert_eq!(found.get(id), Some(seq), "{after}: {id} was acknowledged and is gone for {name}");
                    }
                    for id in found.keys() {
                        assert!(!share.for_good.contains(id), "{after}: {id} was settled for good by {name}");
                    }
                    share.settled.retain(|id| !found.contains_key(id));
                    share.owed = found;
                }
            }
            match rng.u8(..10) {
                0..4 => {
                    let records: Vec<Record> =
                        (0..rng.u64(1..6)).map(|place| record(issued + place, 0, rng.usize(..3000))).collect();
                    let results = core.append(&records).results;
                    for (place, result) in results.into_iter().enumerate() {
                        if let Ok(seq) = result {
                            shares.values_mut().for_each(|share| {
                                share.owed.insert(issued + place as u64, seq);
                            });
                        }
                    }
                    issued += records.len() as u64;
                }
                4..8 => {
                    let which = rng.usize(..names.len());
                    let Some(share) = shares.get_mut(names[which]) else { continue };
                    let picked: Vec<_> =
                        share.owed.iter().map(|(id, seq)| (*id, *seq)).filter(|_| rng.bool()).collect();
                    for (id, seq) in picked {
                        core.settle(places[which], 0, one(seq));
                        share.owed.remove(&id);
                        share.settled.insert(id);
                    }
                    core.write_cursors();
                }
                8 => {
                    core.sync_cursors();
                    if !core.cursors_unsynced() {
                        shares.values_mut().for_each(|share| share.for_good.append(&mut share.settled));
                    }
                }
                _ => sim.faults(|faults| match rng.u8(..4) {
                    0 => faults.write = Some((rng.u32(..4), ErrorKind::StorageFull)),
                    1 => faults.sync = Some(rng.u32(..4)),
                    _ => {}
                }),
            }
        }
        drop(core);
        sim = if rng.u8(..4) == 0 { sim.killed() } else { sim.power_cut(&mut rng) };
    }
}

#[test]
fn each_destination_gets_its_share_whatever_happens() {
    each_seed(RUNS, run);
}

#[test]
fn the_share_of_one_that_is_gone_holds_no_segment() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    let places = assign(&mut core, &["a", "b"]);
    let records: Vec<Record> = (0..60).map(|id| record(id, 0, 3000)).collect();
    let seqs = append(&mut core, &records);
    let last = *seqs.last().unwrap();
    core.settle(places[0], 0, 0..last);
    core.write_cursors();
    let before = core.used();
    assert_eq!(assign(&mut core, &["a"]), [places[0]]);
    assert!(core.used() < before / 2, "{} of {before}", core.used());
    assert!(core.waiting(0, last).eq([places[0]]));
    drop(core);
    let (mut core, _) = open(&sim.killed(), options());
    let places = assign(&mut core, &["a", "b"]);
    assert_eq!((waiting_for(&mut core, places[0]).len(), waiting_for(&mut core, places[1]).len()), (1, 0));
}
