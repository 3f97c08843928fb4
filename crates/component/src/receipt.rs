//! Responsibility travels in the item as a [`Receipt`].
//!
//! Split, merge and fan-out clone or join receipts; each clone is settled once, by whoever ends that copy's way.
//! When the last one is gone, whoever issued the receipt learns the worst that happened. A clone that is dropped
//! unsettled counts as lost: that is a bug, and it shows in `corten_lost_items_total`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How one copy of an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A destination confirmed it.
    Delivered,
    /// It is safe on disk.
    Stored,
    /// It was given up; the reason is in the dropper's counters.
    Dropped,
    /// A destination answered that it will never take it.
    Rejected,
}

const DELIVERED: u8 = 1;
const STORED: u8 = 2;
const DROPPED: u8 = 4;
const REJECTED: u8 = 8;
const LOST: u8 = 16;
const REFUSED: u8 = 32;

/// Everything that happened to the copies of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled(u8);

impl Settled {
    /// Whether every copy was delivered or stored.
    pub fn is_safe(self) -> bool {
        self.0 & (DROPPED | REJECTED | REFUSED | LOST) == 0 && self.0 != 0
    }

    /// Whether a copy vanished without anybody saying how.
    pub fn is_lost(self) -> bool {
        self.0 & LOST != 0
    }

    /// Whether a copy was given up.
    pub fn is_dropped(self) -> bool {
        self.0 & DROPPED != 0
    }

    /// Whether a destination refused a copy for good.
    pub fn is_rejected(self) -> bool {
        self.0 & REJECTED != 0
    }

    /// Whether the item was handed back to a caller at least once.
    pub fn is_refused(self) -> bool {
        self.0 & REFUSED != 0
    }
}

type Callback = Box<dyn FnOnce(Settled) + Send + Sync>;

enum Sink {
    Callback(Option<Callback>),
    Parents(Vec<Receipt>),
}

struct Node {
    seen: AtomicU8,
    sink: Sink,
}

impl Node {
    fn mark(&self, bit: u8) {
        self.seen.fetch_or(bit, Ordering::AcqRel);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut seen = *self.seen.get_mut();
        if seen & REFUSED != 0 {
            // The callee dropped its copy while refusing it; the caller has spoken for it.
            seen &= !LOST;
        }
        match &mut self.sink {
            Sink::Callback(callback) => {
                if let Some(callback) = callback.take() {
                    callback(Settled(seen));
                }
            }
            Sink::Parents(parents) => {
                for parent in parents.drain(..) {
                    parent.settle_bits(seen);
                }
            }
        }
    }
}

/// Who still answers for an item. See the module's page.
#[derive(Default)]
pub struct Receipt(Option<Arc<Node>>);

impl Receipt {
    /// A receipt that nobody waits for.
    pub const fn none() -> Self {
        Self(None)
    }

    /// A receipt whose issuer is told once all copies are settled.
    pub fn new(on_settled: impl FnOnce(Settled) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Node { seen: AtomicU8::new(0), sink: Sink::Callback(Some(Box::new(on_settled))) })))
    }

    /// One receipt for an item that was merged from several.
    pub fn join(receipts: impl IntoIterator<Item = Receipt>) -> Self {
        let mut parents: Vec<Receipt> = receipts.into_iter().filter(|receipt| receipt.0.is_some()).collect();
        match parents.len() {
            0 => Self::none(),
            1 => parents.remove(0),
            _ => Self(Some(Arc::new(Node { seen: AtomicU8::new(0), sink: Sink::Parents(parents) }))),
        }
    }

    /// A receipt for a call that may be refused: hand the receipt on with the item, keep the [`Fork`] until the
    /// call has answered.
    pub fn fork(&self) -> (Receipt, Fork) {
        let Some(node) = &self.0 else { return (Self::none(), Fork(None)) };
        let child =
            Arc::new(Node { seen: AtomicU8::new(0), sink: Sink::Parents(vec![Receipt(Some(Arc::clone(node)))]) });
        (Self(Some(Arc::clone(&child))), Fork(Some(child)))
    }

    /// Ends this copy's way.
    pub fn settle(self, outcome: Outcome) {
        self.settle_bits(match outcome {
            Outcome::Delivered => DELIVERED,
            Outcome::Stored => STORED,
            Outcome::Dropped => DROPPED,
            Outcome::Rejected => REJECTED,
        });
    }

    /// Ends this copy's way without a word: an item that was replaced by others holding clones of this receipt.
    pub fn release(mut self) {
        self.0 = None;
    }

    fn settle_bits(mut self, bits: u8) {
        if let Some(node) = self.0.take() {
            node.mark(bits);
        }
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(node) = self.0.take() {
            node.mark(LOST);
        }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Receipt(held)" } else { "Receipt(none)" })
    }
}

/// The caller's side of a forked receipt.
pub struct Fork(Option<Arc<Node>>);

impl Fork {
    /// The call was refused: what the callee dropped is not lost, this caller answers for it.
    pub fn refused(self) {
        if let Some(node) = &self.0 {
            node.mark(REFUSED);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn watched() -> (Receipt, Arc<Mutex<Option<Settled>>>) {
        let seen = Arc::new(Mutex::new(None));
        let sink = Arc::clone(&seen);
        (Receipt::new(move |settled| *sink.lock().unwrap() = Some(settled)), seen)
    }

    #[test]
    fn settles_when_the_last_copy_does() {
        let (receipt, seen) = watched();
        let copy = receipt.clone();
        receipt.settle(Outcome::Delivered);
        assert!(seen.lock().unwrap().is_none());
        copy.settle(Outcome::Stored);
        assert!(seen.lock().unwrap().unwrap().is_safe());
    }

    #[test]
    fn a_copy_that_vanishes_is_lost() {
        let (receipt, seen) = watched();
        receipt.clone().settle(Outcome::Delivered);
        drop(receipt);
        assert!(seen.lock().unwrap().unwrap().is_lost());
    }

    #[test]
    fn a_merged_item_settles_all_it_was_made_of() {
        let (a, seen_a) = watched();
        let (b, seen_b) = watched();
        Receipt::join([a, Receipt::none(), b]).settle(Outcome::Dropped);
        assert!(seen_a.lock().unwrap().unwrap().is_dropped());
        assert!(seen_b.lock().unwrap().unwrap().is_dropped());
    }

    #[test]
    fn a_refused_call_is_not_a_loss() {
        let (receipt, seen) = watched();
        let (copy, fork) = receipt.fork();
        drop(copy);
        fork.refused();
        receipt.release();
        let settled = seen.lock().unwrap().unwrap();
        assert!(settled.is_refused() && !settled.is_lost());
    }

    #[test]
    fn a_taken_call_reports_through_its_fork() {
        let (receipt, seen) = watched();
        let (copy, fork) = receipt.fork();
        drop(fork);
        receipt.release();
        assert!(seen.lock().unwrap().is_none());
        copy.settle(Outcome::Delivered);
        assert!(seen.lock().unwrap().unwrap().is_safe());
    }
}
