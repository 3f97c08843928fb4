//! Requests and consumers for this crate's tests.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use corten_component::metrics::Registry;
use corten_component::node::{Control, Node, Phase, Services, control};
use corten_component::{
    BoxFuture, BuildContext, Component, Consume, Fanout, NodeId, Outcome, Port, Receipt, Refusal, RunContext, RunError,
    Settled, Signal,
};
use corten_proto::otlp::collector::ExportLogsServiceRequest;
use corten_proto::otlp::common::{AnyValue, any_value};
use corten_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use corten_signal::otlp::{Batch, SignalKind};
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{BatchArguments, BatchCarry, OutputArguments};

/// A request with records that are numbered from `first`.
pub(crate) fn numbered(first: usize, count: usize) -> Batch {
    let record = |number: usize| LogRecord {
        body: Some(AnyValue { value: Some(any_value::Value::IntValue(number as i64)) }),
        ..LogRecord::default()
    };
    let scope = ScopeLogs { log_records: (first..first + count).map(record).collect(), ..ScopeLogs::default() };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..Default::default() }],
    };
    Batch::new(SignalKind::Logs, Bytes::from(request.encode_to_vec()), count)
}

/// A request of so many records.
pub(crate) fn logs(count: usize) -> Batch {
    numbered(0, count)
}

/// The numbers of a batch's records.
pub(crate) fn numbers(batch: &Batch) -> Vec<usize> {
    let request = ExportLogsServiceRequest::decode(batch.to_bytes()).unwrap();
    let records = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs).flat_map(|s| &s.log_records);
    records
        .map(|record| match record.body.as_ref().and_then(|body| body.value.as_ref()) {
            Some(any_value::Value::IntValue(number)) => *number as usize,
            other => panic!("not a number: {other:?}"),
        })
        .collect()
}

pub(crate) type Seen = Arc<Mutex<Option<Settled>>>;

/// The batch with a receipt, and what became of it.
pub(crate) fn watched(mut batch: Batch) -> (Batch, Seen) {
    let seen = Seen::default();
    let sink = Arc::clone(&seen);
    batch.replace_receipt(Receipt::new(move |settled| *sink.lock().unwrap() = Some(settled))).release();
    (batch, seen)
}

/// What a consumer does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behave {
    Take,
    Refuse,
    Reject,
    /// Answers once it is told to behave otherwise.
    Hang,
}

/// A destination that keeps what it took.
pub(crate) struct Sink {
    behave: watch::Sender<Behave>,
    taken: Mutex<Vec<Batch>>,
    pub(crate) calls: AtomicUsize,
}

impl Sink {
    pub(crate) fn new(behave: Behave) -> Arc<Self> {
        Arc::new(Self { behave: watch::channel(behave).0, taken: Mutex::default(), calls: AtomicUsize::new(0) })
    }

    pub(crate) fn behave(&self, behave: Behave) {
        self.behave.send_replace(behave);
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.taken.lock().unwrap().iter().map(Batch::items).collect()
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.taken.lock().unwrap().iter().flat_map(numbers).collect()
    }

    pub(crate) fn taken(&self) -> Vec<Batch> {
        self.taken.lock().unwrap().clone()
    }
}

impl Consume<Batch> for Sink {
    fn consume(&self, mut item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let mut behave = self.behave.subscribe();
            let answer = *behave.wait_for(|behave| *behave != Behave::Hang).await.unwrap();
            match answer {
                Behave::Take => {
                    item.take_receipt().settle(Outcome::Delivered);
                    self.taken.lock().unwrap().push(item);
                    Ok(())
                }
                Behave::Reject => Err(Refusal::reject("never")),
                _ => Err(Refusal::retry("not now")),
            }
        })
    }
}

/// A node of the component with its instances, and one destination for all signals.
pub(crate) struct Harness {
    node: Arc<Node>,
    pub(crate) registry: Registry,
    pub(crate) sink: Arc<Sink>,
}

pub(crate) struct Running {
    control: Control,
    task: JoinHandle<(BatchCarry, Result<(), RunError>)>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(Services::default())
    }

    pub(crate) fn with(services: Services) -> Self {
        let registry = Registry::new();
        let id = NodeId::root("otelcol.processor.batch.test");
        let scope = registry.node(&id);
        let node = Node::new(id, PathBuf::from("/nonexistent"), scope, services, |_| {});
        Self { node, registry, sink: Sink::new(Behave::Take) }
    }

    /// Starts an instance behind the port.
    pub(crate) async fn start(&self, arguments: BatchArguments, carry: BatchCarry) -> (Port<Batch>, Running) {
        let to = Fanout::new([Port::to(self.sink.clone() as Arc<dyn Consume<Batch>>)]);
        let output = OutputArguments { logs: to.clone(), traces: to, ..OutputArguments::default() };
        let arguments = Arc::new(BatchArguments { output, ..arguments });
        let mut cx = BuildContext::new(&self.node);
        let (instance, exports) = crate::Batch::build(Arc::clone(&arguments), &mut cx).await.unwrap();
        cx.into_pending().installs.into_iter().for_each(|install| install());
        self.node.gates().iter().for_each(|gate| gate.open());
        let (control, state) = control(&self.node, arguments);
        let task = tokio::spawn(instance.run(carry, RunContext::new(state)));
        (exports.input, Running { control, task })
    }

    /// A metric's value, from the text that is served.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.registry.render();
        let line = text.lines().find(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')) && labels.iter().all(|l| line.contains(l))
        });
        line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Running {
    /// Tells it to stop within this time for good, and gives what it leaves behind.
    pub(crate) async fn stop(self, within: Duration) -> BatchCarry {
        self.end(within).await
    }

    /// Tells it to hand over to another instance.
    pub(crate) async fn hand_over(self, within: Duration) -> BatchCarry {
        self.control.inherited.store(true, Ordering::Release);
        self.end(within).await
    }

    async fn end(self, within: Duration) -> BatchCarry {
        self.control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + within });
        let (carry, result) = self.task.await.unwrap();
        result.unwrap();
        carry
    }
}
