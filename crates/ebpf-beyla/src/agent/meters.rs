//! Self-metrics of `beyla.ebpf`.

use corten_component::metrics::{Counter, Gauge, MetricDoc, MetricKind, Scope};

use crate::record::Loss;

const EXCHANGES: &str = "corten_beyla_exchanges_total";
const EXCHANGES_HELP: &str = "Requests with their responses, by what became of them.";
const LOST: &str = "corten_beyla_lost_records_total";
const LOST_HELP: &str = "Records of the kernel that are missing, by reason.";
const THROTTLED: &str = "corten_beyla_throttled_exchanges_total";
const THROTTLED_HELP: &str = "Requests that were left out because a process exceeded its budget.";
const PROCESSES: &str = "corten_beyla_observed_processes";
const PROCESSES_HELP: &str = "Processes that are observed.";
const STREAMS: &str = "corten_beyla_streams";
const STREAMS_HELP: &str = "Connections that are followed.";
const DROPPED: &str = "corten_beyla_dropped_spans_total";
const DROPPED_HELP: &str = "Spans that were made and given up, by reason.";
const OVERFLOW: &str = "corten_beyla_series_overflow_total";
const OVERFLOW_HELP: &str = "Values that were not counted because there were too many series.";

/// All metrics, for the reference page.
pub const DOCS: &[MetricDoc] = &[
    MetricDoc { name: EXCHANGES, kind: MetricKind::Counter, help: EXCHANGES_HELP, labels: &["outcome"] },
    MetricDoc { name: LOST, kind: MetricKind::Counter, help: LOST_HELP, labels: &["reason"] },
    MetricDoc { name: THROTTLED, kind: MetricKind::Counter, help: THROTTLED_HELP, labels: &[] },
    MetricDoc { name: PROCESSES, kind: MetricKind::Gauge, help: PROCESSES_HELP, labels: &[] },
    MetricDoc { name: STREAMS, kind: MetricKind::Gauge, help: STREAMS_HELP, labels: &[] },
    MetricDoc { name: DROPPED, kind: MetricKind::Counter, help: DROPPED_HELP, labels: &["reason"] },
    MetricDoc { name: OVERFLOW, kind: MetricKind::Counter, help: OVERFLOW_HELP, labels: &[] },
];

/// The metrics of a node.
#[derive(Debug, Clone)]
pub struct Meters {
    /// A span and metrics, as far as they are wanted.
    pub told: Counter,
    /// Telemetry itself.
    pub telemetry: Counter,
    /// Left out as the file says.
    pub left_out: Counter,
    /// Of processes that no rule chose.
    pub of_others: Counter,
    /// Begun, and not to be followed to the end.
    pub incomplete: Counter,
    lost: [Counter; 6],
    /// Left out by a budget.
    pub throttled: Counter,
    /// Observed processes.
    pub processes: Gauge,
    /// Followed streams.
    pub streams: Gauge,
    /// Spans that no consumer took.
    pub refused: Counter,
    /// Spans for which the queue had no room.
    pub full: Counter,
    /// Values without a series.
    pub overflow: Counter,
}

const LOSSES: [(Loss, &str); 6] = [
    (Loss::RingFull, "ring_full"),
    (Loss::NoState, "no_state"),
    (Loss::Unreadable, "unreadable"),
    (Loss::Missed, "missed"),
    (Loss::Malformed, "malformed"),
    (Loss::QueueFull, "queue_full"),
];

impl Meters {
    /// Registers them, at zero.
    pub fn register(scope: &Scope) -> Self {
        let exchanges = |outcome| scope.counter(EXCHANGES, EXCHANGES_HELP, &[("outcome", outcome)]);
        let dropped = |reason| scope.counter(DROPPED, DROPPED_HELP, &[("reason", reason)]);
        Self {
            told: exchanges("told"),
            telemetry: exchanges("telemetry"),
            left_out: exchanges("left_out"),
            of_others: exchanges("other_process"),
            incomplete: exchanges("incomplete"),
            lost: LOSSES.map(|(_, reason)| scope.counter(LOST, LOST_HELP, &[("reason", reason)])),
            throttled: scope.counter(THROTTLED, THROTTLED_HELP, &[]),
            processes: scope.gauge(PROCESSES, PROCESSES_HELP, &[]),
            streams: scope.gauge(STREAMS, STREAMS_HELP, &[]),
            refused: dropped("refused"),
            full: dropped("queue_full"),
            overflow: scope.counter(OVERFLOW, OVERFLOW_HELP, &[]),
        }
    }

    /// Records that are missing for a reason.
    pub fn lost(&self, reason: Loss) -> &Counter {
        let at = LOSSES.iter().position(|(known, _)| *known == reason).unwrap_or_default();
        &self.lost[at]
    }
}
