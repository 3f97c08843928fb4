//! What may be counted of a queue, under our names and under those that dashboards already read.

use std::sync::Arc;

use corten_component::Metrics;
use corten_component::metrics::{Counter, Gauge, Histogram, MetricDoc, MetricKind, Metrics, Scope};

use crate::Payload;

/// Why an item was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full and something newer came.
    Overflow,
    /// The process's byte budget was spent.
    Memory,
    /// The destination did not take it within `max_elapsed_time`.
    Expired,
    /// The destination did not take it, and `retry_on_failure` is off.
    RetryDisabled,
    /// It could not be sent at all.
    SendFailed,
    /// Its sender, who waited for the result, has gone.
    Withdrawn,
    /// The process ended, or the component was removed.
    Shutdown,
    /// It could neither be written to the disk nor kept in memory.
    DiskFull,
    /// It was on disk, and cannot be read any more.
    Damaged,
}

impl DropReason {
    pub(crate) const ALL: [Self; 9] = [
        Self::Overflow,
        Self::Memory,
        Self::Expired,
        Self::RetryDisabled,
        Self::SendFailed,
        Self::Withdrawn,
        Self::Shutdown,
        Self::DiskFull,
        Self::Damaged,
    ];

    /// The label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Memory => "memory",
            Self::Expired => "expired",
            Self::RetryDisabled => "retry_disabled",
            Self::SendFailed => "send_failed",
            Self::Withdrawn => "withdrawn",
            Self::Shutdown => "shutdown",
            Self::DiskFull => "disk_full",
            Self::Damaged => "damaged",
        }
    }
}

/// Upper bounds of batch sizes in items, as dashboards of the OpenTelemetry Collector expect them.
const ITEM_BOUNDS: [f64; 22] = [
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 1e4, 2e4, 3e4,
    5e4, 1e5,
];

/// The same in bytes.
const BYTE_BOUNDS: [f64; 20] =
    [10.0, 100.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 3e5, 5e5, 7e5, 1e6, 2e6, 3e6, 4e6, 5e6, 7e6, 9e6];

#[derive(Metrics)]
pub(crate) struct LaneMetrics {
    /// Items that the destination's queue has taken.
    #[metric(name = "corten_delivery_accepted_items_total", labels = ["exporter", "data_type"])]
    pub(crate) accepted: Counter,
    /// Items that the destination has confirmed.
    #[metric(name = "corten_delivery_delivered_items_total", labels = ["exporter", "data_type"])]
    pub(crate) delivered: Counter,
    /// Items that the destination will never take, by its own word.
    #[metric(name = "corten_delivery_rejected_items_total", labels = ["exporter", "data_type"])]
    pub(crate) rejected: Counter,
    /// Items that wait or are under way.
    #[metric(name = "corten_delivery_queued_items", labels = ["exporter", "data_type"])]
    pub(crate) queued: Gauge,
    /// Items that were handed back to their sender.
    #[metric(name = "corten_delivery_refused_items_total", labels = ["exporter", "data_type"])]
    pub(crate) refused: Counter,
    /// Attempts that failed and are made again.
    #[metric(name = "corten_delivery_retries_total", labels = ["exporter", "data_type"])]
    pub(crate) retries: Counter,
    /// Whether the destination is being waited for (1) or takes data (0).
    #[metric(name = "corten_delivery_paused", labels = ["exporter", "data_type"])]
    pub(crate) paused: Gauge,
    /// What waits or is under way, in units of the queue's sizer.
    #[metric(name = "otelcol_exporter_queue_size", labels = ["exporter", "data_type"])]
    pub(crate) queue_size: Gauge,
    /// What may wait, in units of the queue's sizer.
    #[metric(name = "otelcol_exporter_queue_capacity", labels = ["exporter", "data_type"])]
    pub(crate) queue_capacity: Gauge,
    /// Requests under way.
    #[metric(name = "otelcol_exporter_in_flight_requests", labels = ["exporter", "data_type"])]
    pub(crate) in_flight: Gauge,
    /// Items of what enters the queue.
    #[metric(name = "otelcol_exporter_enqueue_size", labels = ["exporter", "data_type"], buckets = ITEM_BOUNDS)]
    pub(crate) enqueue_size: Histogram,
    /// Items of what is sent.
    #[metric(
        name = "otelcol_exporter_queue_batch_send_size",
        labels = ["exporter", "data_type"],
        buckets = ITEM_BOUNDS
    )]
    pub(crate) send_size: Histogram,
    /// Bytes of what is sent, before compression.
    #[metric(
        name = "otelcol_exporter_queue_batch_send_size_bytes",
        labels = ["exporter", "data_type"],
        buckets = BYTE_BOUNDS
    )]
    pub(crate) send_bytes: Histogram,
}

#[derive(Metrics)]
struct Dropped {
    /// Items that were given up, by reason.
    #[metric(name = "corten_delivery_dropped_items_total", labels = ["exporter", "data_type", "reason"])]
    items: Counter,
}

/// A lane's metrics with those whose name depends on the signal.
pub(crate) struct Lane {
    pub(crate) own: LaneMetrics,
    dropped: [Counter; DropReason::ALL.len()],
    pub(crate) sent: Counter,
    pub(crate) send_failed: Counter,
    pub(crate) enqueue_failed: Counter,
}

/// The metrics of a queue; they belong to the node and outlive the instance.
pub struct QueueMetrics {
    pub(crate) lanes: Vec<Lane>,
}

macro_rules! named {
    ($($name:literal: $help:literal),* $(,)?) => {
        [$(MetricDoc { name: $name, kind: MetricKind::Counter, help: $help, labels: &["exporter"] }),*]
    };
}

const NAMED: [MetricDoc; 9] = named! {
    "otelcol_exporter_sent_spans_total": "Spans sent.",
    "otelcol_exporter_sent_metric_points_total": "Metric points sent.",
    "otelcol_exporter_sent_log_records_total": "Log records sent.",
    "otelcol_exporter_send_failed_spans_total": "Spans given up while sending.",
    "otelcol_exporter_send_failed_metric_points_total": "Metric points given up while sending.",
    "otelcol_exporter_send_failed_log_records_total": "Log records given up while sending.",
    "otelcol_exporter_enqueue_failed_spans_total": "Spans for which the queue had no room.",
    "otelcol_exporter_enqueue_failed_metric_points_total": "Metric points for which the queue had no room.",
    "otelcol_exporter_enqueue_failed_log_records_total": "Log records for which the queue had no room.",
};

const DOCS: [MetricDoc; LaneMetrics::DOCS.len() + 1 + NAMED.len()] = {
    let mut all = [Dropped::DOCS[0]; LaneMetrics::DOCS.len() + 1 + NAMED.len()];
    let mut i = 0;
    while i < LaneMetrics::DOCS.len() {
        all[i + 1] = LaneMetrics::DOCS[i];
        i += 1;
    }
    let mut j = 0;
    while j < NAMED.len() {
        all[1 + i + j] = NAMED[j];
        j += 1;
    }
    all
};

impl QueueMetrics {
    /// The declaration, for reference pages.
    pub const DOCS: &'static [MetricDoc] = &DOCS;

    /// The metrics of the data types that `takes` names by their place, at zero if new. `exporter` is the label's
    /// value (`otlp_http/otelcol.exporter.otlphttp.x`).
    pub fn register<T: Payload>(scope: &Scope, exporter: &str, takes: impl Fn(usize) -> bool) -> Arc<Self> {
        let hidden = Scope::default();
        let lanes = T::DATA_TYPES.iter().enumerate().map(|(place, data_type)| {
            // A lane that never gets anything has counters that nobody sees.
            let scope = if takes(place) { scope } else { &hidden };
            let labels = [("exporter", exporter), ("data_type", data_type.name)];
            let named = |what: &str, help: &str| {
                let name = format!("otelcol_exporter_{what}_{}_total", data_type.items);
                let help = NAMED.iter().find(|doc| doc.name == name).map_or(help, |doc| doc.help);
                scope.counter(&name, help, &labels[..1])
            };
            Lane {
                own: LaneMetrics::register(scope, &labels),
                dropped: DropReason::ALL.map(|reason| {
                    let labels = [labels[0], labels[1], ("reason", reason.as_str())];
                    Dropped::register(scope, &labels).items
                }),
                sent: named("sent", "Items sent."),
                send_failed: named("send_failed", "Items given up while sending."),
                enqueue_failed: named("enqueue_failed", "Items for which the queue had no room."),
            }
        });
        Arc::new(Self { lanes: lanes.collect() })
    }
}

impl Lane {
    pub(crate) fn dropped(&self, reason: DropReason) -> &Counter {
        &self.dropped[reason as usize]
    }
}

impl std::fmt::Debug for QueueMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueMetrics").finish_non_exhaustive()
    }
}
