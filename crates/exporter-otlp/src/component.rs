//! The life of an instance.

use std::sync::Arc;

use corten_component::metrics::MetricDoc;
use corten_component::{BuildContext, BuildError, Component, Consume, RunContext, RunError};
use corten_delivery::{Arena, Carry, Policy, Queue, QueueMetrics, Stop};
use corten_net::client::{ClientMeters, join_docs};
use corten_signal::otlp::{Batch, InputExports, KindSet, SignalKind};

use crate::arguments::OtlpArguments;
use crate::call::{Server, timeout};

const DOCS: [MetricDoc; QueueMetrics::DOCS.len() + ClientMeters::RPC_DOCS.len()] =
    join_docs(QueueMetrics::DOCS, ClientMeters::RPC_DOCS);

/// `otelcol.exporter.otlp`.
pub struct Otlp {
    queue: Arc<Queue<Batch>>,
    server: Arc<Server>,
}

impl Component for Otlp {
    const NAME: &'static str = "otelcol.exporter.otlp";
    const DOC: &'static str = "Sends traces, metrics and logs as OTLP over gRPC. \
        What the server cannot take for now is held and tried again.";
    const METRICS: &'static [MetricDoc] = &DOCS;
    type Arguments = OtlpArguments;
    type Exports = InputExports;
    type Carry = Carry<Batch>;

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let mut policy = Policy::new(args.sending_queue.as_ref(), args.retry_on_failure.as_ref(), timeout(&args))?;
        let arena = Arena::of(cx);
        let server = Arc::new(Server::new(&args, cx.metrics(), Arc::clone(arena.budget()))?);
        policy.forwards = server.forwards();
        let name = format!("otlp_grpc/{}", cx.id());
        let takes = |place| SignalKind::ALL.get(place).is_some_and(|kind| KindSet::STABLE.contains(*kind));
        let metrics = QueueMetrics::register::<Batch>(cx.metrics(), &name, takes);
        let queue = Queue::new(name, KindSet::STABLE.into(), policy, arena, metrics, cx.health().clone());
        let consumer: Arc<dyn Consume<Batch>> = queue.clone();
        let input = cx.port("input", consumer);
        Ok((Self { queue, server }, InputExports { input }))
    }

    async fn run(self, carry: Self::Carry, cx: RunContext<Self>) -> (Self::Carry, Result<(), RunError>) {
        cx.health().healthy("delivering");
        (self.queue.run(self.server, carry, Stop::of(&cx)).await, Ok(()))
    }
}
