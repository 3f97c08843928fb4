//! Queues on disk. In real time, since the log's thread knows no other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corten_component::{BoxFuture, Handle};
use corten_delivery::log::{Log, OpenError, Options, directory_name, export, inspect, open_left, open_shared};
use corten_delivery::{Carry, Left, Overflow, Policy, Retry, SendError, Sizer, Storage, StorageHandle};

use crate::bench::{Backend, Bench, MIB, ids, logs, secs};

struct Files {
    directory: PathBuf,
    options: Options,
}

impl Storage for Files {
    fn open<'a>(&'a self, client: &'a str) -> BoxFuture<'a, Result<Arc<Log>, OpenError>> {
        Box::pin(async move { open_shared(&self.directory.join(directory_name(client)), self.options.clone()).await })
    }

    fn open_left<'a>(&'a self, client: &'a Path, destination: &'a str) -> BoxFuture<'a, Result<Left, OpenError>> {
        Box::pin(open_left(client, self.options.clone(), destination))
    }

    fn directory(&self) -> &Path {
        &self.directory
    }
}

pub(crate) fn storage(directory: &Path) -> StorageHandle {
    let storage: Arc<dyn Storage> =
        Arc::new(Files { directory: directory.to_owned(), options: Options { fsync: false, ..Options::default() } });
    Handle::to(storage)
}

/// One request at a time, tried again soon.
pub(crate) fn policy(directory: &Path) -> Policy {
    let (initial, max) = (Duration::from_millis(1), Duration::from_millis(5));
    Policy {
        sizer: Sizer::Requests,
        size: 1_000_000,
        consumers: 1,
        retry: Some(Retry { initial, max, ..Retry::default() }),
        storage: Some(storage(directory)),
        ..Policy::default()
    }
}

pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(secs(60), async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} did not happen"));
}

/// A process: what is in it is gone with it, and the log's directory free.
async fn process(policy: Policy, limit: usize, backend: &Arc<Backend>) -> Bench {
    let mut bench = Bench::new(policy, limit);
    bench.start(backend, Carry::default());
    bench
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_process() {
    let root = tempfile::tempdir().unwrap();
    let dead = Backend::dead();
    let mut bench = process(policy(root.path()), 64 * MIB, &dead).await;
    for id in 0..50 {
        bench.send(logs([2 * id, 2 * id + 1], 0)).await.unwrap();
    }
    assert_eq!((bench.count("accepted"), bench.queued()), (100, 100));
    let safe = bench.ledger.settled.lock().unwrap().iter().filter(|settled| settled.is_safe()).count();
    assert_eq!(safe, 50, "stored is as good as delivered to who sent it");
    let directory = root.path().join("x");
    assert_eq!(inspect(&directory).unwrap().destinations[0].1[2].items, 100);
    let mut exported = export(&directory, false).unwrap();
    assert_eq!(exported.by_ref().count(), 50);
    assert!(exported.report().is_whole());
    bench.abort().await;
    drop(bench);

    let healthy = Backend::healthy();
    let mut bench = process(policy(root.path()), 64 * MIB, &healthy).await;
    until("the replay", || bench.count("delivered") == 100).await;
    assert_eq!(healthy.taken(), (0..100).collect::<Vec<_>>(), "in order");
    bench.check_conservation("after the replay");
    bench.send(logs([100], 0)).await.unwrap();
    until("the delivery", || bench.count("delivered") == 101).await;
    drop(bench.stop(secs(1)).await);
    drop(bench);

    let bench = process(policy(root.path()), 64 * MIB, &healthy).await;
    bench.send(logs([101], 0)).await.unwrap();
    until("the delivery", || bench.count("delivered") == 1).await;
    assert_eq!(healthy.taken(), (0..102).collect::<Vec<_>>(), "each once");
}

#[tokio::test]
async fn what_memory_has_no_room_for_is_read_back_in_order() {
    let root = tempfile::tempdir().unwrap();
    let backend = Backend::dead();
    // A sixteenth of it is the share of a lane.
    let bench = process(policy(root.path()), 4 * MIB, &backend).await;
    for id in 0..1500 {
        bench.send(logs([id], 8 << 10)).await.unwrap();
    }
    assert_eq!((bench.queue.items(), bench.queue.size(), bench.queued()), (1500, 1500, 1500));
    assert!(bench.budget.used() < MIB, "{} bytes in memory of 12 MiB", bench.budget.used());
    backend.answers(|_| (Duration::ZERO, Ok(corten_delivery::Accepted::default())));
    until("the drain", || bench.count("delivered") == 1500).await;
    assert_eq!(backend.taken(), (0..1500).collect::<Vec<_>>());
    assert_eq!((bench.queue.items(), bench.queue.size(), bench.queued()), (0, 0, 0));
    bench.check_conservation("after the drain");
}

#[tokio::test]
async fn senders_and_a_slow_back_end_lose_and_double_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut turn = 0;
    let backend = Backend::new(move |_| {
        turn += 1;
        match turn % 7 {
            0 => (Duration::ZERO, Err(SendError::unreachable("down"))),
            3 => (Duration::from_millis(1), Ok(corten_delivery::Accepted::default())),
            _ => (Duration::ZERO, Ok(corten_delivery::Accepted::default())),
        }
    });
    let wide = |directory: &Path| Policy { consumers: 4, ..policy(directory) };
    let mut bench = process(wide(root.path()), 4 * MIB, &backend).await;
    for round in 0..6 {
        let senders: Vec<_> = (0..100i64)
            .map(|id| {
                let (batch, caller) = bench.receipted(logs([round * 100 + id], 4 << 10));
                let queue = Arc::clone(&bench.queue);
                tokio::spawn(async move {
                    let answer = corten_component::Consume::consume(&*queue, batch).await;
                    caller.end(answer.is_err());
                    answer.unwrap();
                })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
        bench.reload(wide(root.path()), &backend).await;
    }
    until("the drain", || bench.count("delivered") == 600).await;
    let mut taken = backend.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..600).collect::<Vec<_>>(), "over six reloads");
    bench.check_conservation("after the drain");
}

#[tokio::test]
async fn a_divided_item_leaves_the_log_when_all_of_it_is_done() {
    let root = tempfile::tempdir().unwrap();
    let backend = Backend::new(|ids| match ids {
        ids if ids.len() > 3 => (Duration::ZERO, Err(SendError::TooLarge { why: "too much".into() })),
        // The last part hangs for ever.
        ids if ids.contains(&9) => (secs(3600), Err(SendError::unreachable("down"))),
        _ => (Duration::ZERO, Ok(corten_delivery::Accepted::default())),
    });
    let mut bench = process(policy(root.path()), 64 * MIB, &backend).await;
    bench.send(logs(0..5, 0)).await.unwrap();
    bench.send(logs(5..10, 0)).await.unwrap();
    until("most of it", || backend.taken().len() >= 7).await;
    bench.abort().await;
    drop(bench);
    let backend = Backend::healthy();
    let bench = process(policy(root.path()), 64 * MIB, &backend).await;
    until("the replay", || bench.count("delivered") == 5).await;
    assert_eq!(backend.taken(), (5..10).collect::<Vec<_>>(), "the whole record, since a part of it was not done");
}

#[tokio::test]
async fn the_oldest_goes_or_the_newest_is_refused_as_written() {
    let root = tempfile::tempdir().unwrap();
    let small = |overflow| Policy { size: 10, each: true, overflow, ..policy(root.path()) };
    let dead = Backend::dead();
    let mut bench = process(small(Overflow::Reject), 64 * MIB, &dead).await;
    for id in 0..12 {
        assert_eq!(bench.send(logs([id], 0)).await.is_ok(), id < 10);
    }
    bench.reload(small(Overflow::DropOldest), &dead).await;
    for id in 12..15 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    assert_eq!((bench.dropped("overflow"), bench.queued()), (3, 10));
    bench.check_conservation("while dead");
    drop(bench.stop(secs(0)).await);
    assert_eq!(bench.dropped("shutdown"), 0, "it is safe");
    drop(bench);
    let healthy = Backend::healthy();
    let bench = process(small(Overflow::DropOldest), 64 * MIB, &healthy).await;
    until("the replay", || bench.count("delivered") == 10).await;
    let taken = healthy.taken();
    assert!(taken.is_sorted() && taken.ends_with(&[12, 13, 14]), "{taken:?}");
    assert_eq!(inspect(&root.path().join("x")).unwrap().report.damage, []);
}

#[tokio::test]
async fn a_storage_that_cannot_be_opened_refuses_and_recovers() {
    let root = tempfile::tempdir().unwrap();
    let blocked = root.path().join("x");
    std::fs::write(&blocked, "in the way").unwrap();
    let backend = Backend::healthy();
    let bench = process(policy(root.path()), 64 * MIB, &backend).await;
    let refusal = bench.send(logs([1], 0)).await.unwrap_err();
    assert!(refusal.is_retryable() && refusal.to_string().contains("the buffer on disk is not open"), "{refusal}");
    std::fs::remove_file(&blocked).unwrap();
    let again = async {
        while bench.send(logs([1], 0)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(secs(30), again).await.expect("it is tried again");
    until("the delivery", || backend.taken() == [1]).await;
}

#[tokio::test]
async fn metadata_survives_and_secrets_do_not() {
    let root = tempfile::tempdir().unwrap();
    let mut bench = process(policy(root.path()), 64 * MIB, &Backend::dead()).await;
    let meta = corten_signal::otlp::Meta::builder().header("x-tenant", "a").header("authorization", "canary").build();
    bench.send(logs([7], 100).with_meta(Some(meta))).await.unwrap();
    bench.abort().await;
    for entry in std::fs::read_dir(root.path().join("x")).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!content.windows(6).any(|window| window == b"canary"));
    }
    let (_, request) = export(&root.path().join("x"), false).unwrap().next().unwrap().unwrap();
    let batch = corten_signal::otlp::Batch::new(corten_signal::otlp::SignalKind::Logs, request, 1);
    assert_eq!(ids(&batch), [7]);
}

/// Makes a log look as if a program of another format had written it: version and oldest reader of each segment.
pub(crate) fn written_by(directory: &Path, version: u16) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        let mut content = std::fs::read(&path).unwrap();
        content[8..10].copy_from_slice(&version.to_le_bytes());
        content[10..12].copy_from_slice(&version.to_le_bytes());
        let crc = crc32c::crc32c(&content[..508]);
        content[508..512].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&path, content).unwrap();
    }
}

#[tokio::test]
async fn what_a_newer_program_left_is_kept_for_it_and_nothing_is_taken_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let mut bench = process(policy(root.path()), 64 * MIB, &Backend::dead()).await;
    bench.send(logs([1, 2], 0)).await.unwrap();
    bench.abort().await;
    drop(bench);
    let directory = root.path().join("x");
    written_by(&directory, 9);
    // Downgraded: senders keep what they have, and are told why.
    let healthy = Backend::healthy();
    let mut bench = process(policy(root.path()), 64 * MIB, &healthy).await;
    until("the refusal", || bench.registry.render().contains("corten_delivery_accepted_items_total")).await;
    let refusal = bench.send(logs([3], 0)).await.unwrap_err();
    assert!(
        refusal.is_retryable() && refusal.to_string().contains("written by a newer version (format 9"),
        "{refusal}"
    );
    assert_eq!((bench.count("accepted"), healthy.taken()), (0, vec![]));
    bench.abort().await;
    drop(bench);
    // Upgraded again: all of it is there.
    written_by(&directory, 1);
    let bench = process(policy(root.path()), 64 * MIB, &healthy).await;
    until("the replay", || bench.count("delivered") == 2).await;
    assert_eq!(healthy.taken(), [1, 2]);
}
