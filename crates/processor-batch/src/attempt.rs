//! Handing a batch on so that a refusal can be answered by another try.
//!
//! A receipt remembers every refusal. A stage that answers for a batch and tries again must not let its own tries
//! stand in the receipt of whoever sent the data: each try has a receipt of its own, which settles the original
//! only if the try was taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use corten_component::{Consume, Fanout, Outcome, Receipt, Refusal, Settled, Signal};
use corten_signal::otlp::Batch;

/// Hands a batch on. If it was refused, or if the call is given up, it is the caller's as before.
pub(crate) async fn attempt(to: &Fanout<Batch>, batch: &mut Batch) -> Result<(), Refusal> {
    let mut copy = batch.clone();
    let original = copy.replace_receipt(Receipt::none());
    let state = Try(Arc::new(Mutex::new(State { original: Original(Some(original)), settled: None, taken: false })));
    let in_receipt = Try(Arc::clone(&state.0));
    copy.replace_receipt(Receipt::new(move |settled| in_receipt.settled(settled))).release();
    to.consume(copy).await?;
    state.taken();
    batch.replace_receipt(Receipt::none()).release();
    Ok(())
}

struct State {
    original: Original,
    /// How the try ended, if it did before the call returned.
    settled: Option<Settled>,
    taken: bool,
}

struct Try(Arc<Mutex<State>>);

impl Try {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every copy of the try has come to its end.
    fn settled(&self, settled: Settled) {
        let mut state = self.lock();
        if state.taken {
            let original = state.original.0.take();
            drop(state);
            settle(original, settled);
        } else {
            state.settled = Some(settled);
        }
    }

    /// The call was answered with `Ok`.
    fn taken(&self) {
        let mut state = self.lock();
        state.taken = true;
        if let Some(settled) = state.settled {
            let original = state.original.0.take();
            drop(state);
            settle(original, settled);
        }
    }
}

fn settle(original: Option<Receipt>, settled: Settled) {
    let Some(original) = original else { return };
    if settled.is_lost() {
        // Dropped unsettled, it counts as lost with its issuer too.
        drop(original);
    } else if settled.is_rejected() {
        original.settle(Outcome::Rejected);
    } else if settled.is_safe() {
        original.settle(Outcome::Delivered);
    } else {
        original.settle(Outcome::Dropped);
    }
}

/// A copy of the batch's receipt. Unless the try succeeds it goes without a word: the batch has the other copy.
struct Original(Option<Receipt>);

impl Drop for Original {
    fn drop(&mut self) {
        if let Some(receipt) = self.0.take() {
            receipt.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use corten_component::{BoxFuture, Port};

    use super::*;
    use crate::testing::{logs, watched};

    /// Refuses the first calls, then takes.
    struct Fickle {
        refusals: Mutex<usize>,
        outcome: Option<Outcome>,
    }

    impl Consume<Batch> for Fickle {
        fn consume(&self, mut item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
            Box::pin(async move {
                let mut left = self.refusals.lock().unwrap();
                if *left > 0 {
                    *left -= 1;
                    return Err(Refusal::retry("not yet"));
                }
                if let Some(outcome) = self.outcome {
                    item.replace_receipt(Receipt::none()).settle(outcome);
                }
                Ok(())
            })
        }
    }

    fn fickle(refusals: usize, outcome: Option<Outcome>) -> Fanout<Batch> {
        let consumer = Fickle { refusals: Mutex::new(refusals), outcome };
        Fanout::new([Port::to(Arc::new(consumer))])
    }

    #[tokio::test]
    async fn a_refusal_does_not_stain_a_receipt_that_is_delivered_later() {
        let (mut batch, seen) = watched(logs(3));
        let to = fickle(1, Some(Outcome::Delivered));
        assert!(attempt(&to, &mut batch).await.is_err());
        assert!(seen.lock().unwrap().is_none());
        attempt(&to, &mut batch).await.unwrap();
        drop(batch);
        assert!(seen.lock().unwrap().unwrap().is_safe());
    }

    #[tokio::test]
    async fn what_a_destination_says_reaches_the_issuer() {
        for (outcome, expected) in
            [(Some(Outcome::Rejected), "rejected"), (Some(Outcome::Dropped), "dropped"), (None, "lost")]
        {
            let (mut batch, seen) = watched(logs(1));
            attempt(&fickle(0, outcome), &mut batch).await.unwrap();
            drop(batch);
            let settled = seen.lock().unwrap().unwrap();
            let got = match () {
                () if settled.is_lost() => "lost",
                () if settled.is_rejected() => "rejected",
                () if settled.is_dropped() => "dropped",
                () => "safe",
            };
            assert_eq!(got, expected);
        }
    }
}
