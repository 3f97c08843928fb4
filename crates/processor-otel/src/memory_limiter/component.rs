//! Looking at memory, and refusing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corten_component::metrics::{Counter, MetricDoc, MetricKind, Scope};
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Durable, Health, Kinds, Refusal, RunContext, RunError,
};
use corten_delivery::Budget;
use corten_signal::otlp::{Batch, SignalKind};
use tokio::time::{MissedTickBehavior, interval};

use super::arguments::{Limit, MemoryLimiterArguments};
use super::memory::{resident_under, total_under};
use crate::InputExports;
use crate::stage::{self, Stage, unchanged};

/// What the process takes besides telemetry.
const PROGRAM: u64 = 60 << 20;

const REFUSED: &str = "data refused due to high memory usage";

/// `otelcol.processor.memory_limiter`.
pub struct MemoryLimiter {
    check_interval: Duration,
    limit: Limit,
    gate: Arc<Gate>,
}

struct Gate {
    stage: Stage,
    refusing: AtomicBool,
    check_interval: Duration,
    counters: [(Counter, Counter); 4],
}

impl Component for MemoryLimiter {
    const NAME: &'static str = "otelcol.processor.memory_limiter";
    const DOC: &'static str = "Refuses data while memory is short.\n\n\
        At each `check_interval` the memory of the process is compared with the limit less the spike limit. Above it, \
        data is refused so that senders try again. What counts is the resident set, but not memory that was freed and \
        is only kept by the allocator: at most the telemetry held (the process-wide budget) and 60 MiB for the \
        program.";
    const METRICS: &'static [MetricDoc] = DOCS;
    type Arguments = MemoryLimiterArguments;
    type Exports = InputExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let total = match (args.limit.0, total_under(Path::new("/"))) {
            (0, None) => {
                let message = "the machine's memory cannot be read from /proc/meminfo";
                return Err(BuildError::at("limit_percentage", message).with_help("write limit instead"));
            }
            (_, total) => total.unwrap_or_default(),
        };
        let stage = Stage::new("memory_limiter", cx.id().local(), args.output.clone(), cx.metrics());
        let gate = Arc::new(Gate {
            stage,
            refusing: AtomicBool::new(false),
            check_interval: args.check_interval,
            counters: counters(cx.metrics(), &format!("memory_limiter/{}", cx.id().local())),
        });
        let input = cx.port("input", gate.clone());
        let (check_interval, limit) = (args.check_interval, args.limit_of(total));
        Ok((Self { check_interval, limit, gate }, InputExports { input }))
    }

    async fn run(self, (): (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let budget = cx.service::<Budget>();
        let mut ticks = interval(self.check_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = cx.stopping() => return ((), Ok(())),
            }
            let resident = resident_under(Path::new("/"));
            let used = usage(resident, budget.as_ref().map(|budget| budget.used() as u64));
            self.gate.look(used, self.limit, cx.health());
        }
    }
}

/// The bytes that count. Freed memory that the allocator keeps is in the resident set, but will be used again before
/// the process grows.
fn usage(resident: Option<u64>, held: Option<u64>) -> u64 {
    let accounted = held.map(|held| held.saturating_add(PROGRAM));
    [resident, accounted].into_iter().flatten().min().unwrap_or_default()
}

impl Gate {
    fn look(&self, used: u64, limit: Limit, health: &Health) {
        let refuse = used >= limit.soft;
        let (used, soft, hard) = (used >> 20, limit.soft >> 20, limit.hard >> 20);
        if refuse {
            health.unhealthy(format!("refusing data: {soft} MiB of memory are reached (limit {hard} MiB)"));
        } else {
            health.healthy("memory is within limits");
        }
        if self.refusing.swap(refuse, Ordering::Relaxed) == refuse {
            return;
        }
        if refuse {
            tracing::warn!(used_mib = used, soft_limit_mib = soft, limit_mib = hard, "memory is short: refusing data");
        } else {
            tracing::info!(used_mib = used, soft_limit_mib = soft, "memory is within limits again: taking data");
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        let after = Some(self.check_interval.max(Duration::from_secs(1)));
        self.refusing.load(Ordering::Relaxed).then(|| Refusal::Retry { after, why: REFUSED.into() })
    }

    async fn take(&self, mut batch: Batch) -> Result<(), Refusal> {
        let items = batch.items() as u64;
        let counters = self.counters.get(batch.kind() as usize);
        if let Some(refusal) = self.refusal() {
            if let Some((_, refused)) = counters {
                refused.add(items);
            }
            batch.take_receipt().release();
            return Err(refusal);
        }
        self.stage.pass(batch, unchanged()).await?;
        if let Some((accepted, _)) = counters {
            accepted.add(items);
        }
        Ok(())
    }
}

impl Consume<Batch> for Gate {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        match self.refusal() {
            Some(refusal) => Err(refusal),
            None => self.stage.output().admit(bytes),
        }
    }

    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(item))
    }

    fn kinds(&self) -> Kinds {
        self.stage.output().kinds().into()
    }

    fn durable(&self) -> Vec<Durable> {
        self.stage.output().durable()
    }
}

const ACCEPTED: [&str; 3] = [
    "otelcol_processor_memory_limiter_accepted_spans_total",
    "otelcol_processor_memory_limiter_accepted_metric_points_total",
    "otelcol_processor_memory_limiter_accepted_log_records_total",
];
const REFUSED_NAMES: [&str; 3] = [
    "otelcol_processor_memory_limiter_refused_spans_total",
    "otelcol_processor_memory_limiter_refused_metric_points_total",
    "otelcol_processor_memory_limiter_refused_log_records_total",
];
const ACCEPTED_HELP: &str = "Items handed on.";
const REFUSED_HELP: &str = "Items refused because memory was short.";

const fn doc(name: &'static str, help: &'static str) -> MetricDoc {
    MetricDoc { name, kind: MetricKind::Counter, help, labels: &["processor"] }
}

const DOCS: &[MetricDoc] = &[
    doc(ACCEPTED[0], ACCEPTED_HELP),
    doc(ACCEPTED[1], ACCEPTED_HELP),
    doc(ACCEPTED[2], ACCEPTED_HELP),
    doc(REFUSED_NAMES[0], REFUSED_HELP),
    doc(REFUSED_NAMES[1], REFUSED_HELP),
    doc(REFUSED_NAMES[2], REFUSED_HELP),
    stage::DOCS[0],
    stage::DOCS[1],
    stage::DOCS[2],
    stage::DOCS[3],
];

fn counters(scope: &Scope, processor: &str) -> [(Counter, Counter); 4] {
    let labels = [("processor", processor)];
    SignalKind::ALL.map(|kind| match (ACCEPTED.get(kind as usize), REFUSED_NAMES.get(kind as usize)) {
        (Some(accepted), Some(refused)) => {
            (scope.counter(accepted, ACCEPTED_HELP, &labels), scope.counter(refused, REFUSED_HELP, &labels))
        }
        // Profiles have no output.
        _ => (Counter::default(), Counter::default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Sink, logs, output};
    use corten_component::metrics::Registry;

    #[test]
    fn memory_that_the_allocator_keeps_does_not_count() {
        assert_eq!(usage(Some(500 << 20), Some(10 << 20)), 70 << 20);
        assert_eq!(usage(Some(50 << 20), Some(10 << 20)), 50 << 20);
        assert_eq!(usage(Some(500 << 20), None), 500 << 20);
    }

    #[tokio::test]
    async fn above_the_soft_limit_data_is_refused_until_memory_is_back() {
        let registry = Registry::new();
        let sink = Sink::new();
        let gate = Gate {
            stage: Stage::new("memory_limiter", "x", output(&sink), &registry.process()),
            refusing: AtomicBool::new(false),
            check_interval: Duration::from_millis(100),
            counters: counters(&registry.process(), "memory_limiter/x"),
        };
        let (limit, health) = (Limit { hard: 100, soft: 80 }, Health::default());
        gate.look(79, limit, &health);
        gate.consume(logs(2)).await.unwrap();
        gate.look(80, limit, &health);
        assert!(gate.admit(1).unwrap_err().is_retryable());
        let refusal = gate.consume(logs(3)).await.unwrap_err();
        assert!(refusal.is_retryable() && refusal.to_string().contains("memory"));
        gate.look(0, limit, &health);
        gate.consume(logs(5)).await.unwrap();
        assert_eq!(sink.sizes(), [2, 5]);
        let text = registry.render();
        assert!(text.contains("accepted_log_records_total{processor=\"memory_limiter/x\"} 7"), "{text}");
        assert!(text.contains("refused_log_records_total{processor=\"memory_limiter/x\"} 3"));
    }
}
