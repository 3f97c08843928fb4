//! One item to several consumers.

use std::sync::Arc;

use corten_syntax::Value;

use crate::{Attribute, BoxFuture, Consume, Durable, Kinds, Port, Refusal, Signal, ValueError};

/// The consumers of a `forward_to` or `output` list.
///
/// All branches are called at once and a refusal stops none of them. The answer is `Ok` if at least one branch took
/// the item; what the others refused is counted at their port as `dropped{reason="refused"}`. Only if nobody took
/// it, it is refused: retryably if any branch said so.
#[derive(Debug, Clone)]
pub struct Fanout<T: Signal>(Arc<[Port<T>]>);

impl<T: Signal> Default for Fanout<T> {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl<T: Signal> PartialEq for Fanout<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Signal> Fanout<T> {
    /// A fan-out to these ports.
    pub fn new(ports: impl IntoIterator<Item = Port<T>>) -> Self {
        Self(ports.into_iter().collect())
    }

    /// Whether there is no consumer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ports.
    pub fn ports(&self) -> &[Port<T>] {
        &self.0
    }

    /// Hands on an item that its holder answers for and may hand on again. If it is refused, or if the call is given
    /// up, the item is the caller's as before.
    ///
    /// A receipt remembers every refusal. Tries of a stage must not stand in the receipt of whoever sent the data, so
    /// each has a receipt of its own, which settles the original only if the try was taken.
    ///
    /// # Errors
    /// Nobody took it.
    pub async fn attempt(&self, item: &mut T) -> Result<(), Refusal> {
        let mut copy = item.clone();
        let (receipt, attempt) = item.receipt().attempt();
        copy.replace_receipt(receipt).release();
        self.consume(copy).await?;
        attempt.taken();
        item.replace_receipt(crate::Receipt::none()).release();
        Ok(())
    }

    async fn send(&self, mut item: T) -> Result<(), Refusal> {
        match &*self.0 {
            [] => {
                item.replace_receipt(crate::Receipt::none()).settle(crate::Outcome::Dropped);
                Ok(())
            }
            // One consumer: its answer is the answer, and nothing needs to be copied.
            [only] => only.consume(item).await,
            many => {
                let items = item.items();
                let mut original = item.replace_receipt(crate::Receipt::none());
                let calls = many.iter().filter_map(|port| {
                    // Only what a log keeps is told apart by destinations.
                    let below = if original.is_kept() { port.durable() } else { Vec::new() };
                    let (receipt, fork) = original.fork(|name| below.iter().any(|durable| *durable.name == *name));
                    if original.is_exclusive() && !receipt.is_kept() {
                        // Another branch's: this one has had it.
                        receipt.release();
                        return None;
                    }
                    let mut copy = item.clone();
                    copy.replace_receipt(receipt).release();
                    Some(async move { (port, port.consume(copy).await, fork) })
                });
                let answers = futures_util::future::join_all(calls).await;
                if answers.is_empty() {
                    // The destinations that it was for are not there any more.
                    original.settle(crate::Outcome::Dropped);
                    return Ok(());
                }
                let taken = answers.iter().any(|(_, answer, _)| answer.is_ok());
                let mut refusal = Refusal::Closed;
                for (port, answer, fork) in answers {
                    let Err(why) = answer else { continue };
                    match taken {
                        true => {
                            port.count_refused(items);
                            fork.given_up();
                        }
                        false => fork.refused(),
                    }
                    if !matches!(refusal, Refusal::Retry { .. }) && why != Refusal::Closed {
                        refusal = why;
                    }
                }
                std::mem::take(&mut original).release();
                if taken { Ok(()) } else { Err(refusal) }
            }
        }
    }
}

impl<T: Signal> Consume<T> for Fanout<T> {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        let mut answer = Ok(());
        for port in self.0.iter() {
            match port.admit(bytes) {
                Ok(()) => return Ok(()),
                refused => answer = refused,
            }
        }
        answer
    }

    fn consume(&self, item: T) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.send(item))
    }

    fn kinds(&self) -> Kinds {
        self.0.iter().fold(Kinds::NONE, |all, port| all.union(port.kinds()))
    }

    fn durable(&self) -> Vec<Durable> {
        let mut all: Vec<Durable> = Vec::new();
        for durable in self.0.iter().flat_map(Consume::durable) {
            match all.iter_mut().find(|known| known.name == durable.name) {
                // On one of its ways nobody keeps it.
                Some(known) => known.held &= durable.held,
                None => all.push(durable),
            }
        }
        all
    }
}

impl<T: Signal> Attribute for Fanout<T> {
    fn type_name() -> String {
        <Vec<Port<T>> as Attribute>::type_name()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let ports = Vec::<Port<T>>::from_value(value)?;
        ports.iter().skip(1).filter_map(Port::edge).for_each(|edge| edge.repeats());
        Ok(Self::new(ports))
    }

    fn to_value(&self) -> Value {
        Value::Array(self.0.iter().map(Attribute::to_value).collect())
    }
}
