//! The port and the life of an instance.

use std::sync::{Arc, Mutex};

use corten_component::metrics::{MetricDoc, Metrics as _};
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Durable, Kinds, Note, Outcome, Refusal, RunContext,
    RunError,
};
use corten_signal::otlp::{Batch, InputExports, SignalKind};
use tokio::time::{Instant, timeout_at};

use super::arguments::SpanMetricsArguments;
use super::state::{Now, State};
use crate::emit::{Outlet, durable};
use crate::metrics::Meters;
use crate::moment::{lock, ticks, wall};

/// `otelcol.connector.spanmetrics`.
pub struct SpanMetrics {
    stage: Arc<Stage>,
}

struct Stage {
    arguments: Mutex<Arc<SpanMetricsArguments>>,
    state: Mutex<State>,
    meters: Arc<Meters>,
    outlet: Outlet,
}

impl Component for SpanMetrics {
    const NAME: &'static str = "otelcol.connector.spanmetrics";
    const DOC: &'static str = "Counts spans and their durations by service, operation, kind and status.\n\n\
        The metrics are `<namespace>.calls`, `<namespace>.duration` and, if events are counted, `<namespace>.events`; \
        they leave every `metrics_flush_interval` and when the instance ends, with the attributes of the resource of \
        the spans. A new cumulative `calls` or `events` series is first sent as 0. Spans of which the trace state says \
        that they were sampled count for those that were left out.\n\n\
        Spans of resources without `service.name` are left out. The series take at most about 64 MiB: what would need \
        more is counted in one series of its resource with `otel.metric.overflow`. A reload keeps what was counted, \
        unless it changes what series are made of.";
    const METRICS: &'static [MetricDoc] = Meters::DOCS;
    type Arguments = SpanMetricsArguments;
    type Exports = InputExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let meters = Arc::new(Meters::register(cx.metrics(), &[]));
        let state = State::new(&args).map_err(BuildError::new)?;
        let stage = Arc::new(Stage {
            arguments: Mutex::new(args),
            state: Mutex::new(state),
            outlet: Outlet::new(Arc::clone(&meters)),
            meters,
        });
        let input = cx.port("input", stage.clone());
        Ok((Self { stage }, InputExports { input }))
    }

    async fn run(self, (): (), mut cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let stage = self.stage;
        loop {
            let mut flush = ticks(stage.arguments().metrics_flush_interval);
            loop {
                tokio::select! {
                    _ = flush.tick() => stage.flush(false).await,
                    told = cx.told() => {
                        if let Some(args) = told {
                            *lock(&stage.arguments) = args;
                            break;
                        }
                        let deadline = cx.deadline().unwrap_or_else(Instant::now);
                        if timeout_at(deadline, stage.flush(true)).await.is_err() {
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

    fn notes(args: &Self::Arguments) -> Vec<Note> {
        let deprecated = (args.dimensions_cache_size != 0).then(|| {
            Note::new(["dimensions_cache_size"], "dimensions_cache_size is deprecated and has no effect")
                .with_help("aggregation_cardinality_limit bounds the number of series")
        });
        deprecated.into_iter().collect()
    }
}

fn now() -> Now {
    Now { wall: wall(), instant: Instant::now() }
}

impl Stage {
    fn arguments(&self) -> Arc<SpanMetricsArguments> {
        Arc::clone(&lock(&self.arguments))
    }

    async fn flush(&self, last: bool) {
        let args = self.arguments();
        let batches = {
            let mut state = lock(&self.state);
            let batches = state.flush(&args, now(), last);
            self.show(&state);
            batches
        };
        self.outlet.send(&args.output.metrics, batches).await;
    }

    fn show(&self, state: &State) {
        let (series, bytes) = state.size();
        self.meters.series.set(series as f64);
        self.meters.bytes.set(bytes as f64);
    }
}

impl Consume<Batch> for Stage {
    fn consume(&self, mut item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        if item.kind() != SignalKind::Traces {
            item.take_receipt().release();
            let refusal = Refusal::reject(format!("span metrics are made of traces, not of {}", item.kind()));
            return Box::pin(std::future::ready(Err(refusal)));
        }
        let args = self.arguments();
        let taken = lock(&self.state).take(&args, &item, now());
        self.meters.unnamed.add(taken.unnamed);
        self.meters.overflows.add(taken.overflows);
        // What was counted has arrived.
        item.take_receipt().settle(Outcome::Delivered);
        Box::pin(std::future::ready(Ok(())))
    }

    fn kinds(&self) -> Kinds {
        Kinds(SignalKind::Traces.bit())
    }

    fn durable(&self) -> Vec<Durable> {
        durable(&self.arguments().output.metrics)
    }
}
