//! The thread: many callers, one sync.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::log::disk::Disk;
use crate::log::{AppendError, Log, OpenError, export, inspect, logs_in, verify};

async fn on(sim: &Sim, options: Options) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    Log::open_on(move || Ok(disk), options, &["queue"]).await.unwrap()
}

#[tokio::test]
async fn whoever_comes_during_a_sync_shares_the_next() {
    let sim = Sim::default();
    let log = Arc::new(on(&sim, Options { max_bytes: None, ..options() }).await);
    let answers: Vec<_> = (0..500u64)
        .map(|id| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append(record(id, (id % 4) as u8, 100)).await.result.unwrap() })
        })
        .collect();
    let mut seqs = Vec::new();
    for answer in answers {
        seqs.push(answer.await.unwrap());
    }
    assert_eq!(log.groups(), u64::from(sim.syncs()), "one sync a group");
    let mut found = Vec::new();
    for kind in 0..4 {
        let chunk = log.read(0, kind, 0, usize::MAX).await;
        assert!(chunk.at_end);
        found.extend(chunk.records.iter().map(|(_, record)| id(record)));
    }
    found.sort_unstable();
    assert_eq!(found, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_calls_and_before_later_reads() {
    let sim = Sim::default();
    let log = on(&sim, Options { max_bytes: None, ..options() }).await;
    let counter = Arc::new(AtomicU64::new(0));
    for id in 0..200 {
        let counter = Arc::clone(&counter);
        log.append_then(record(id, 0, 100_000), move |appended| {
            assert_eq!(appended.result, Ok(id));
            assert_eq!(counter.swap(id + 1, Ordering::SeqCst), id);
        });
    }
    let chunk = log.read(0, 0, 0, usize::MAX).await;
    assert_eq!((chunk.records.len(), counter.load(Ordering::SeqCst)), (200, 200));
}

#[tokio::test]
async fn a_log_in_a_directory_survives_its_process_and_keeps_others_out() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("queue");
    let log = Log::open(&path, Options::default(), &["queue"]).await.unwrap();
    for number in 0..5 {
        assert_eq!(log.append(record(number, 2, 1000)).await.result, Ok(number));
    }
    log.settle(0, 2, one(0));
    log.settle(0, 2, one(3));
    log.flush().await;
    let other = Log::open(&path, Options::default(), &["queue"]).await;
    assert!(matches!(other, Err(OpenError::Locked { .. })));
    let summary = inspect(&path).unwrap();
    assert_eq!(summary.destinations[0].1[2].records, 3);
    assert!(verify(&path).unwrap().is_whole());
    assert_eq!(logs_in(root.path()).unwrap(), std::slice::from_ref(&path));
    assert_eq!((export(&path, false).unwrap().count(), export(&path, true).unwrap().count()), (0, 0), "no OTLP");
    drop(log);
    let log = loop {
        // The thread closes it in its own time.
        match Log::open(&path, Options::default(), &["queue"]).await {
            Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
            log => break log.unwrap(),
        }
    };
    let backlog = log.found().backlogs[0][2];
    assert_eq!(backlog.records, 3);
    let chunk = log.read(0, 2, 0, usize::MAX).await;
    assert_eq!(chunk.records.iter().map(|(_, record)| id(record)).collect::<Vec<_>>(), [1, 2, 4]);
}

#[tokio::test]
async fn a_record_that_finds_no_room_is_answered_too() {
    let sim = Sim::default();
    let log = on(&sim, options()).await;
    sim.faults(|faults| faults.capacity = Some(1000));
    let appended = log.append(record(0, 0, 10)).await;
    assert!(matches!(appended.result, Err(AppendError::Disk { full: true, .. })));
    log.settle(0, 0, one(7));
    log.flush().await;
}
