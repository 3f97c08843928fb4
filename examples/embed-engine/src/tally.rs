//! `acme.tally`: counts what reaches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corten_component::{
    Arguments, BoxFuture, BuildContext, BuildError, Component, Consume, Exports, Outcome, Port, Refusal,
};
use corten_signal::otlp::Batch;

/// What the user writes.
#[derive(Debug, Default, Arguments)]
pub(crate) struct TallyArguments {
    /// What is counted, as it is printed.
    #[arg(required)]
    unit: String,
}

/// What others refer to.
#[derive(Exports)]
pub(crate) struct TallyExports {
    /// Takes OTLP.
    input: Port<Batch>,
}

pub(crate) struct Tally;

impl Component for Tally {
    const NAME: &'static str = "acme.tally";
    const DOC: &'static str = "Counts what reaches it and prints the sum.";
    type Arguments = TallyArguments;
    type Exports = TallyExports;
    type Carry = ();

    async fn build(args: Arc<TallyArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, TallyExports), BuildError> {
        let counter = Counter { unit: args.unit.clone(), seen: AtomicUsize::new(0) };
        Ok((Self, TallyExports { input: cx.port("input", Arc::new(counter)) }))
    }
}

/// Stands behind the port.
struct Counter {
    unit: String,
    seen: AtomicUsize,
}

impl Consume<Batch> for Counter {
    fn consume(&self, mut batch: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        let seen = self.seen.fetch_add(batch.items(), Ordering::Relaxed) + batch.items();
        println!("{seen} {}", self.unit);
        // Here the data ends; whoever sent it may know.
        batch.take_receipt().settle(Outcome::Delivered);
        Box::pin(async { Ok(()) })
    }
}
