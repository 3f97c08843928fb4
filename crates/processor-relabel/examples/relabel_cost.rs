//! What relabelling costs: CPU seconds per million samples, for new series and for known ones.
//!
//! `cargo run --release -p corten-processor-relabel --example relabel_cost -- [SERIES] [ROUNDS]`

#![allow(clippy::print_stdout)] // it is there to print

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corten_component::metrics::Registry;
use corten_component::node::{Node, Services};
use corten_component::{BoxFuture, BuildContext, Component, Consume, Fanout, NodeId, Port, Refusal};
use corten_processor_relabel::{Relabel, RelabelArguments};
use corten_signal::labels::Labels;
use corten_signal::relabel::{Action, RuleArguments};
use corten_signal::samples::{Sample, SampleValue, Samples};

#[derive(Default)]
struct Count(AtomicUsize);

impl Consume<Samples> for Count {
    fn consume(&self, batch: Samples) -> BoxFuture<'_, Result<(), Refusal>> {
        self.0.fetch_add(batch.rows().len(), Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

fn rules() -> Vec<RuleArguments> {
    let drop = RuleArguments {
        action: Action::Drop,
        source_labels: vec!["__name__".into()],
        regex: "go_.*|process_.*".into(),
        ..RuleArguments::default()
    };
    let host = RuleArguments { target_label: "host".into(), replacement: "cost".into(), ..RuleArguments::default() };
    vec![drop, host]
}

/// Seconds that this thread has had a processor.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.unwrap_or_default() / 1e9
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let series: usize = arguments.next().unwrap_or(1_000_000);
    let rounds: usize = arguments.next().unwrap_or(5);
    let count = Arc::new(Count::default());
    let to = Port::to(Arc::clone(&count) as Arc<dyn Consume<Samples>>);
    let arguments = RelabelArguments {
        forward_to: Fanout::new([to]),
        rules: rules(),
        max_cache_size: i64::try_from(series).unwrap_or(i64::MAX),
        ..RelabelArguments::default()
    };
    let id = NodeId::root("prometheus.relabel.cost");
    let scope = Registry::new().node(&id);
    let node = Node::new(id, PathBuf::from("/nonexistent"), scope, Services::default(), |_| {});
    let mut cx = BuildContext::new(&node);
    let (_relabel, exports) = Relabel::build(Arc::new(arguments), &mut cx).await.expect("rules that can be used");
    cx.into_pending().installs.into_iter().for_each(|install| install());
    node.gates().iter().for_each(|gate| gate.open());

    let name = |at: usize| format!("metric_{}_total", at / 1000);
    let number = |at: usize| (at % 1000).to_string();
    let rows: Vec<Sample> = (0..series)
        .map(|at| {
            let labels = [("__name__", name(at)), ("job", "cost".into()), ("method", "get".into()), ("n", number(at))];
            let value = SampleValue::Float(at as f64);
            Sample { labels: Labels::from_pairs(labels), timestamp: 1, start: 0, value, metadata: None }
        })
        .collect();
    for round in 0..=rounds {
        let batches: Vec<Samples> = rows.chunks(2000).map(|chunk| Samples::new(chunk.to_vec())).collect();
        let begun = cpu();
        for batch in batches {
            exports.receiver.consume(batch).await.expect("a consumer that takes everything");
        }
        let per_million = (cpu() - begun) * 1e6 / series as f64;
        let what = if round == 0 { "new series" } else { "known series" };
        println!("{what}: {series} samples, {per_million:.3} CPU s per million");
    }
    println!("{} samples have passed", count.0.load(Ordering::Relaxed));
}
