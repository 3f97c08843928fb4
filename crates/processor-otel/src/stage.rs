//! What the processors share: where they send, what they export, what they count.

use std::time::Duration;

use corten_component::metrics::{Counter, Histogram, MetricDoc, MetricKind, Scope};
use corten_component::{Consume, Refusal};
use corten_signal::otlp::{Batch, Edited, Message, OutputArguments, SignalKind};
use tokio::time::Instant;

const LABELS: &[&str] = &["processor", "otel_signal"];
const INCOMING: MetricDoc = MetricDoc {
    name: "otelcol_processor_incoming_items_total",
    kind: MetricKind::Counter,
    help: "Items that reached the processor.",
    labels: LABELS,
};
const OUTGOING: MetricDoc = MetricDoc {
    name: "otelcol_processor_outgoing_items_total",
    kind: MetricKind::Counter,
    help: "Items that the processor handed on.",
    labels: LABELS,
};
const DURATION: MetricDoc = MetricDoc {
    name: "otelcol_processor_internal_duration_seconds",
    kind: MetricKind::Histogram,
    help: "Time that the processor itself took for a request.",
    labels: LABELS,
};
const LOST: MetricDoc = MetricDoc {
    name: "corten_processor_lost_fields_total",
    kind: MetricKind::Counter,
    help: "Fields unknown to the specification that were lost because the request around them was edited.",
    labels: LABELS,
};
const SECONDS: [f64; 12] = [0.000_01, 0.000_05, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The metrics that every processor has.
pub(crate) const DOCS: [MetricDoc; 4] = [INCOMING, OUTGOING, DURATION, LOST];

struct Meters {
    incoming: Counter,
    outgoing: Counter,
    duration: Histogram,
    lost: Counter,
}

/// The way from a processor's port to its consumers.
pub(crate) struct Stage {
    output: OutputArguments,
    meters: [Option<Meters>; 4],
}

impl Stage {
    /// `kind` is the processor's type as metric labels name it: `attributes`.
    pub(crate) fn new(kind: &str, id: &str, output: OutputArguments, scope: &Scope) -> Self {
        let processor = format!("{kind}/{id}");
        let meters = SignalKind::ALL.map(|signal| {
            let labels = [("processor", processor.as_str()), ("otel_signal", signal.name())];
            let counter = |doc: &MetricDoc| scope.counter(doc.name, doc.help, &labels);
            output.of(signal).map(|_| Meters {
                incoming: counter(&INCOMING),
                outgoing: counter(&OUTGOING),
                duration: scope.histogram(DURATION.name, DURATION.help, &SECONDS, &labels),
                lost: counter(&LOST),
            })
        });
        Self { output, meters }
    }

    pub(crate) fn output(&self) -> &OutputArguments {
        &self.output
    }

    /// Edits a request (`None`: leaves it as it is) and hands it on.
    pub(crate) async fn pass(
        &self,
        mut batch: Batch,
        edit: Option<impl FnMut(&mut Message) -> bool>,
    ) -> Result<(), Refusal> {
        let kind = batch.kind();
        let meters = self.meters.get(kind as usize).and_then(Option::as_ref);
        let (Some(to), Some(meters)) = (self.output.of(kind), meters) else {
            batch.take_receipt().release();
            return Err(Refusal::reject(format!("the processor has no output for {kind}")));
        };
        meters.incoming.add(batch.items() as u64);
        if let Some(edit) = edit {
            let start = Instant::now();
            let (edited, Edited { lost_fields, .. }) = match batch.edit(edit) {
                Ok(edited) => edited,
                Err(mut error) => {
                    let message = error.to_string();
                    error.batch.take_receipt().release();
                    return Err(Refusal::reject(message));
                }
            };
            batch = edited;
            meters.lost.add(lost_fields as u64);
            observe(&meters.duration, start.elapsed());
        }
        let items = batch.items() as u64;
        to.consume(batch).await?;
        meters.outgoing.add(items);
        Ok(())
    }
}

fn observe(histogram: &Histogram, duration: Duration) {
    histogram.observe(duration.as_secs_f64());
}

/// No edit, where a type is needed.
pub(crate) fn unchanged() -> Option<fn(&mut Message) -> bool> {
    None
}
