//! Full and broken disks, and logs at their greatest size.

use std::io::ErrorKind;

use super::*;
use crate::log::disk::Disk;
use crate::log::report::AppendError;

#[test]
fn a_full_disk_refuses_and_works_again_once_there_is_room() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    let mut count = 0;
    sim.faults(|faults| faults.capacity = Some(150 << 10));
    let error = loop {
        match core.append(&[record(count, 0, 3000)]).results.remove(0) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Disk { full: true, .. }), "{error}");
    assert_eq!(core.append(&[record(9000, 0, 10), record(9001, 0, 10)]).results.len(), 2);
    sim.faults(|faults| faults.capacity = None);
    append(&mut core, &[record(count, 0, 3000)]);
    let expected: Vec<u64> = (0..=count).collect();
    assert_eq!(ids(&mut core, 0), expected);
    let (mut core, report) = open(&sim, options());
    assert!(report.is_whole() && report.torn_bytes == 0, "{report:?}");
    assert_eq!(ids(&mut core, 0), expected);
}

#[test]
fn between_attempts_a_broken_disk_is_left_alone() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, Options { retry_after: Duration::from_secs(3600), ..options() });
    sim.faults(|faults| faults.write = Some((0, ErrorKind::StorageFull)));
    assert!(core.append(&[record(0, 0, 10)]).results[0].is_err());
    assert!(core.append(&[record(1, 0, 10)]).results[0].is_err(), "although it would work by now");
    core.options_mut().retry_after = Duration::ZERO;
    assert!(core.append(&[record(2, 0, 10)]).results[0].is_ok());
    assert_eq!(ids(&mut core, 0), [2]);
}

#[test]
fn what_a_failed_sync_left_behind_is_not_replayed() {
    for fault in 0..2 {
        let sim = Sim::default();
        let (mut core, _) = open(&sim, options());
        append(&mut core, &[record(0, 0, 10)]);
        sim.faults(|faults| match fault {
            0 => faults.sync = Some(0),
            _ => faults.write = Some((0, ErrorKind::Other)),
        });
        let failed = core.append(&[record(1, 0, 10), record(2, 1, 10)]).results;
        assert!(failed.iter().all(|result| matches!(result, Err(AppendError::Disk { full: false, .. }))));
        append(&mut core, &[record(3, 0, 10), record(4, 1, 10)]);
        assert_eq!((ids(&mut core, 0), ids(&mut core, 1)), (vec![0, 3], vec![4]));
        let (mut core, report) = open(&sim.killed(), options());
        assert!(report.is_whole(), "{report:?}");
        assert_eq!((ids(&mut core, 0), ids(&mut core, 1)), (vec![0, 3], vec![4]));
    }
}

#[test]
fn one_write_and_one_sync_for_all() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    append(&mut core, &[record(0, 0, 10)]);
    let before = sim.syncs();
    append(&mut core, &(1..20).map(|id| record(id, (id % 3) as u8, 100)).collect::<Vec<_>>());
    assert_eq!(sim.syncs(), before + 1);
    let (mut core, _) = open(&Sim::default(), Options { fsync: false, ..options() });
    append(&mut core, &[record(0, 0, 10)]);
}

#[test]
fn segments_go_when_nobody_needs_them() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    let mut settled = Vec::new();
    for id in 0..600 {
        let seq = append(&mut core, &[record(id, 0, 1500)])[0];
        settled.push(seq);
        if settled.len() > 20 {
            core.settle(0, 0, one(settled.remove(0)));
            core.write_cursors();
        }
    }
    let files = sim.list().unwrap();
    assert!(files.len() <= 5, "{files:?}");
    assert!(core.used() <= 3 * (64 << 10));
    settled.into_iter().for_each(|seq| core.settle(0, 0, one(seq)));
    core.sync_cursors();
    let (mut core, report) = open(&sim, options());
    assert_eq!((report.segments, core.used()), (1, 0), "nothing is kept of a log that is empty");
    assert_eq!(append(&mut core, &[record(600, 0, 1)]), [600], "numbers are never used again");
}

#[test]
fn at_its_greatest_size_the_oldest_goes_or_the_newest_is_refused() {
    let (mut core, _) = open(&Sim::default(), options());
    let results: Vec<_> = (0..500).map(|id| core.append(&[record(id, 0, 2000)]).results.remove(0)).collect();
    let kept = results.iter().filter(|result| result.is_ok()).count();
    assert!(results[kept..].iter().all(|result| *result == Err(AppendError::Full)));
    assert!(core.used() <= 512 << 10 && kept > 150, "{} {kept}", core.used());
    let (mut core, _) = open(&Sim::default(), dropping());
    let mut evicted = Vec::new();
    for id in 0..500 {
        let appended = core.append(&[record(id, 0, 2000)]);
        assert_eq!(appended.results, [Ok(id)]);
        evicted.extend(appended.evicted.iter().map(|evicted| (evicted.seq, evicted.items)));
    }
    assert!(core.used() <= 512 << 10);
    let left = ids(&mut core, 0);
    let gone: Vec<_> = (0..left[0]).map(|id| (id, record(id, 0, 0).items)).collect();
    assert_eq!(evicted, gone, "each once, with its items");
    assert_eq!(left, (left[0]..500).collect::<Vec<_>>());
    let huge = core.append(&[record(500, 0, 600 << 10), record(501, 0, 10)]).results;
    assert_eq!(huge[0], Err(AppendError::TooLarge));
    assert!(huge[1].is_ok(), "one that can never fit does not stand in the way");
}

#[test]
fn two_destinations_share_the_log_and_not_the_position() {
    let sim = Sim::default();
    let open = |sim: &Sim| Core::open(Arc::new(sim.clone()), options(), &["a", "b"]).unwrap();
    let (mut core, ..) = open(&sim);
    for id in 0..200 {
        append(&mut core, &[record(id, 0, 1500)]);
        core.settle(0, 0, one(id));
    }
    core.settle(1, 0, one(0));
    core.write_cursors();
    assert!(core.used() > 200 * 1500, "b still wants them");
    let (mut core, _, backlogs) = open(&sim.killed());
    assert_eq!((backlogs[0][0].records, backlogs[1][0].records), (0, 199));
    assert!(core.read(Some(0), 0, 0, usize::MAX).records.is_empty());
    assert_eq!(core.read(Some(1), 0, 0, usize::MAX).records.len(), 199);
    (0..200).for_each(|id| core.settle(1, 0, one(id)));
    core.write_cursors();
    assert_eq!(core.used(), 0);
}

#[test]
fn records_larger_than_a_segment_get_one_of_their_own() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    append(&mut core, &[record(0, 0, 10), record(1, 0, 200 << 10), record(2, 0, 10)]);
    assert_eq!(ids(&mut core, 0), [0, 1, 2]);
    assert_eq!(ids(&mut open(&sim.killed(), options()).0, 0), [0, 1, 2]);
}

#[test]
fn no_file_descriptors_are_no_damage() {
    let sim = Sim::default();
    let (mut core, _) = open(&sim, options());
    for id in 0..100 {
        append(&mut core, &[record(id, 0, 1500)]);
    }
    sim.faults(|faults| faults.open = true);
    let read = core.read(Some(0), 0, 0, usize::MAX);
    assert!(read.failed && !read.at_end && read.records.is_empty() && read.next == 0);
    assert!(core.backlogs().is_err());
    sim.faults(|faults| faults.open = false);
    assert_eq!(ids(&mut core, 0).len(), 100);
    assert_eq!(core.backlogs().unwrap()[0][0].records, 100);
}
