//! The port and the life of an instance.

use std::sync::{Arc, Mutex, PoisonError};

use corten_component::metrics::{Counter, MetricDoc, MetricKind, Scope};
use corten_component::{BoxFuture, BuildContext, BuildError, Component, Consume, Exports, Outcome, Port, Refusal};
use corten_signal::otlp::{Batch, Message, SignalKind};
use corten_signal::samples::Samples;

use super::arguments::SamplesToOtlpArguments;
use super::translate::Translator;

/// `otelcol.receiver.prometheus`.
pub struct SamplesToOtlp;

/// What others refer to.
#[derive(Debug, Clone, PartialEq, Exports)]
pub struct ReceiverExports {
    /// Takes samples.
    pub receiver: Port<Samples>,
}

struct Stage {
    arguments: Arc<SamplesToOtlpArguments>,
    translator: Mutex<Translator>,
    meters: Meters,
}

struct Meters {
    points: Counter,
    malformed: Counter,
    incomplete: Counter,
}

const POINTS: MetricDoc = MetricDoc {
    name: "corten_bridge_points_total",
    kind: MetricKind::Counter,
    help: "Data points made and handed on.",
    labels: &[],
};
const DROPPED: MetricDoc = MetricDoc {
    name: "corten_bridge_dropped_samples_total",
    kind: MetricKind::Counter,
    help: "What was left out, by reason: buckets and quantiles that do not say which; histograms and summaries \
           without a count, or with buckets that do not fit together.",
    labels: &["reason"],
};

impl Meters {
    fn register(scope: &Scope) -> Self {
        let dropped = |reason| scope.counter(DROPPED.name, DROPPED.help, &[("reason", reason)]);
        Self {
            points: scope.counter(POINTS.name, POINTS.help, &[]),
            malformed: dropped("malformed"),
            incomplete: dropped("incomplete"),
        }
    }
}

impl Component for SamplesToOtlp {
    const NAME: &'static str = "otelcol.receiver.prometheus";
    const DOC: &'static str = "Turns samples of `prometheus.*` components into OTLP metrics.\n\n\
        `job` and `instance` become `service.name` and `service.instance.id`, the labels of `target_info` further \
        attributes of the resource, `otel_scope_*` the scope. Types come from the metadata of samples: counters become \
        sums, buckets, counts and sums one histogram, native histograms exponential ones; series of unknown type become \
        gauges. Names stay as they are. A sample that ends its series becomes a point that says that nothing was \
        recorded.";
    const METRICS: &'static [MetricDoc] = &[POINTS, DROPPED];
    type Arguments = SamplesToOtlpArguments;
    type Exports = ReceiverExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let meters = Meters::register(cx.metrics());
        let stage = Arc::new(Stage { arguments: args, translator: Mutex::default(), meters });
        Ok((Self, ReceiverExports { receiver: cx.port("receiver", stage) }))
    }
}

impl Stage {
    async fn take(&self, mut samples: Samples) -> Result<(), Refusal> {
        let translated = self.translator.lock().unwrap_or_else(PoisonError::into_inner).translate(&samples);
        self.meters.malformed.add(translated.malformed);
        self.meters.incomplete.add(translated.incomplete);
        let receipt = samples.take_receipt();
        let points = translated.points;
        if points == 0 {
            let dropped = translated.malformed + translated.incomplete > 0;
            receipt.settle(if dropped { Outcome::Dropped } else { Outcome::Delivered });
            return Ok(());
        }
        let bytes = Message::Metrics(translated.request).encode();
        let batch = Batch::new(SignalKind::Metrics, bytes.into(), points).with_receipt(receipt);
        self.arguments.output.metrics.consume(batch).await?;
        self.meters.points.add(points as u64);
        Ok(())
    }
}

impl Consume<Samples> for Stage {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        self.arguments.output.metrics.admit(bytes)
    }

    fn consume(&self, item: Samples) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(item))
    }
}
