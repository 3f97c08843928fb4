//! The port and the life of an instance.

use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::{Counter, MetricDoc, MetricKind, Scope};
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Outcome, Refusal, RunContext, RunError,
};
use corten_signal::otlp::{Batch, InputExports, SignalKind};
use tokio::sync::mpsc;

use crate::arguments::DebugArguments;
use crate::sampler::Sampler;
use crate::text;
use crate::writer::{self, Command, Job, Outputs, Room, WAIT_FOR_ROOM};

/// Longer texts become several log records: journald divides lines at 48 KiB anyway, in the middle of a word.
const RECORD_BYTES: usize = 32 << 10;

/// `otelcol.exporter.debug`.
pub struct Debug {
    arguments: Arc<DebugArguments>,
    commands: mpsc::Sender<Command>,
    receiver: mpsc::Receiver<Command>,
}

impl Component for Debug {
    const NAME: &'static str = "otelcol.exporter.debug";
    const DOC: &'static str = "Writes what reaches it as text.\n\n\
        For looking at a pipeline: names, ids and attributes appear as they are, with control characters escaped. \
        The text itself may change between versions.";
    const METRICS: &'static [MetricDoc] = DOCS;
    type Arguments = DebugArguments;
    type Exports = InputExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let (commands, receiver) = writer::channel();
        let exporter = Exporter {
            id: cx.id().to_string(),
            arguments: Arc::clone(&args),
            sampler: Sampler::new(args.sampling_initial, args.sampling_thereafter),
            counters: counters(cx.metrics(), &format!("debug/{}", cx.id().local())),
            commands: commands.clone(),
            room: Room::default(),
        };
        let input = cx.port("input", Arc::new(exporter));
        Ok((Self { arguments: args, commands, receiver }, InputExports { input }))
    }

    async fn run(self, (): (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        if self.arguments.use_internal_logger {
            cx.stopping().await;
            return ((), Ok(()));
        }
        let outputs = match Outputs::open(&self.arguments.output_paths) {
            Ok(outputs) => outputs,
            Err(message) => return ((), Err(RunError::new(message))),
        };
        let receiver = self.receiver;
        let writing = tokio::task::spawn_blocking(move || writer::run(outputs, receiver));
        cx.stopping().await;
        // Behind everything that was admitted. If the thread is stuck, the engine's deadline ends the wait.
        let _ = self.commands.send(Command::Stop).await;
        let _ = writing.await;
        ((), Ok(()))
    }
}

struct Exporter {
    id: String,
    arguments: Arc<DebugArguments>,
    sampler: Sampler,
    counters: [Counters; 4],
    commands: mpsc::Sender<Command>,
    room: Room,
}

impl Exporter {
    async fn take(&self, mut batch: Batch) -> Result<(), Refusal> {
        let rendered = text::render(&batch, self.arguments.verbosity);
        let Some(counters) = self.counters.get(batch.kind() as usize).cloned() else {
            return Err(Refusal::reject("an unknown signal"));
        };
        let items = batch.items() as u64;
        if self.arguments.use_internal_logger {
            for record in rendered.records(RECORD_BYTES) {
                if self.sampler.passes(rendered.sampled_as(&record)) {
                    tracing::info!(component_id = %self.id, "{record}");
                }
            }
            batch.take_receipt().settle(Outcome::Delivered);
            counters.sent.add(items);
            return Ok(());
        }
        let mut text = String::new();
        for record in rendered.records(usize::MAX) {
            if self.sampler.passes(rendered.sampled_as(&record)) {
                text.push_str(&record);
                text.push('\n');
            }
        }
        let room = async { Some((self.room.of(text.len()).await?, self.commands.reserve().await.ok()?)) };
        let (bytes, place) = match tokio::time::timeout(WAIT_FOR_ROOM, room).await {
            Ok(Some(room)) => room,
            stopped_or_slow => {
                batch.take_receipt().release();
                let why = match stopped_or_slow {
                    Ok(_) => "the debug exporter has stopped writing",
                    Err(_) => "the debug exporter cannot write fast enough",
                };
                return Err(Refusal::Retry { after: Some(Duration::from_secs(1)), why: why.into() });
            }
        };
        let done = move |written| {
            if written {
                counters.sent.add(items)
            } else {
                counters.failed.add(items)
            }
            drop(bytes);
        };
        place.send(Command::Write(Job::new(text, batch.take_receipt(), done)));
        Ok(())
    }
}

impl Consume<Batch> for Exporter {
    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(item))
    }
}

#[derive(Clone)]
struct Counters {
    sent: Counter,
    failed: Counter,
}

const SENT: [&str; 4] = [
    "otelcol_exporter_sent_spans_total",
    "otelcol_exporter_sent_metric_points_total",
    "otelcol_exporter_sent_log_records_total",
    "otelcol_exporter_sent_profiles_total",
];
const FAILED: [&str; 4] = [
    "otelcol_exporter_send_failed_spans_total",
    "otelcol_exporter_send_failed_metric_points_total",
    "otelcol_exporter_send_failed_log_records_total",
    "otelcol_exporter_send_failed_profiles_total",
];
const SENT_HELP: &str = "Items written.";
const FAILED_HELP: &str = "Items that could not be written.";

const fn doc(name: &'static str, help: &'static str) -> MetricDoc {
    MetricDoc { name, kind: MetricKind::Counter, help, labels: &["exporter"] }
}

const DOCS: &[MetricDoc] = &[
    doc(SENT[0], SENT_HELP),
    doc(SENT[1], SENT_HELP),
    doc(SENT[2], SENT_HELP),
    doc(SENT[3], SENT_HELP),
    doc(FAILED[0], FAILED_HELP),
    doc(FAILED[1], FAILED_HELP),
    doc(FAILED[2], FAILED_HELP),
    doc(FAILED[3], FAILED_HELP),
];

fn counters(scope: &Scope, exporter: &str) -> [Counters; 4] {
    SignalKind::ALL.map(|kind| Counters {
        sent: scope.counter(SENT[kind as usize], SENT_HELP, &[("exporter", exporter)]),
        failed: scope.counter(FAILED[kind as usize], FAILED_HELP, &[("exporter", exporter)]),
    })
}
