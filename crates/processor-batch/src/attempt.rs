//! Handing a batch on so that a refusal can be answered by another try.
//!
//! A receipt remembers every refusal. A stage that answers for a batch and tries again must not let its own tries
//! stand in the receipt of whoever sent the data: each try has a receipt of its own, which settles the original
//! only if the try was taken.

use corten_component::{Consume, Fanout, Receipt, Refusal, Signal};
use corten_signal::otlp::Batch;

/// Hands a batch on. If it was refused, or if the call is given up, it is the caller's as before.
pub(crate) async fn attempt(to: &Fanout<Batch>, batch: &mut Batch) -> Result<(), Refusal> {
    let mut copy = batch.clone();
    let (receipt, attempt) = batch.receipt().attempt();
    copy.replace_receipt(receipt).release();
    to.consume(copy).await?;
    attempt.taken();
    batch.replace_receipt(Receipt::none()).release();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use corten_component::{BoxFuture, Outcome, Port};

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
