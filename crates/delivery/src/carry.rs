//! What a queue leaves to the next instance.

use std::sync::Arc;

use futures_util::stream::FuturesUnordered;

use crate::dispatch::Attempt;
use crate::entry::{Entry, Fate, measure};
use crate::metrics::QueueMetrics;
use crate::queue::{FIRST_SEQ, pop_oldest};
use crate::{DropReason, Overflow, Payload, Queue, spool};

/// The items of a queue whose instance has ended, oldest first, and the attempts that are under way: those go on, so
/// that nothing is sent twice. Dropped without being inherited, what is on disk stays there, and everything else counts
/// as `dropped{reason="shutdown"}`.
pub struct Carry<T: Payload> {
    entries: Vec<Left<T>>,
    pub(crate) under_way: FuturesUnordered<Attempt>,
    /// The log, and what is in it alone.
    pub(crate) log: Option<spool::Left>,
    metrics: Option<Arc<QueueMetrics>>,
}

struct Left<T> {
    entry: Entry<T>,
    under_way: bool,
}

impl<T: Payload> Default for Carry<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), under_way: FuturesUnordered::new(), log: None, metrics: None }
    }
}

impl<T: Payload> Carry<T> {
    /// How many items it holds.
    pub fn items(&self) -> u64 {
        self.entries.iter().map(|left| left.entry.item.items()).sum()
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.log.is_none()
    }
}

impl<T: Payload> Drop for Carry<T> {
    fn drop(&mut self) {
        let Some(metrics) = &self.metrics else { return };
        for Left { entry, .. } in self.entries.drain(..) {
            if entry.durable {
                // It stays on disk for the next process, since its receipt ends unsettled.
                continue;
            }
            entry.settle(metrics, Fate::Dropped(DropReason::Shutdown, "the component has been stopped".to_owned()));
        }
    }
}

impl<T: Payload> std::fmt::Debug for Carry<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carry").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl<T: Payload> Queue<T> {
    /// Puts what the last instance left before everything else, and returns the attempts that are under way.
    pub(crate) fn inherit(&self, mut carry: Carry<T>) -> FuturesUnordered<Attempt> {
        let entries = std::mem::take(&mut carry.entries);
        let mut gone = Vec::new();
        {
            let mut state = self.state();
            let first = FIRST_SEQ - entries.len() as u64;
            for (place, Left { mut entry, under_way }) in entries.into_iter().enumerate().rev() {
                let kind = entry.item.data_type();
                let charge = measure(&entry.item, self.policy.sizer);
                self.metrics.lanes[kind].own.queue_size.add(charge as f64 - entry.charge as f64);
                (entry.seq, entry.part, entry.charge) = (first + place as u64, (0, u64::MAX), charge);
                (entry.ready, entry.failures) = (None, 0);
                let lane = &mut state.lanes[kind];
                if under_way {
                    lane.held += charge;
                    lane.in_flight.insert(entry.id, entry);
                } else {
                    lane.unshift(&self.policy, entry);
                }
            }
            // A smaller queue than before; what a sender was told to be kept is not refused after the fact.
            if self.policy.overflow == Overflow::DropOldest {
                let count = state.lanes.len();
                let width = if self.policy.each { 1 } else { count };
                for start in (0..count).step_by(width) {
                    let lanes = &mut state.lanes[start..start + width];
                    while lanes.iter().map(|lane| lane.held).sum::<u64>() > self.policy.size {
                        let Some(entry) = pop_oldest(lanes, &self.policy) else { break };
                        gone.push(entry);
                    }
                }
            }
        }
        self.give_up(gone, DropReason::Overflow);
        std::mem::take(&mut carry.under_way)
    }

    /// Takes everything out; from now on nothing is accepted.
    pub(crate) fn close(&self) -> Carry<T> {
        let mut entries = Vec::new();
        let log;
        {
            let mut state = self.state();
            state.closed = true;
            log = self.detach(&mut state.lanes);
            for lane in &mut state.lanes {
                let lane = std::mem::take(lane);
                let waiting = lane.retrying.into_iter().chain(lane.waiting);
                entries.extend(waiting.map(|entry| Left { entry, under_way: false }));
                entries.extend(lane.in_flight.into_values().map(|entry| Left { entry, under_way: true }));
            }
        }
        self.space.notify_waiters();
        entries.sort_by_key(|left| left.entry.place());
        Carry { entries, under_way: FuturesUnordered::new(), log, metrics: Some(Arc::clone(&self.metrics)) }
    }
}
