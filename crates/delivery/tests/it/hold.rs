//! A stage in front of queues on disk: what it holds is in a log of its own. In real time, as all tests of the log.

use std::path::Path;
use std::sync::{Arc, Mutex};

use corten_component::metrics::{Registry, Scope};
use corten_component::{BoxFuture, Consume, Durable, Fanout, Health, Port, Refusal};
use corten_delivery::log::{Log, export, inspect};
use corten_delivery::{Arena, Budget, Carry, Holder, StorageHandle};
use corten_signal::otlp::Batch;

use crate::bench::{Backend, Bench, MIB, ids, logs};
use crate::durable::{policy, storage, until, written_by};

const STAGE: &str = "stage";
const LOGS: usize = 2;

/// A destination that keeps what it is given until it is told.
struct Destination {
    durable: Option<Durable>,
    held: Mutex<Vec<Batch>>,
    refuses: bool,
}

impl Destination {
    fn named(name: &str, storage: &StorageHandle) -> Arc<Self> {
        let durable = Some(Durable::new(name, storage));
        Arc::new(Self { durable, held: Mutex::default(), refuses: false })
    }

    fn in_memory() -> Arc<Self> {
        Arc::new(Self { durable: None, held: Mutex::default(), refuses: false })
    }

    fn refusing(name: &str, storage: &StorageHandle) -> Arc<Self> {
        let durable = Some(Durable::new(name, storage));
        Arc::new(Self { durable, held: Mutex::default(), refuses: true })
    }

    fn ids(&self) -> Vec<i64> {
        self.held.lock().unwrap().iter().flat_map(ids).collect()
    }

    fn settle(&self, outcome: corten_component::Outcome) {
        for mut batch in self.held.lock().unwrap().drain(..) {
            batch.take_receipt().settle(outcome);
        }
    }
}

impl Consume<Batch> for Destination {
    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            if self.refuses {
                return Err(Refusal::retry("full"));
            }
            self.held.lock().unwrap().push(item);
            Ok(())
        })
    }

    fn durable(&self) -> Vec<Durable> {
        self.durable.iter().cloned().collect()
    }
}

fn fanout(destinations: &[&Arc<Destination>]) -> Fanout<Batch> {
    Fanout::new(destinations.iter().map(|to| Port::to(Arc::clone(to) as Arc<dyn Consume<Batch>>)))
}

fn holder(to: &Fanout<Batch>) -> Arc<Holder<Batch>> {
    counting(to, &Scope::default())
}

fn counting(to: &Fanout<Batch>, scope: &Scope) -> Arc<Holder<Batch>> {
    let arena = Arena::new(Budget::new(64 * MIB));
    Holder::new(STAGE, Some(arena), Health::default(), scope, |kind| (kind == LOGS).then(|| to.clone()))
}

/// What the stage does: puts on disk, then hands on.
async fn send(holder: &Holder<Batch>, to: &Fanout<Batch>, ids: impl IntoIterator<Item = i64>) {
    let mut batch = logs(ids, 0);
    holder.hold(&mut batch).await.unwrap();
    to.consume(batch).await.unwrap();
}

/// Items that wait in the stage's log for each destination.
fn waiting(root: &Path) -> Vec<(String, u64)> {
    // A segment may go while it is being looked for.
    let summary = std::iter::repeat_with(|| inspect(&root.join(STAGE))).find_map(Result::ok).unwrap();
    let mut all: Vec<_> = summary.destinations.into_iter().map(|(name, kinds)| (name, kinds[LOGS].items)).collect();
    all.sort();
    all
}

fn of(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(name, items)| ((*name).to_owned(), *items)).collect()
}

/// The log is closed once nothing holds it.
async fn closed(root: &Path) {
    let directory = root.join(STAGE);
    loop {
        match Log::open(&directory, corten_delivery::log::Options::default(), &["probe"]).await {
            Ok(log) => return drop(log),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}

use corten_component::Outcome::{Delivered, Dropped};

#[tokio::test]
async fn one_append_serves_all_destinations_and_each_settles_for_itself() {
    let root = tempfile::tempdir().unwrap();
    let storage = storage(root.path());
    let (a, b, memory) =
        (Destination::named("a", &storage), Destination::named("b", &storage), Destination::in_memory());
    let to = fanout(&[&a, &memory, &b]);
    let stage = holder(&to);
    send(&stage, &to, [1, 2]).await;
    send(&stage, &to, [3]).await;
    assert_eq!(inspect(&root.path().join(STAGE)).unwrap().report.records, 2, "written once");
    a.settle(Delivered);
    memory.settle(Delivered);
    until("a's share", || waiting(root.path()) == of(&[("a", 0), ("b", 3)])).await;
    assert_eq!(export(&root.path().join(STAGE), false).unwrap().count(), 2, "b waits for both");
    // The process ends with the rest in b's memory.
    drop((stage, b.held.lock().unwrap().drain(..).collect::<Vec<_>>()));
    closed(root.path()).await;

    let stage = holder(&to);
    let mut replay = stage.replay();
    let left = replay.next().await;
    assert!(left.receipt().is_kept_for("b") && !left.receipt().is_kept_for("a"));
    to.consume(left).await.unwrap();
    to.consume(replay.next().await).await.unwrap();
    assert_eq!((a.ids(), memory.ids(), b.ids()), (vec![], vec![], vec![1, 2, 3]));
    b.settle(Delivered);
    until("b's share", || waiting(root.path()) == of(&[("a", 0), ("b", 0)])).await;
}

#[tokio::test]
async fn destinations_come_and_go() {
    let root = tempfile::tempdir().unwrap();
    let storage = storage(root.path());
    let (a, b, c) =
        (Destination::named("a", &storage), Destination::named("b", &storage), Destination::named("c", &storage));
    let first = fanout(&[&a, &b]);
    let stage = holder(&first);
    send(&stage, &first, [1]).await;
    drop((stage, [&a, &b].map(|to| to.held.lock().unwrap().drain(..).collect::<Vec<_>>())));
    closed(root.path()).await;

    // b is gone, c is new.
    let second = fanout(&[&a, &c]);
    let stage = holder(&second);
    let mut replay = stage.replay();
    second.consume(replay.next().await).await.unwrap();
    assert_eq!((a.ids(), c.ids()), (vec![1], vec![]), "c gets what comes from now on");
    send(&stage, &second, [2]).await;
    assert_eq!((a.ids(), c.ids()), (vec![1, 2], vec![2]));
    assert_eq!(waiting(root.path()), of(&[("a", 2), ("c", 1)]));
    a.settle(Delivered);
    c.settle(Delivered);
    until("the shares", || waiting(root.path()) == of(&[("a", 0), ("c", 0)])).await;
}

#[tokio::test]
async fn a_storage_that_moves_leaves_the_old_log_to_empty() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (was, is) = (Destination::named("a", &storage(old.path())), Destination::named("a", &storage(new.path())));
    let port = corten_component::Port::to(Arc::clone(&was) as Arc<dyn Consume<Batch>>);
    let to = Fanout::new([port]);
    let stage = holder(&to);
    send(&stage, &to, [1]).await;
    let moved = fanout(&[&is]);
    let stage_now = holder(&moved);
    send(&stage_now, &moved, [2]).await;
    assert_eq!((waiting(old.path()), waiting(new.path())), (of(&[("a", 1)]), of(&[("a", 1)])));
    was.settle(Delivered);
    until("the old log to empty", || waiting(old.path()) == of(&[("a", 0)])).await;
    assert_eq!(waiting(new.path()), of(&[("a", 1)]));
}

#[tokio::test]
async fn what_a_branch_refuses_is_given_up_only_if_another_took_it() {
    let root = tempfile::tempdir().unwrap();
    let storage = storage(root.path());
    let (a, full) = (Destination::named("a", &storage), Destination::refusing("full", &storage));
    let both = fanout(&[&a, &full]);
    let stage = holder(&both);
    send(&stage, &both, [1]).await;
    until("the refused share", || waiting(root.path()) == of(&[("a", 1), ("full", 0)])).await;
    a.settle(Dropped);
    until("the other", || waiting(root.path()) == of(&[("a", 0), ("full", 0)])).await;
    drop(stage);
    closed(root.path()).await;

    let alone = fanout(&[&full]);
    let stage = holder(&alone);
    let mut batch = logs([2], 0);
    stage.hold(&mut batch).await.unwrap();
    let (receipt, attempt) = batch.receipt().attempt();
    assert!(alone.consume(batch.clone().with_receipt(receipt)).await.is_err());
    drop(attempt);
    assert_eq!(waiting(root.path()), of(&[("full", 1)]), "it will be tried again");
    batch.take_receipt().hand_back();
    until("what was handed back", || waiting(root.path()) == of(&[("full", 0)])).await;
}

#[tokio::test]
async fn a_source_writes_only_for_several() {
    let root = tempfile::tempdir().unwrap();
    let storage = storage(root.path());
    let (a, b) = (Destination::named("a", &storage), Destination::named("b", &storage));
    let source = |to: &Fanout<Batch>| {
        let arena = Arena::new(Budget::new(64 * MIB));
        let to = to.clone();
        Holder::for_several(STAGE, arena, Health::default(), &Scope::default(), move |kind| {
            (kind == LOGS).then(|| to.clone())
        })
    };
    let alone = fanout(&[&a]);
    source(&alone).send(logs([1], 0)).await.unwrap();
    assert!(!a.held.lock().unwrap()[0].receipt().is_kept() && !root.path().join(STAGE).exists());
    a.settle(Delivered);

    let both = fanout(&[&a, &b]);
    let stage = source(&both);
    stage.send(logs([2], 0)).await.unwrap();
    assert_eq!(waiting(root.path()), of(&[("a", 1), ("b", 1)]));
    a.settle(Delivered);
    drop((stage, b.held.lock().unwrap().drain(..).collect::<Vec<_>>()));
    closed(root.path()).await;
    let left = tokio::spawn(source(&both).send_left());
    until("what was left", || b.ids() == [2]).await;
    assert!(a.ids().is_empty());
    b.settle(Delivered);
    until("the log to empty", || waiting(root.path()) == of(&[("a", 0), ("b", 0)])).await;
    left.abort();

    let full = [Destination::refusing("a", &storage), Destination::refusing("b", &storage)];
    let nobody = fanout(&[&full[0], &full[1]]);
    assert!(source(&nobody).send(logs([3], 0)).await.is_err());
    until("nothing to be kept", || waiting(root.path()) == of(&[("a", 0), ("b", 0)])).await;
}

#[tokio::test]
async fn a_queue_writes_itself_only_what_it_has_no_memory_for() {
    let root = tempfile::tempdir().unwrap();
    let dead = Backend::dead();
    // A sixteenth of it is the share of a lane.
    let mut bench = Bench::new(policy(root.path()), 4 * MIB);
    bench.start(&dead, Carry::default());
    let to = Fanout::new([Port::to(Arc::clone(&bench.queue) as Arc<dyn Consume<Batch>>)]);
    let stage = holder(&to);
    let own = |root: &Path| inspect(&root.join("x")).map_or(0, |own| own.report.items);
    for id in 0..10 {
        send_sized(&stage, &to, id).await;
    }
    assert_eq!((waiting(root.path()), own(root.path())), (of(&[("x", 10)]), 0));
    for id in 10..100 {
        send_sized(&stage, &to, id).await;
    }
    until("the rest", || waiting(root.path())[0].1 + own(root.path()) == 100).await;
    assert!(own(root.path()) > 50, "{} in its own log", own(root.path()));
    assert_eq!((bench.count("accepted"), bench.queued(), bench.queue.items()), (100, 100, 100));
    bench.abort().await;
    drop((bench, stage, to));
    closed(root.path()).await;

    let healthy = Backend::healthy();
    let mut bench = Bench::new(policy(root.path()), 4 * MIB);
    bench.start(&healthy, Carry::default());
    let to = Fanout::new([Port::to(Arc::clone(&bench.queue) as Arc<dyn Consume<Batch>>)]);
    let stage = holder(&to);
    let mut replay = stage.replay();
    let replaying = tokio::spawn(async move {
        loop {
            to.consume(replay.next().await).await.unwrap();
        }
    });
    until("the delivery", || bench.count("delivered") == 100).await;
    replaying.abort();
    let mut taken = healthy.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..100).collect::<Vec<_>>(), "each once");
    bench.check_conservation("after the replay");
    until("the logs to empty", || waiting(root.path())[0].1 == 0).await;
}

async fn send_sized(holder: &Holder<Batch>, to: &Fanout<Batch>, id: i64) {
    let mut batch = logs([id], 8 << 10);
    holder.hold(&mut batch).await.unwrap();
    to.consume(batch).await.unwrap();
}

#[tokio::test]
async fn what_is_held_read_back_and_failed_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let storage = storage(root.path());
    let a = Destination::named("a", &storage);
    let to = fanout(&[&a]);
    let registry = Registry::new();
    let metric = |name: &str| {
        let text = registry.render();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("{name}\n{text}"))
    };
    let stage = counting(&to, &registry.process());
    assert_eq!(metric("corten_hold_kept_items_total"), 0.0);
    send(&stage, &to, [1, 2, 3]).await;
    assert_eq!(metric("corten_hold_kept_items_total"), 3.0);
    assert!(metric("corten_hold_used_bytes") > 0.0);
    drop((stage, a.held.lock().unwrap().drain(..).collect::<Vec<_>>()));
    closed(root.path()).await;
    assert_eq!(metric("corten_hold_used_bytes"), 0.0, "an instance that has gone uses nothing");

    let stage = counting(&to, &registry.process());
    stage.replay().next().await;
    assert_eq!(metric("corten_hold_replayed_items_total"), 3.0);
    assert_eq!(metric("corten_hold_failed_items_total"), 0.0);
}

#[tokio::test]
async fn a_stage_leaves_what_a_newer_program_left_and_holds_nothing_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let storage = storage(root.path());
    let a = Destination::named("a", &storage);
    let to = fanout(&[&a]);
    let stage = holder(&to);
    send(&stage, &to, [1]).await;
    drop((stage, a.held.lock().unwrap().drain(..).collect::<Vec<_>>()));
    closed(root.path()).await;
    written_by(&root.path().join(STAGE), 9);

    let stage = holder(&to);
    let mut batch = logs([2], 0);
    stage.hold(&mut batch).await.unwrap();
    assert!(!batch.receipt().is_kept(), "it is for the destination to keep or to refuse");
    assert!(stage.keeps(LOGS).await, "so that the stage hands on at once");
    drop(stage);
    written_by(&root.path().join(STAGE), 1);

    let stage = holder(&to);
    assert_eq!(ids(&stage.replay().next().await), [1]);
}

#[tokio::test]
async fn what_a_stage_that_is_no_more_left_goes_to_its_destinations() {
    let root = tempfile::tempdir().unwrap();
    let storage = storage(root.path());
    // What a queue calls itself there is its name behind the kind of exporter.
    let (x, other) = (Destination::named("x", &storage), Destination::named("other", &storage));
    let to = fanout(&[&x, &other]);
    let stage = holder(&to);
    send(&stage, &to, [1, 2]).await;
    send(&stage, &to, [3]).await;
    drop((stage, [&x, &other].map(|to| to.held.lock().unwrap().drain(..).collect::<Vec<_>>())));
    closed(root.path()).await;

    // The stage is not in the file any more; the exporter is.
    let backend = Backend::healthy();
    let mut bench = Bench::new(policy(root.path()), 64 * MIB);
    bench.start(&backend, Carry::default());
    until("the queue to take its share", || backend.taken() == [1, 2, 3]).await;
    until("its share to leave", || waiting(root.path()).contains(&("x".to_owned(), 0))).await;
    assert!(waiting(root.path()).contains(&("other".to_owned(), 3)), "what others are owed stays");
    bench.check_conservation("after that");
}
