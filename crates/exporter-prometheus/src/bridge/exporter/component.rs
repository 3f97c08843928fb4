//! The port and the life of an instance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corten_component::metrics::{Counter, Gauge, MetricDoc, MetricKind, Scope};
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Kinds, Note, Outcome, Refusal, RunContext, RunError,
};
use corten_signal::otlp::{Batch, InputExports, SignalKind};
use corten_signal::samples::Samples;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::arguments::OtlpToSamplesArguments;
use super::convert::{Converted, Converter, Now};
use super::points::Drops;

/// `otelcol.exporter.prometheus`.
pub struct OtlpToSamples {
    stage: Arc<Stage>,
}

struct Stage {
    arguments: Mutex<Arc<OtlpToSamplesArguments>>,
    converter: Mutex<Converter>,
    meters: Meters,
}

struct Meters {
    samples: Counter,
    series: Gauge,
    bytes: Gauge,
    temporality: Counter,
    old: Counter,
    shape: Counter,
    full: Counter,
}

const SAMPLES: MetricDoc =
    MetricDoc { name: "corten_bridge_samples_total", kind: MetricKind::Counter, help: "Samples made.", labels: &[] };
const SERIES: MetricDoc = MetricDoc {
    name: "corten_bridge_series",
    kind: MetricKind::Gauge,
    help: "Series whose last time, or whose sum, is remembered.",
    labels: &[],
};
const BYTES: MetricDoc = MetricDoc {
    name: "corten_bridge_state_bytes",
    kind: MetricKind::Gauge,
    help: "Bytes that this takes, about.",
    labels: &[],
};
const DROPPED: MetricDoc = MetricDoc {
    name: "corten_bridge_dropped_points_total",
    kind: MetricKind::Counter,
    help: "Points left out, by reason: of a temporality that Prometheus does not have, older than the last of their \
           series, histograms that cannot be native ones, differences for whose sums there was no room.",
    labels: &["reason"],
};

impl Meters {
    fn register(scope: &Scope) -> Self {
        let dropped = |reason| scope.counter(DROPPED.name, DROPPED.help, &[("reason", reason)]);
        Self {
            samples: scope.counter(SAMPLES.name, SAMPLES.help, &[]),
            series: scope.gauge(SERIES.name, SERIES.help, &[]),
            bytes: scope.gauge(BYTES.name, BYTES.help, &[]),
            temporality: dropped("temporality"),
            old: dropped("old"),
            shape: dropped("shape"),
            full: dropped("full"),
        }
    }

    fn count(&self, drops: Drops) {
        self.temporality.add(drops.temporality);
        self.old.add(drops.old);
        self.shape.add(drops.shape);
        self.full.add(drops.full);
        if drops != Drops::default() {
            tracing::debug!(?drops, "points are left out");
        }
    }
}

impl Component for OtlpToSamples {
    const NAME: &'static str = "otelcol.exporter.prometheus";
    const DOC: &'static str = "Turns OTLP metrics into samples for `prometheus.*` components.\n\n\
        `job` is made of `service.namespace` and `service.name`, `instance` of `service.instance.id`; other attributes \
        of a resource are labels of its `target_info`. Names lose what may not stand in them and end in unit and type. \
        Sums that never fall become counters, other cumulative sums gauges, exponential histograms native ones. Sums \
        and histograms that come as differences (delta temporality) are added up; differences of sums that may fall \
        are dropped. A point that says that nothing was recorded ends its series. Points older than the last of their \
        series are dropped.\n\n\
        What is remembered of series takes at most 64 MiB, survives a reload, and is forgotten 5 minutes after a series \
        was last seen. Beyond that limit order is not checked, and differences are dropped.";
    const METRICS: &'static [MetricDoc] = &[SAMPLES, SERIES, BYTES, DROPPED];
    type Arguments = OtlpToSamplesArguments;
    type Exports = InputExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let meters = Meters::register(cx.metrics());
        let stage = Arc::new(Stage { arguments: Mutex::new(args), converter: Mutex::default(), meters });
        let input = cx.port("input", stage.clone());
        Ok((Self { stage }, InputExports { input }))
    }

    async fn run(self, (): (), mut cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let stage = self.stage;
        loop {
            let every = stage.arguments().gc_frequency;
            let mut ticks = interval_at(Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => stage.forget(),
                    told = cx.told() => {
                        let Some(args) = told else { return ((), Ok(())) };
                        *lock(&stage.arguments) = args;
                        break;
                    }
                }
            }
        }
    }

    /// Series are remembered by their labels, whatever made them.
    fn absorbs(_old: &Self::Arguments, _new: &Self::Arguments) -> bool {
        true
    }

    fn notes(args: &Self::Arguments) -> Vec<Note> {
        let shown = args.include_scope_labels == Some(true);
        let note = shown.then(|| {
            Note::new(["include_scope_labels"], "series have otel_scope_name and otel_scope_version")
                .with_help("Alloy accepts include_scope_labels = true and adds no labels; leave it out to have none")
        });
        note.into_iter().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Now { wall: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX), instant: Instant::now() }
}

impl Stage {
    fn arguments(&self) -> Arc<OtlpToSamplesArguments> {
        Arc::clone(&lock(&self.arguments))
    }

    fn forget(&self) {
        let mut converter = lock(&self.converter);
        converter.forget(Instant::now());
        self.show(&converter);
    }

    fn show(&self, converter: &Converter) {
        let (series, bytes) = converter.size();
        self.meters.series.set(series as f64);
        self.meters.bytes.set(bytes as f64);
    }

    fn convert(&self, args: &OtlpToSamplesArguments, batch: &Batch) -> Converted {
        let mut converter = lock(&self.converter);
        let converted = converter.convert(args, batch, now());
        self.show(&converter);
        converted
    }

    async fn take(&self, mut batch: Batch) -> Result<(), Refusal> {
        let receipt = batch.take_receipt();
        if batch.kind() != SignalKind::Metrics {
            receipt.release();
            return Err(Refusal::reject(format!("samples are made of metrics, not of {}", batch.kind())));
        }
        let args = self.arguments();
        let Converted { rows, exemplars, drops } = self.convert(&args, &batch);
        self.meters.count(drops);
        if rows.is_empty() {
            receipt.settle(if batch.items() == 0 { Outcome::Delivered } else { Outcome::Dropped });
            return Ok(());
        }
        let made = rows.len() as u64;
        drop(batch);
        let samples = Samples::with_exemplars(rows, exemplars).with_receipt(receipt);
        args.forward_to.consume(samples.with_honored_metadata(args.honor_metadata)).await?;
        self.meters.samples.add(made);
        Ok(())
    }
}

impl Consume<Batch> for Stage {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        self.arguments().forward_to.admit(bytes)
    }

    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(item))
    }

    fn kinds(&self) -> Kinds {
        Kinds(SignalKind::Metrics.bit())
    }
}
