//! A queue with a back end that does as told, and everything that can be counted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use corten_component::metrics::{Registry, Scope};
use corten_component::{BoxFuture, Consume, Health, Kinds, NodeId, Outcome, Receipt, Refusal, Settled};
use corten_delivery::{Accepted, Arena, Budget, Carry, Destination, Policy, Queue, QueueMetrics, SendError, Stop};
use corten_proto::otlp::collector::ExportLogsServiceRequest;
use corten_proto::otlp::common::{AnyValue, any_value};
use corten_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use corten_signal::otlp::{Batch, SignalKind};
use prost::Message;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const EXPORTER: &str = "test/x";
pub(crate) const MIB: usize = 1 << 20;

/// A request with one log record for each id, padded to about `size` bytes.
pub(crate) fn logs(ids: impl IntoIterator<Item = i64>, size: usize) -> Batch {
    let record =
        |id| LogRecord { body: Some(AnyValue { value: Some(any_value::Value::IntValue(id)) }), ..LogRecord::default() };
    let records: Vec<_> = ids.into_iter().map(record).collect();
    let count = records.len();
    let scope = ScopeLogs { log_records: records, ..ScopeLogs::default() };
    let mut request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }],
    };
    let missing = size.saturating_sub(request.encoded_len());
    request.resource_logs[0].schema_url = "x".repeat(missing);
    Batch::new(SignalKind::Logs, Bytes::from(request.encode_to_vec()), count)
}

/// The ids in a batch, in order.
pub(crate) fn ids(batch: &Batch) -> Vec<i64> {
    let request = ExportLogsServiceRequest::decode(batch.to_bytes()).unwrap();
    let records = request.resource_logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records);
    let id = |record: LogRecord| match record.body.and_then(|body| body.value) {
        Some(any_value::Value::IntValue(id)) => id,
        other => panic!("{other:?}"),
    };
    records.map(id).collect()
}

type Answer = Box<dyn FnMut(&[i64]) -> (Duration, Result<Accepted, SendError>) + Send>;

/// A back end. It answers after a time, and remembers what it took and when it was asked.
pub(crate) struct Backend {
    answer: Mutex<Answer>,
    pub(crate) taken: Mutex<Vec<i64>>,
    pub(crate) asked: Mutex<Vec<(Instant, Vec<i64>)>>,
    /// What a connection that is only tried says; `None` where it says nothing.
    pub(crate) reached: Mutex<Option<bool>>,
    /// When one was tried.
    pub(crate) tried: Mutex<Vec<Instant>>,
}

impl Backend {
    pub(crate) fn new(
        answer: impl FnMut(&[i64]) -> (Duration, Result<Accepted, SendError>) + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(Box::new(answer)),
            taken: Mutex::default(),
            asked: Mutex::default(),
            reached: Mutex::default(),
            tried: Mutex::default(),
        })
    }
    pub(crate) fn healthy() -> Arc<Self> {
        Self::new(|_| (Duration::ZERO, Ok(Accepted::default())))
    }
    pub(crate) fn dead() -> Arc<Self> {
        Self::new(|_| (Duration::ZERO, Err(SendError::unreachable("connection refused"))))
    }
    pub(crate) fn answers(
        &self,
        answer: impl FnMut(&[i64]) -> (Duration, Result<Accepted, SendError>) + Send + 'static,
    ) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }
    pub(crate) fn taken(&self) -> Vec<i64> {
        self.taken.lock().unwrap().clone()
    }
    pub(crate) fn asked(&self) -> Vec<(Instant, Vec<i64>)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Destination<Batch> for Backend {
    fn send(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SendError>> {
        Box::pin(async move {
            let ids = ids(&batch);
            self.asked.lock().unwrap().push((Instant::now(), ids.clone()));
            let (delay, result) = (self.answer.lock().unwrap())(&ids);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if result.is_ok() {
                self.taken.lock().unwrap().extend(ids);
            }
            result
        })
    }

    fn reach(&self, _data_type: usize) -> BoxFuture<'_, Option<bool>> {
        Box::pin(async {
            self.tried.lock().unwrap().push(Instant::now());
            *self.reached.lock().unwrap()
        })
    }
}

/// How the receipts of what was accepted ended.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) issued: Mutex<usize>,
    pub(crate) settled: Mutex<Vec<Settled>>,
}

/// A node whose queue may be replaced.
pub(crate) struct Bench {
    pub(crate) registry: Registry,
    pub(crate) arena: Arc<Arena>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) queue: Arc<Queue<Batch>>,
    pub(crate) ledger: Arc<Ledger>,
    running: Option<(oneshot::Sender<Stop>, JoinHandle<Carry<Batch>>)>,
}

impl Bench {
    /// A queue that nobody serves yet.
    pub(crate) fn new(policy: Policy, limit: usize) -> Self {
        let budget = Budget::new(limit);
        let arena = Arena::new(Arc::clone(&budget));
        let registry = Registry::new();
        let queue = queue(&registry, &arena, policy);
        Self { registry, arena, budget, queue, ledger: Arc::default(), running: None }
    }

    /// A queue of another node in the same process.
    pub(crate) fn beside(other: &Self, policy: Policy) -> Self {
        let (arena, budget) = (Arc::clone(&other.arena), Arc::clone(&other.budget));
        let registry = Registry::new();
        let queue = queue(&registry, &arena, policy);
        Self { registry, arena, budget, queue, ledger: Arc::default(), running: None }
    }

    /// A queue that a back end serves.
    pub(crate) fn serving(policy: Policy, backend: &Arc<Backend>) -> Self {
        let mut bench = Self::new(policy, 1 << 30);
        bench.start(backend, Carry::default());
        bench
    }

    pub(crate) fn start(&mut self, backend: &Arc<Backend>, carry: Carry<Batch>) {
        let (stop, stopped) = oneshot::channel();
        let (queue, backend): (_, Arc<dyn Destination<Batch>>) = (Arc::clone(&self.queue), backend.clone());
        let task =
            tokio::spawn(
                async move { queue.run(backend, carry, async { stopped.await.unwrap_or(Stop::HandOver) }).await },
            );
        self.running = Some((stop, task));
    }

    /// Ends the instance for good; what it leaves is returned.
    pub(crate) async fn stop(&mut self, within: Duration) -> Carry<Batch> {
        self.end(Stop::Drain { until: Instant::now() + within }).await
    }

    async fn end(&mut self, how: Stop) -> Carry<Batch> {
        let (stop, task) = self.running.take().unwrap();
        stop.send(how).unwrap();
        task.await.unwrap()
    }

    /// The instance is abandoned, and the queue with it.
    pub(crate) async fn abort(&mut self) {
        let (_stop, task) = self.running.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        self.queue = queue(&self.registry, &self.arena, Policy::default());
    }

    /// Replaces the instance.
    pub(crate) async fn reload(&mut self, policy: Policy, backend: &Arc<Backend>) {
        let carry = self.end(Stop::HandOver).await;
        self.queue = queue(&self.registry, &self.arena, policy);
        self.start(backend, carry);
    }

    /// Hands a batch over with a receipt that the ledger watches.
    pub(crate) async fn send(&self, batch: Batch) -> Result<(), Refusal> {
        let (batch, caller) = self.receipted(batch);
        let answer = self.queue.consume(batch).await;
        caller.end(answer.is_err());
        answer
    }

    /// The batch with a watched receipt, and the caller's own copy of it.
    pub(crate) fn receipted(&self, batch: Batch) -> (Batch, Caller) {
        let ledger = Arc::clone(&self.ledger);
        let receipt = Receipt::new(move |settled| ledger.settled.lock().unwrap().push(settled));
        (batch.with_receipt(receipt.clone()), Caller { receipt, ledger: Arc::clone(&self.ledger) })
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        let labels = [("exporter", EXPORTER), ("data_type", "logs")];
        scope(&self.registry).counter(&format!("corten_delivery_{name}_items_total"), "", &labels).get()
    }
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        let labels = [("exporter", EXPORTER), ("data_type", "logs"), ("reason", reason)];
        scope(&self.registry).counter("corten_delivery_dropped_items_total", "", &labels).get()
    }
    pub(crate) fn all_dropped(&self) -> u64 {
        let reasons = ["overflow", "memory", "expired", "retry_disabled", "send_failed", "withdrawn", "shutdown"];
        reasons.iter().map(|reason| self.dropped(reason)).sum()
    }
    pub(crate) fn otel(&self, name: &str) -> u64 {
        scope(&self.registry).counter(&format!("otelcol_exporter_{name}_total"), "", &[("exporter", EXPORTER)]).get()
    }
    pub(crate) fn queued(&self) -> u64 {
        let labels = [("exporter", EXPORTER), ("data_type", "logs")];
        scope(&self.registry).gauge("corten_delivery_queued_items", "", &labels).get() as u64
    }

    /// Accepted = delivered + queued + dropped + rejected, and every receipt of what is gone was settled, none lost.
    pub(crate) fn check_conservation(&self, what: &str) {
        let ended = self.count("delivered") + self.all_dropped() + self.count("rejected");
        assert_eq!(self.count("accepted"), ended + self.queued(), "{what}");
        assert!(self.ledger.settled.lock().unwrap().iter().all(|settled| !settled.is_lost()), "{what}: lost");
    }
}

pub(crate) struct Caller {
    receipt: Receipt,
    ledger: Arc<Ledger>,
}

impl Caller {
    /// After the call: a refused item is the caller's, who gives it up here.
    pub(crate) fn end(self, refused: bool) {
        if refused {
            self.receipt.settle(Outcome::Dropped);
        } else {
            self.receipt.release();
        }
        *self.ledger.issued.lock().unwrap() += 1;
    }
}

fn scope(registry: &Registry) -> Scope {
    registry.node(&NodeId::root("test.x"))
}

fn queue(registry: &Registry, arena: &Arc<Arena>, policy: Policy) -> Arc<Queue<Batch>> {
    let metrics = QueueMetrics::register::<Batch>(&scope(registry), EXPORTER, |_| true);
    Queue::new(EXPORTER, Kinds::ALL, policy, Arc::clone(arena), metrics, Health::default())
}

/// Lets everything run that can run now.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass, with everything that happens in it.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
