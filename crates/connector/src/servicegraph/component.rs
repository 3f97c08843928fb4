//! The port and the life of an instance.

use std::sync::{Arc, Mutex};

use corten_component::Metrics;
use corten_component::metrics::{Counter, MetricDoc, Metrics as _};
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Durable, Kinds, Outcome, Refusal, RunContext, RunError,
};
use corten_signal::otlp::{Batch, InputExports, SignalKind};
use tokio::time::{Instant, timeout_at};

use super::arguments::ServiceGraphArguments;
use super::graph::{Counts, Graph};
use crate::emit::{Outlet, durable};
use crate::metrics::Meters;
use crate::moment::{lock, ticks, wall};

/// `otelcol.connector.servicegraph`.
pub struct ServiceGraph {
    stage: Arc<Stage>,
}

#[derive(Metrics)]
struct EdgeMeters {
    /// Requests of which a span came.
    #[metric(name = "otelcol_connector_servicegraph_total_edges_total")]
    edges: Counter,
    /// Requests of which the other end did not come in time.
    #[metric(name = "otelcol_connector_servicegraph_expired_edges_total")]
    expired: Counter,
    /// Spans for whose requests there was no room.
    #[metric(name = "otelcol_connector_servicegraph_dropped_spans_total")]
    dropped: Counter,
}

const DOCS: &[MetricDoc] = &{
    let (own, all) = (EdgeMeters::DOCS, Meters::DOCS);
    [own[0], own[1], own[2], all[0], all[1], all[2], all[3], all[4], all[5]]
};

struct Stage {
    arguments: Mutex<Arc<ServiceGraphArguments>>,
    graph: Mutex<Graph>,
    edges: EdgeMeters,
    meters: Arc<Meters>,
    outlet: Outlet,
}

impl Component for ServiceGraph {
    const NAME: &'static str = "otelcol.connector.servicegraph";
    const DOC: &'static str = "Counts requests between services, from the spans at both ends.\n\n\
        A client's span and the server's span below it are one request, as are a producer's and a consumer's; a span \
        that names a database is one by itself. The metrics are `traces_service_graph_request_total`, \
        `traces_service_graph_request_failed_total`, `traces_service_graph_request_server` and `.._client` (latencies in \
        seconds, as either end saw them), told apart by `client`, `server`, `connection_type` and `failed`. A request \
        of which one end does not come within `store.ttl` is counted with a made-up other end where that can be told: \
        the peer that the client's span names, or `user` where a server's span has no parent. Otherwise its span counts \
        in `traces_service_graph_unpaired_spans_total`; one that had no room to wait counts in \
        `traces_service_graph_dropped_spans_total`.\n\n\
        Spans of resources without `service.name` are left out. The series take at most about 64 MiB, waiting requests \
        at most 16 MiB. A reload keeps what was counted, unless it changes what series are made of.";
    const METRICS: &'static [MetricDoc] = DOCS;
    type Arguments = ServiceGraphArguments;
    type Exports = InputExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let meters = Arc::new(Meters::register(cx.metrics(), &[]));
        let stage = Arc::new(Stage {
            graph: Mutex::new(Graph::new(&args, wall())),
            arguments: Mutex::new(args),
            edges: EdgeMeters::register(cx.metrics(), &[]),
            outlet: Outlet::new(Arc::clone(&meters)),
            meters,
        });
        let input = cx.port("input", stage.clone());
        Ok((Self { stage }, InputExports { input }))
    }

    async fn run(self, (): (), mut cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let stage = self.stage;
        loop {
            let args = stage.arguments();
            let flushes = !args.metrics_flush_interval.is_zero();
            let mut flush = ticks(if flushes { args.metrics_flush_interval } else { args.cache_loop });
            let mut expire = ticks(args.store_expiration_loop);
            let mut forget = ticks(args.cache_loop);
            loop {
                tokio::select! {
                    _ = flush.tick(), if flushes => stage.flush().await,
                    _ = expire.tick() => stage.expire(&args),
                    _ = forget.tick() => lock(&stage.graph).series.forget(Instant::now()),
                    told = cx.told() => {
                        if let Some(args) = told {
                            *lock(&stage.arguments) = args;
                            break;
                        }
                        let deadline = cx.deadline().unwrap_or_else(Instant::now);
                        stage.expire(&args);
                        if timeout_at(deadline, stage.flush()).await.is_err() {
                            tracing::warn!("the last metrics were not taken in time");
                        }
                        return ((), Ok(()));
                    }
                }
            }
        }
    }

    fn absorbs(old: &Self::Arguments, new: &Self::Arguments) -> bool {
        old.series_go_on_under(new)
    }
}

impl Stage {
    fn arguments(&self) -> Arc<ServiceGraphArguments> {
        Arc::clone(&lock(&self.arguments))
    }

    async fn flush(&self) {
        let args = self.arguments();
        let batches = {
            let graph = lock(&self.graph);
            let (series, bytes) = graph.series.size();
            self.meters.series.set(series as f64);
            self.meters.bytes.set(bytes as f64);
            graph.series.metrics(wall())
        };
        self.outlet.send(&args.output.metrics, batches).await;
    }

    fn expire(&self, args: &ServiceGraphArguments) {
        let counts = lock(&self.graph).expire(args, Instant::now());
        self.tell(&counts);
    }

    fn tell(&self, counts: &Counts) {
        self.edges.edges.add(counts.edges);
        self.edges.expired.add(counts.expired);
        self.edges.dropped.add(counts.dropped);
        self.meters.unnamed.add(counts.unnamed);
        self.meters.overflows.add(counts.overflows);
    }

    async fn take(&self, mut batch: Batch) -> Result<(), Refusal> {
        if batch.kind() != SignalKind::Traces {
            batch.take_receipt().release();
            return Err(Refusal::reject(format!("a service graph is made of traces, not of {}", batch.kind())));
        }
        let args = self.arguments();
        let counts = lock(&self.graph).take(&args, &batch, Instant::now());
        self.tell(&counts);
        // What was counted has arrived.
        batch.take_receipt().settle(Outcome::Delivered);
        if args.metrics_flush_interval.is_zero() {
            self.flush().await;
        }
        Ok(())
    }
}

impl Consume<Batch> for Stage {
    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(item))
    }

    fn kinds(&self) -> Kinds {
        Kinds(SignalKind::Traces.bit())
    }

    fn durable(&self) -> Vec<Durable> {
        durable(&self.arguments().output.metrics)
    }
}
