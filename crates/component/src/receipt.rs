//! Responsibility travels in the item as a [`Receipt`].
//!
//! Split, merge and fan-out clone or join receipts; each clone is settled once, by whoever ends that copy's way.
//! When the last one is gone, whoever issued the receipt learns the worst that happened. A clone that is dropped
//! unsettled counts as lost: that is a bug, and it shows in `corten_lost_items_total`.
//!
//! A stage that keeps items in a log on disk for destinations further down adds a receipt for each of them
//! ([`Receipt::keeping`]): the log learns of each destination by itself. Those receipts go along with the item through
//! split, merge and fan-out; a fan-out gives each branch those of the destinations behind it.

use std::collections::BTreeMap;
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
/// The caller gave up what the callee refused.
const GIVEN_UP: u8 = 64;

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
    Parents(Vec<Arc<Node>>),
    /// One try of several: what is refused leaves no trace.
    Try(Arc<Node>),
}

struct Node {
    seen: AtomicU8,
    sink: Sink,
}

impl Node {
    fn new(sink: Sink) -> Arc<Self> {
        Arc::new(Self { seen: AtomicU8::new(0), sink })
    }

    fn mark(&self, bits: u8) {
        self.seen.fetch_or(bits, Ordering::AcqRel);
    }

    /// One node in place of several.
    fn join(mut nodes: Vec<Arc<Self>>) -> Option<Arc<Self>> {
        if nodes.len() < 2 { nodes.pop() } else { Some(Self::new(Sink::Parents(nodes))) }
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
            Sink::Parents(parents) => parents.drain(..).for_each(|parent| parent.mark(seen)),
            Sink::Try(parent) if seen & GIVEN_UP != 0 => parent.mark(DROPPED),
            Sink::Try(_) if seen & REFUSED != 0 => {}
            Sink::Try(parent) => parent.mark(seen),
        }
    }
}

/// What logs upstream keep of an item.
#[derive(Clone)]
struct Kept {
    only: bool,
    /// By destination.
    nodes: BTreeMap<Arc<str>, Arc<Node>>,
}

/// For which destinations a log upstream keeps an item. Items that differ in this must not be merged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coverage {
    /// Whether the item is for those destinations alone: the others have had it.
    pub only: bool,
    /// The names of the destinations.
    pub names: Vec<Arc<str>>,
}

/// Who still answers for an item. See the module's page.
#[derive(Default, Clone)]
pub struct Receipt {
    node: Option<Arc<Node>>,
    kept: Option<Box<Kept>>,
}

impl Receipt {
    /// A receipt that nobody waits for.
    pub const fn none() -> Self {
        Self { node: None, kept: None }
    }

    /// A receipt whose issuer is told once all copies are settled.
    pub fn new(on_settled: impl FnOnce(Settled) + Send + Sync + 'static) -> Self {
        Self { node: Some(Node::new(Sink::Callback(Some(Box::new(on_settled))))), kept: None }
    }

    /// A receipt of an item that stands in a log, with a receipt for each destination that it is kept for. `only`: no
    /// other destination gets it.
    pub fn keeping(only: bool, destinations: impl IntoIterator<Item = (Arc<str>, Receipt)>) -> Self {
        let nodes = destinations.into_iter().filter_map(|(name, mut receipt)| Some((name, receipt.node.take()?)));
        Self { node: None, kept: Some(Box::new(Kept { only, nodes: nodes.collect() })) }
    }

    /// For whom a log upstream keeps the item, if one does.
    pub fn coverage(&self) -> Option<Coverage> {
        let kept = self.kept.as_ref()?;
        Some(Coverage { only: kept.only, names: kept.nodes.keys().cloned().collect() })
    }

    /// Whether nobody waits for it.
    pub fn is_none(&self) -> bool {
        self.node.is_none() && self.kept.is_none()
    }

    /// Whether a log upstream keeps the item for any destination.
    pub fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether a log upstream keeps the item for this destination.
    pub fn is_kept_for(&self, name: &str) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.nodes.contains_key(name))
    }

    /// Whether the item is only for destinations that a log upstream keeps it for.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.only)
    }

    /// One receipt for an item that was merged from several.
    pub fn join(receipts: impl IntoIterator<Item = Receipt>) -> Self {
        let mut nodes = Vec::new();
        let mut kept: Option<(bool, BTreeMap<Arc<str>, Vec<Arc<Node>>>)> = None;
        for mut receipt in receipts {
            nodes.extend(receipt.node.take());
            if let Some(more) = receipt.kept.take() {
                let (only, all) = kept.get_or_insert_with(Default::default);
                *only |= more.only;
                more.nodes.into_iter().for_each(|(name, node)| all.entry(name).or_default().push(node));
            }
        }
        let kept = kept.map(|(only, all)| {
            let nodes = all.into_iter().filter_map(|(name, nodes)| Some((name, Node::join(nodes)?)));
            Box::new(Kept { only, nodes: nodes.collect() })
        });
        Self { node: Node::join(nodes), kept }
    }

    /// A receipt for a call that may be refused: hand the receipt on with the item, keep the [`Fork`] until the
    /// call has answered. Of what logs upstream keep, the call answers for these destinations.
    pub(crate) fn fork(&self, below: impl Fn(&str) -> bool) -> (Receipt, Fork) {
        let node = self.node.as_ref().map(|node| Node::new(Sink::Parents(vec![Arc::clone(node)])));
        self.split_off(node, below)
    }

    /// A receipt for one of several tries to hand an item on. Only the try that is [taken](Try::taken) settles this
    /// receipt; what is refused or given up leaves no trace in it.
    pub fn attempt(&self) -> (Receipt, Try) {
        let node = self.node.as_ref().map(|node| Node::new(Sink::Try(Arc::clone(node))));
        let (receipt, mut fork) = self.split_off(node, |_| true);
        fork.tries.extend(fork.node.take());
        (receipt, Try(fork.tries))
    }

    fn split_off(&self, node: Option<Arc<Node>>, below: impl Fn(&str) -> bool) -> (Receipt, Fork) {
        let mut tries = Vec::new();
        let kept = self.kept.as_ref().map(|kept| {
            let nodes = kept.nodes.iter().filter(|(name, _)| below(name)).map(|(name, node)| {
                let child = Node::new(Sink::Try(Arc::clone(node)));
                tries.push(Arc::clone(&child));
                (Arc::clone(name), child)
            });
            Kept { only: kept.only, nodes: nodes.collect() }
        });
        let kept = kept.filter(|kept| !kept.nodes.is_empty()).map(Box::new);
        (Self { node: node.clone(), kept }, Fork { node, tries })
    }

    /// Ends this copy's way, for all destinations that it was for.
    pub fn settle(self, outcome: Outcome) {
        self.end(match outcome {
            Outcome::Delivered => DELIVERED,
            Outcome::Stored => STORED,
            Outcome::Dropped => DROPPED,
            Outcome::Rejected => REJECTED,
        });
    }

    /// Ends this copy's way without a word: an item that was replaced by others holding clones of this receipt.
    pub fn release(mut self) {
        (self.node, self.kept) = (None, None);
    }

    /// What stands in a log counts as stored with whoever waits for the item itself; the log goes on to keep it.
    pub fn stored(&mut self) {
        if let Some(node) = self.node.take() {
            node.mark(STORED);
        }
    }

    /// Ends this copy's way; what logs keep of it they keep.
    pub fn leave(mut self) {
        self.stored();
    }

    /// The caller answers for the item again, and what was put into a log for it is needless.
    pub fn hand_back(mut self) {
        self.node = None;
        self.end(DROPPED);
    }

    fn end(mut self, bits: u8) {
        self.mark(bits);
        self.release();
    }

    fn mark(&mut self, bits: u8) {
        if let Some(node) = &self.node {
            node.mark(bits);
        }
        if let Some(kept) = &self.kept {
            kept.nodes.values().for_each(|node| node.mark(bits));
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.mark(LOST);
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.node.is_some() || self.is_kept() { "Receipt(held)" } else { "Receipt(none)" })
    }
}

/// The caller's side of a forked receipt.
pub(crate) struct Fork {
    node: Option<Arc<Node>>,
    tries: Vec<Arc<Node>>,
}

impl Fork {
    /// The call was refused: what the callee dropped is not lost, this caller answers for it.
    pub(crate) fn refused(self) {
        self.node.iter().chain(&self.tries).for_each(|node| node.mark(REFUSED));
    }

    /// The call was refused, and nobody will try again.
    pub(crate) fn given_up(self) {
        self.node.iter().for_each(|node| node.mark(REFUSED));
        self.tries.iter().for_each(|node| node.mark(GIVEN_UP));
    }
}

/// The caller's side of one of several tries. Dropped without an answer, the try was not taken.
pub struct Try(Vec<Arc<Node>>);

impl Try {
    /// Whoever was called answers for the item now.
    pub fn taken(mut self) {
        self.0.clear();
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.0.iter().for_each(|node| node.mark(REFUSED));
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
        let (copy, fork) = receipt.fork(|_| true);
        drop(copy);
        fork.refused();
        receipt.release();
        let settled = seen.lock().unwrap().unwrap();
        assert!(settled.is_refused() && !settled.is_lost());
    }

    #[test]
    fn a_taken_call_reports_through_its_fork() {
        let (receipt, seen) = watched();
        let (copy, fork) = receipt.fork(|_| true);
        drop(fork);
        receipt.release();
        assert!(seen.lock().unwrap().is_none());
        copy.settle(Outcome::Delivered);
        assert!(seen.lock().unwrap().unwrap().is_safe());
    }

    #[test]
    fn only_the_try_that_is_taken_counts() {
        let (receipt, seen) = watched();
        let (copy, refused) = receipt.attempt();
        drop((copy, refused));
        let (copy, taken) = receipt.attempt();
        receipt.release();
        copy.settle(Outcome::Rejected);
        assert!(seen.lock().unwrap().is_none(), "the call has not answered");
        taken.taken();
        let settled = seen.lock().unwrap().unwrap();
        assert!(settled.is_rejected() && !settled.is_refused() && !settled.is_lost());
    }

    /// A receipt of an item that is kept for `a` and `b`.
    fn kept() -> (Receipt, [Arc<Mutex<Option<Settled>>>; 2]) {
        let ((a, seen_a), (b, seen_b)) = (watched(), watched());
        (Receipt::keeping(false, [("a".into(), a), ("b".into(), b)]), [seen_a, seen_b])
    }

    fn seen(of: &Mutex<Option<Settled>>) -> Option<Settled> {
        *of.lock().unwrap()
    }

    #[test]
    fn destinations_settle_one_by_one() {
        let (receipt, [a, b]) = kept();
        let (for_a, fork_a) = receipt.fork(|name| name == "a");
        let (for_b, fork_b) = receipt.fork(|name| name == "b");
        receipt.release();
        drop((fork_a, fork_b));
        assert!(for_a.is_kept_for("a") && !for_a.is_kept_for("b"));
        // A request that was cut in two.
        let rest = for_a.clone();
        for_a.settle(Outcome::Delivered);
        assert!(seen(&a).is_none() && seen(&b).is_none());
        rest.settle(Outcome::Delivered);
        assert!(seen(&a).unwrap().is_safe() && seen(&b).is_none());
        drop(for_b);
        assert!(seen(&b).unwrap().is_lost(), "it stays in the log");
    }

    #[test]
    fn a_refusal_is_tried_again_or_given_up() {
        let (receipt, [a, b]) = kept();
        for outcome in [None, Some(Outcome::Delivered)] {
            let (copy, fork) = receipt.fork(|name| name == "a");
            match outcome {
                Some(outcome) => copy.settle(outcome),
                None => {
                    drop(copy);
                    fork.refused();
                }
            }
        }
        let (copy, fork) = receipt.fork(|name| name == "b");
        drop(copy);
        fork.given_up();
        receipt.release();
        assert!(seen(&a).unwrap().is_safe());
        assert!(seen(&b).unwrap().is_dropped() && !seen(&b).unwrap().is_lost());
    }

    #[test]
    fn merged_items_are_kept_together() {
        let ((one, [a, b]), (two, [c, d])) = (kept(), kept());
        let merged = Receipt::join([one, Receipt::none(), two]);
        let names = vec!["a".into(), "b".into()];
        assert_eq!(merged.coverage(), Some(Coverage { only: false, names }));
        merged.settle(Outcome::Stored);
        assert!([a, b, c, d].iter().all(|each| seen(each).unwrap().is_safe()));
    }
}
