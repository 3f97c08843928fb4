//! The layer with a subscriber of its own.

use corten_component::{BoxFuture, Outcome, Refusal};
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// Remembers batches.
#[derive(Default)]
struct Sink(Mutex<Vec<Batch>>);

impl Consume<Batch> for Sink {
    fn consume(&self, mut batch: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            // What consumers do while own spans are handed to them is no news.
            tracing::info_span!(target: TRACE_TARGET, "inside").in_scope(|| {});
            batch.take_receipt().settle(Outcome::Delivered);
            lock(&self.0).push(batch);
            Ok(())
        })
    }
}

struct Bench {
    traces: Traces,
    sink: Arc<Sink>,
    metrics: Registry,
}

impl Bench {
    fn new(fraction: f64) -> Self {
        let (metrics, sink) = (Registry::new(), Arc::<Sink>::default());
        let traces = Traces::new(&metrics);
        let port = Port::to(Arc::clone(&sink) as Arc<dyn Consume<Batch>>);
        traces.configure(Settings { fraction, to: Fanout::new([port]) });
        Self { traces, sink, metrics }
    }

    fn during<T>(&self, act: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Spans(self.traces.clone())), act)
    }

    /// `name < parent` of all spans, oldest first.
    fn names(&self) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let arena = Arena::new(corten_delivery::Budget::new(1 << 24));
        self.during(|| runtime.block_on(self.traces.flush(&arena)));
        let batches = std::mem::take(&mut *lock(&self.sink.0));
        let mut spans = Vec::new();
        for batch in &batches {
            for scope in batch.resources().flat_map(|resource| resource.scopes()) {
                for span in scope.spans() {
                    let name = span.name().to_owned();
                    spans.push((name, span.span_id().to_string(), span.parent_span_id().to_string()));
                }
            }
        }
        let parent = |id: &str| spans.iter().find(|(_, own, _)| own == id).map_or("", |(name, ..)| name);
        spans.iter().map(|(name, _, of)| format!("{name} < {}", parent(of))).collect()
    }
}

fn span(name: &str) -> tracing::Span {
    match name {
        "load" => tracing::info_span!(target: TRACE_TARGET, "load"),
        _ => tracing::info_span!(target: TRACE_TARGET, "send", span_kind = "client"),
    }
}

fn run_of(id: &str) -> tracing::Span {
    tracing::error_span!(parent: None, "ComponentRun", component_path = "/", component_id = id)
}

#[test]
fn spans_nest_and_runs_begin_traces_of_their_own() {
    let bench = Bench::new(1.0);
    bench.during(|| {
        span("load").in_scope(|| {
            tracing::info_span!("not ours").in_scope(|| span("send").in_scope(|| {}));
            let run = run_of("a.b.c");
            run.in_scope(|| span("send").in_scope(|| tracing::error!("it broke")));
        });
    });
    assert_eq!(bench.names(), ["send < load", "send < ", "ComponentRun < ", "load < "]);
    assert!(bench.names().is_empty(), "handing spans over makes no spans");
    assert!(bench.metrics.render().contains("corten_own_spans_total 4"));
}

#[test]
fn nothing_is_recorded_where_nobody_wants_it() {
    let bench = Bench::new(0.0);
    bench.during(|| span("load").in_scope(|| span("send").in_scope(|| {})));
    assert!(!bench.traces.is_on() && bench.names().is_empty());
    let bench = Bench::new(0.5);
    let whole = bench.during(|| {
        (0..200).for_each(|_| span("load").in_scope(|| span("send").in_scope(|| {})));
        bench.names()
    });
    let loads = whole.iter().filter(|line| *line == "load < ").count();
    let sends = whole.iter().filter(|line| *line == "send < load").count();
    assert!(loads == sends && whole.len() == 2 * loads && (50..150).contains(&loads), "{loads} {sends}");
}

#[test]
fn components_that_carry_own_spans_are_not_traced_there() {
    let bench = Bench::new(1.0);
    lock(&bench.traces.0.carriers).insert(NodeId::root("x.y.z"));
    bench.during(|| run_of("x.y.z").in_scope(|| span("send").in_scope(|| {})));
    assert_eq!(bench.names(), ["ComponentRun < "]);
}

#[test]
fn what_does_not_fit_is_counted() {
    let bench = Bench::new(1.0);
    let long = "x".repeat(1000);
    bench.during(|| {
        for _ in 0..2000 {
            tracing::info_span!(target: TRACE_TARGET, "long", text = long).in_scope(|| {});
        }
    });
    let kept = bench.names().len();
    assert!((100..2000).contains(&kept), "{kept}");
    let text = bench.metrics.render();
    let dropped = format!("corten_own_spans_dropped_total{{reason=\"queue_full\"}} {}", 2000 - kept);
    assert!(text.contains(&dropped), "{text}");
}
