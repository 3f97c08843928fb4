//! Self-metrics, under the names that dashboards of the OpenTelemetry Collector and Alloy read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use corten_component::Metrics;
use corten_component::metrics::{Counter, Gauge, Histogram, MetricDoc, MetricKind, Metrics as _, Scope};
use corten_delivery::Holder;
use corten_signal::otlp::{Batch, KindSet, SignalKind};
use tokio::time::Instant;

const SIZES: [f64; 22] = [
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0, 7000.0, 8000.0,
    9000.0, 10000.0, 20000.0, 30000.0, 50000.0, 100_000.0,
];

/// Powers of two from 128 B to 16 MiB.
const BYTES: [f64; 18] = [
    128.0,
    256.0,
    512.0,
    1024.0,
    2048.0,
    4096.0,
    8192.0,
    16384.0,
    32768.0,
    65536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
    2_097_152.0,
    4_194_304.0,
    8_388_608.0,
    16_777_216.0,
];

#[derive(Metrics)]
pub(crate) struct BatchMetrics {
    /// Items in each batch sent.
    #[metric(name = "otelcol_processor_batch_batch_send_size", labels = ["processor"], buckets = SIZES)]
    pub(crate) send_size: Histogram,
    /// Bytes of each batch sent, as uncompressed protobuf.
    #[metric(name = "otelcol_processor_batch_batch_send_size_bytes", labels = ["processor"], buckets = BYTES)]
    pub(crate) send_bytes: Histogram,
    /// Batches sent because they were full.
    #[metric(name = "otelcol_processor_batch_batch_size_trigger_send_total", labels = ["processor"])]
    pub(crate) by_size: Counter,
    /// Batches sent because the timeout had passed.
    #[metric(name = "otelcol_processor_batch_timeout_trigger_send_total", labels = ["processor"])]
    pub(crate) by_timeout: Counter,
    /// Combinations of metadata values that are batched apart.
    #[metric(name = "otelcol_processor_batch_metadata_cardinality", labels = ["processor"])]
    pub(crate) cardinality: Gauge,
}

const INCOMING: &str = "otelcol_processor_incoming_items_total";
const INCOMING_HELP: &str = "Items that the processor took.";
const OUTGOING: &str = "otelcol_processor_outgoing_items_total";
const OUTGOING_HELP: &str = "Items that the processor handed on.";
const DROPPED: &str = "otelcol_processor_dropped_items_total";
const DROPPED_HELP: &str = "Items that the processor took and had to give up, by reason.";

/// All metrics, for the reference page.
pub(crate) const DOCS: &[MetricDoc] = &{
    let own = BatchMetrics::DOCS;
    let labels: &[&str] = &["processor", "otel_signal"];
    [
        own[0],
        own[1],
        own[2],
        own[3],
        own[4],
        MetricDoc { name: INCOMING, kind: MetricKind::Counter, help: INCOMING_HELP, labels },
        MetricDoc { name: OUTGOING, kind: MetricKind::Counter, help: OUTGOING_HELP, labels },
        MetricDoc {
            name: DROPPED,
            kind: MetricKind::Counter,
            help: DROPPED_HELP,
            labels: &["processor", "otel_signal", "reason"],
        },
        Holder::<Batch>::DOCS[0],
        Holder::<Batch>::DOCS[1],
        Holder::<Batch>::DOCS[2],
        Holder::<Batch>::DOCS[3],
    ]
};

/// Why items were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// No consumer took the batch, for as long as it was tried.
    Refused,
    /// The process ended, or the stage was removed, while they waited.
    Shutdown,
}

/// The counters of one signal.
#[derive(Clone)]
pub(crate) struct Items {
    pub(crate) incoming: Counter,
    pub(crate) outgoing: Counter,
    refused: Counter,
    shutdown: Counter,
}

impl Items {
    pub(crate) fn dropped(&self, reason: DropReason) -> &Counter {
        match reason {
            DropReason::Refused => &self.refused,
            DropReason::Shutdown => &self.shutdown,
        }
    }
}

/// The metrics of an instance.
pub(crate) struct Meters {
    pub(crate) batch: BatchMetrics,
    items: [Option<Items>; 4],
    warned: Mutex<Warned>,
}

#[derive(Default)]
struct Warned {
    last: Option<Instant>,
    suppressed: u64,
}

/// At most one warning in this time; the next says how many were left out.
const WARN_EVERY: Duration = Duration::from_secs(10);

impl Meters {
    pub(crate) fn register(scope: &Scope, processor: &str, kinds: KindSet) -> Self {
        let items = SignalKind::ALL.map(|kind| {
            let labels = [("processor", processor), ("otel_signal", kind.name())];
            let scope = scope.with(&labels);
            let dropped = |reason| scope.counter(DROPPED, DROPPED_HELP, &[("reason", reason)]);
            kinds.contains(kind).then(|| Items {
                incoming: scope.counter(INCOMING, INCOMING_HELP, &[]),
                outgoing: scope.counter(OUTGOING, OUTGOING_HELP, &[]),
                refused: dropped("refused"),
                shutdown: dropped("shutdown"),
            })
        });
        let batch = BatchMetrics::register(scope, &[("processor", processor)]);
        Self { batch, items, warned: Mutex::default() }
    }

    /// The counters of a signal that is served.
    pub(crate) fn items(&self, kind: SignalKind) -> Option<&Items> {
        self.items.get(kind as usize).and_then(Option::as_ref)
    }

    /// Whether a warning is due, and how many were left out since the last.
    pub(crate) fn may_warn(&self) -> Option<u64> {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if warned.last.is_some_and(|last| now.duration_since(last) < WARN_EVERY) {
            warned.suppressed += 1;
            return None;
        }
        warned.last = Some(now);
        Some(std::mem::take(&mut warned.suppressed))
    }
}
