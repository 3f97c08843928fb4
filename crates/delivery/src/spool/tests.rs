//! Queues on a disk that fails. In real time, since the log's thread knows no other.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use corten_component::metrics::Registry;
use corten_component::{BoxFuture, Consume, Handle, Health, Kinds, NodeId};
use corten_signal::otlp::{Batch, SignalKind};

use super::*;
use crate::log::disk::Disk;
use crate::log::sim::Sim;
use crate::log::{OpenError, Options};
use crate::{Accepted, Arena, Budget, Carry, Destination, Policy, QueueMetrics, Retry, SendError, Stop, Storage};

struct Held(Arc<Log>);

impl Storage for Held {
    fn open<'a>(&'a self, _client: &'a str) -> BoxFuture<'a, Result<Arc<Log>, OpenError>> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }

    fn directory(&self) -> &Path {
        Path::new("sim")
    }
}

#[derive(Default)]
struct Backend {
    up: AtomicBool,
    taken: Mutex<Vec<Bytes>>,
}

impl Destination<Batch> for Backend {
    fn send(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SendError>> {
        Box::pin(async move {
            if !self.up.load(Ordering::SeqCst) {
                return Err(SendError::unreachable("down"));
            }
            self.taken.lock().unwrap().push(batch.to_bytes());
            Ok(Accepted::default())
        })
    }
}

struct Bench {
    sim: Sim,
    queue: Arc<Queue<Batch>>,
    backend: Arc<Backend>,
    _stop: oneshot::Sender<Stop>,
}

const PATIENCE: Duration = Duration::from_secs(60);

/// A lane's share of memory is 64 KiB.
async fn bench(overflow: Overflow, patience: Duration) -> Bench {
    let sim = Sim::default();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let options = Options { retry_after: Duration::ZERO, max_bytes: Some(512 << 10), ..Options::default() };
    let log = Arc::new(Log::open_on(move || Ok(disk), options, &["queue"]).await.unwrap());
    let storage: Arc<dyn Storage> = Arc::new(Held(log));
    let (initial, max) = (Duration::from_millis(1), Duration::from_millis(5));
    let policy = Policy {
        sizer: Sizer::Requests,
        size: 1_000_000,
        overflow,
        consumers: 1,
        retry: Some(Retry { initial, max, ..Retry::default() }),
        patience,
        storage: Some(Handle::to(storage)),
        ..Policy::default()
    };
    let arena = Arena::new(Budget::new(1 << 20));
    let scope = Registry::new().node(&NodeId::root("test.x"));
    let metrics = QueueMetrics::register::<Batch>(&scope, "test/x", |_| true);
    let queue = Queue::new("test/x", Kinds::ALL, policy, arena, metrics, Health::default());
    let backend = Arc::new(Backend::default());
    let (stop, stopped) = oneshot::channel();
    let (its, destination): (_, Arc<dyn Destination<Batch>>) = (Arc::clone(&queue), backend.clone());
    tokio::spawn(async move {
        drop(its.run(destination, Carry::default(), async { stopped.await.unwrap_or(Stop::HandOver) }).await);
    });
    Bench { sim, queue, backend, _stop: stop }
}

impl Bench {
    async fn send(&self, text: &str) -> Result<(), Refusal> {
        let body = Bytes::from(format!("{text:.<4000}"));
        self.queue.consume(Batch::new(SignalKind::Logs, body, 1)).await
    }

    fn taken(&self) -> Vec<String> {
        let taken = self.backend.taken.lock().unwrap();
        taken.iter().map(|bytes| String::from_utf8_lossy(bytes).trim_end_matches('.').to_owned()).collect()
    }

    async fn drained(&self) {
        self.backend.up.store(true, Ordering::SeqCst);
        let empty = async {
            while self.queue.items() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), empty).await.expect("drained");
        let lane = &self.queue.metrics.lanes[SignalKind::Logs as usize];
        let dropped: u64 = DropReason::ALL.iter().map(|reason| lane.dropped(*reason).get()).sum();
        assert_eq!(lane.own.accepted.get(), lane.own.delivered.get() + dropped, "the books balance");
        assert_eq!((lane.own.queued.get(), lane.own.queue_size.get(), self.queue.size()), (0.0, 0.0, 0));
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.queue.metrics.lanes[SignalKind::Logs as usize].dropped(reason).get()
    }
}

/// What a lane keeps in memory of such bodies.
const KEPT: usize = 16;

/// One more, if one is being sent at that moment.
const KEPT_OR_SENT: std::ops::RangeInclusive<usize> = KEPT..=KEPT + 1;

#[tokio::test]
async fn what_is_in_memory_alone_is_not_acknowledged_before_it_is_delivered() {
    for overflow in [Overflow::Reject, Overflow::Block] {
        let bench = Arc::new(bench(overflow, PATIENCE).await);
        bench.sim.faults(|faults| faults.capacity = Some(0));
        let (answered, mut answers) = tokio::sync::mpsc::channel(30);
        for number in 0..30 {
            let (bench, answered) = (Arc::clone(&bench), answered.clone());
            tokio::spawn(async move { answered.send(bench.send(&number.to_string()).await).await });
        }
        // Those for which there is no room keep theirs; the others wait.
        let mut refused = 0;
        let settled = async {
            loop {
                while let Ok(answer) = answers.try_recv() {
                    assert!(answer.unwrap_err().is_retryable());
                    refused += 1;
                }
                if refused + bench.queue.items() == 30 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), settled).await.expect("as many as there is room for");
        let kept = 30 - refused as usize;
        assert!(KEPT_OR_SENT.contains(&kept), "{kept}");
        assert!(answers.try_recv().is_err(), "a kill would take what is in memory alone");
        bench.backend.up.store(true, Ordering::SeqCst);
        for _ in 0..kept {
            answers.recv().await.unwrap().unwrap();
        }
        bench.sim.faults(|faults| faults.capacity = None);
        bench.send("after").await.unwrap();
        bench.drained().await;
        assert_eq!(bench.taken().len(), kept + 1);
        assert_eq!(bench.taken().last().map(String::as_str), Some("after"));
    }
}

#[tokio::test]
async fn a_sender_that_stops_waiting_for_what_is_in_memory_alone_takes_it_back() {
    let bench = bench(Overflow::Reject, Duration::from_millis(50)).await;
    bench.send("safe").await.unwrap();
    bench.sim.faults(|faults| faults.write = Some((0, std::io::ErrorKind::StorageFull)));
    let refusal = bench.send("unsafe").await.unwrap_err();
    assert!(refusal.is_retryable(), "{refusal}");
    bench.drained().await;
    assert_eq!(bench.taken(), ["safe"]);
    assert_eq!(bench.dropped(DropReason::Withdrawn), 1);
}

#[tokio::test]
async fn whoever_would_rather_lose_than_wait_does_not_wait_for_a_disk() {
    let bench = bench(Overflow::DropOldest, PATIENCE).await;
    bench.sim.faults(|faults| faults.capacity = Some(0));
    for number in 0..30 {
        bench.send(&number.to_string()).await.unwrap();
    }
    let kept = 30 - bench.dropped(DropReason::DiskFull) as usize;
    assert!(KEPT_OR_SENT.contains(&kept), "{kept}");
    bench.sim.faults(|faults| faults.capacity = None);
    bench.send("after").await.unwrap();
    bench.drained().await;
    let taken = bench.taken();
    assert_eq!((taken.len(), taken.last().map(String::as_str)), (kept + 1, Some("after")));
}

#[tokio::test]
async fn what_cannot_be_read_back_is_counted() {
    let bench = bench(Overflow::Reject, PATIENCE).await;
    for number in 0..60 {
        bench.send(&number.to_string()).await.unwrap();
    }
    // On disk alone since memory had no room for it.
    let segments = bench.sim.list().unwrap().into_iter().filter(|name| name.ends_with(".seg"));
    for name in segments {
        let mut content = bench.sim.content(&name);
        for victim in ["30....", "40...."] {
            if let Some(place) = content.windows(6).position(|window| window == victim.as_bytes()) {
                content[place] ^= 1;
            }
        }
        bench.sim.set(&name, content);
    }
    bench.drained().await;
    let damaged = bench.dropped(DropReason::Damaged);
    assert_eq!((damaged, bench.taken().len()), (2, 58));
}

#[tokio::test]
async fn a_log_at_its_greatest_size_gives_up_its_oldest_if_the_queue_does() {
    let bench = bench(Overflow::DropOldest, PATIENCE).await;
    for number in 0..200 {
        bench.send(&number.to_string()).await.unwrap();
    }
    assert!(bench.dropped(DropReason::Overflow) > 50);
    bench.drained().await;
    let taken = bench.taken();
    assert_eq!(taken.last().map(String::as_str), Some("199"));
    assert_eq!(taken.len() as u64, 200 - bench.dropped(DropReason::Overflow));
    let numbers: Vec<u32> = taken.iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}
