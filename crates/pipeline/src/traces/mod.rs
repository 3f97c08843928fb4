//! Corten's own spans: sampled, batched, handed to the consumers that the `tracing` block names.
//!
//! Where no block names one, the spans' call sites are switched off and cost what a disabled log line costs. What
//! cannot be held or handed over is dropped and counted. Components that carry these spans are not traced where they
//! carry them, so that no span is the cause of another.

mod ids;
mod layer;
mod record;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corten_component::metrics::{Counter, Registry};
use corten_component::{Consume, Fanout, NodeId, Port, TRACE_TARGET};
use corten_delivery::Arena;
use corten_engine::Engine;
use corten_proto::otlp::trace::Span;
use corten_signal::otlp::{Batch, SignalKind};
use prost::Message;
use tokio::sync::Notify;
use tracing::Instrument;

pub(crate) use ids::Ids;
pub(crate) use layer::Spans;

/// What waits to be handed over, at most.
const MOST_BYTES: usize = 1 << 20;
/// So many are handed over at once, without waiting for the next tick.
const FULL: usize = 512;
const TICK: Duration = Duration::from_secs(1);
/// How long consumers may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The span around handing spans over; nothing inside is traced.
const OWN: &str = "ExportOwnSpans";

/// How the `tracing` block wants it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    /// The share of traces that is kept, 0 to 1.
    pub(crate) fraction: f64,
    /// Who gets them.
    pub(crate) to: Fanout<Batch>,
}

#[derive(Default)]
struct Waiting {
    spans: Vec<Span>,
    bytes: usize,
}

struct Inner {
    on: AtomicBool,
    ids: Ids,
    settings: Mutex<Settings>,
    waiting: Mutex<Waiting>,
    /// Components that Corten's own spans pass.
    carriers: Mutex<HashSet<NodeId>>,
    full: Notify,
    overflowed: Counter,
    refused: Counter,
    exported: Counter,
}

/// The process's own traces. Cloning gives the same ones.
#[derive(Clone)]
pub(crate) struct Traces(Arc<Inner>);

impl Traces {
    pub(crate) fn new(metrics: &Registry) -> Self {
        let scope = metrics.process();
        let dropped = |reason| {
            let help = "Spans of Corten itself that were given up.";
            scope.counter("corten_own_spans_dropped_total", help, &[("reason", reason)])
        };
        Self(Arc::new(Inner {
            on: AtomicBool::new(false),
            ids: Ids::new(),
            settings: Mutex::default(),
            waiting: Mutex::default(),
            carriers: Mutex::default(),
            full: Notify::new(),
            overflowed: dropped("queue_full"),
            refused: dropped("refused"),
            exported: scope.counter("corten_own_spans_total", "Spans of Corten itself that were handed over.", &[]),
        }))
    }

    /// Takes up a `tracing` block.
    pub(crate) fn configure(&self, settings: Settings) {
        let on = !settings.to.is_empty() && settings.fraction > 0.0;
        *lock(&self.0.settings) = settings;
        if self.0.on.swap(on, Ordering::Relaxed) != on {
            // Call sites remember whether somebody listens.
            tracing::callsite::rebuild_interest_cache();
        }
    }

    /// Whether spans are recorded at all.
    pub(crate) fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Relaxed)
    }

    /// Learns which components own spans pass: the consumers, and all behind them.
    pub(crate) fn follow(&self, engine: &Engine) {
        let mut carriers: HashSet<NodeId> = HashSet::new();
        if self.is_on() {
            let flows = engine.flows();
            let mut next: Vec<NodeId> = lock(&self.0.settings).to.ports().iter().map(Port::owner).cloned().collect();
            while let Some(id) = next.pop() {
                if carriers.insert(id.clone()) {
                    next.extend(flows.iter().filter(|flow| flow.from == id).map(|flow| flow.to.clone()));
                }
            }
        }
        *lock(&self.0.carriers) = carriers;
    }

    fn carries(&self, path: &str, id: &str) -> bool {
        let carriers = lock(&self.0.carriers);
        !carriers.is_empty() && carriers.contains(&NodeId::new(path, id))
    }

    /// A die for a new trace.
    fn samples(&self) -> bool {
        let fraction = lock(&self.0.settings).fraction;
        self.0.ids.chance(fraction)
    }

    fn push(&self, span: Span) {
        let size = span.encoded_len() + size_of::<Span>();
        let mut waiting = lock(&self.0.waiting);
        if waiting.bytes + size > MOST_BYTES {
            return self.0.overflowed.inc();
        }
        waiting.bytes += size;
        waiting.spans.push(span);
        if waiting.spans.len() >= FULL {
            self.0.full.notify_one();
        }
    }

    /// Hands spans over until dropped.
    pub(crate) async fn run(self, arena: Arc<Arena>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = self.0.full.notified() => {}
            }
            self.flush(&arena).await;
        }
    }

    /// Hands over what waits.
    pub(crate) async fn flush(&self, arena: &Arena) {
        let Waiting { spans, .. } = std::mem::take(&mut *lock(&self.0.waiting));
        if spans.is_empty() {
            return;
        }
        let (count, to) = (spans.len(), lock(&self.0.settings).to.clone());
        let bytes = record::request(spans).encode_to_vec();
        let taken = match arena.keep(bytes.into()) {
            Ok(kept) => {
                let batch = Batch::new(SignalKind::Traces, kept, count);
                let call = to.consume(batch).instrument(tracing::info_span!(target: TRACE_TARGET, OWN));
                matches!(tokio::time::timeout(DEADLINE, call).await, Ok(Ok(())))
            }
            Err(_) => false,
        };
        if taken { &self.0.exported } else { &self.0.refused }.add(count as u64);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
