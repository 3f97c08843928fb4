//! A destination's queue: what it takes, what it refuses, what it gives up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use corten_component::{BoxFuture, Consume, Durable, Health, Kinds, Outcome, Receipt, Refusal};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::entry::{Answer, Entry, Fate, Waiter, fresh_id, measure};
use crate::lane::Lane;
use crate::metrics::QueueMetrics;
use crate::spool::Spool;
use crate::{Arena, DropReason, Overflow, Payload, Policy, Shed};

/// Room for the numbers of entries that the last instance left.
pub(crate) const FIRST_SEQ: u64 = 1 << 48;

/// What a sender is told to wait when the queue is full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Holds the items of one destination until they are settled. See the crate's page.
///
/// The queue is the consumer of an exporter's port; [`Queue::run`] sends what it holds.
pub struct Queue<T: Payload> {
    pub(crate) name: String,
    pub(crate) policy: Policy,
    pub(crate) arena: Arc<Arena>,
    pub(crate) metrics: Arc<QueueMetrics>,
    pub(crate) health: Health,
    pub(crate) spool: Option<Spool<T>>,
    kinds: Kinds,
    state: Mutex<State<T>>,
    /// Something for the dispatcher.
    pub(crate) changed: Notify,
    /// Room for those who wait to put something in.
    pub(crate) space: Notify,
}

pub(crate) struct State<T> {
    pub(crate) lanes: Vec<Lane<T>>,
    pub(crate) next_seq: u64,
    /// Where compaction goes on.
    pub(crate) compacted: u64,
    pub(crate) closed: bool,
}

enum Full<T> {
    /// There will be room.
    Wait(T),
    Refused(T, Refusal),
}

impl<T: Payload> Queue<T> {
    /// An empty queue. `name` is the label `exporter`; `kinds` is what the destination takes.
    pub fn new(
        name: impl Into<String>,
        kinds: Kinds,
        policy: Policy,
        arena: Arc<Arena>,
        metrics: Arc<QueueMetrics>,
        health: Health,
    ) -> Arc<Self> {
        let state = State {
            lanes: T::DATA_TYPES.iter().map(|_| Lane::default()).collect(),
            next_seq: FIRST_SEQ,
            compacted: 0,
            closed: false,
        };
        let name = name.into();
        let queue = Arc::new_cyclic(|me| Self {
            spool: policy
                .storage
                .clone()
                .map(|storage| Spool::new(storage, &name, Weak::clone(me), arena.budget().limit())),
            name,
            policy,
            arena,
            metrics,
            health,
            kinds,
            state: Mutex::new(state),
            changed: Notify::new(),
            space: Notify::new(),
        });
        let destination: Arc<dyn Shed> = queue.clone();
        queue.arena.budget().register(Arc::downgrade(&destination));
        queue
    }

    /// Items that wait or are under way.
    pub fn items(&self) -> u64 {
        let state = self.state();
        let count = |lane: &Lane<T>| -> u64 {
            let waiting = lane.waiting.iter().chain(&lane.retrying).chain(lane.in_flight.values());
            waiting.map(|entry| entry.item.items()).sum::<u64>() + lane.spilled.items
        };
        state.lanes.iter().map(count).sum()
    }

    /// What is held, in units of the policy's sizer.
    pub fn size(&self) -> u64 {
        self.state().lanes.iter().map(|lane| lane.held).sum()
    }

    /// Tries paused destinations at once, because something says that they are back.
    pub fn probe(&self) {
        let now = Instant::now();
        for lane in &mut self.state().lanes {
            lane.paused = lane.paused.map(|until| until.min(now));
        }
        self.changed.notify_one();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn offer(&self, item: T) -> Result<(), Refusal> {
        if item.bytes() == 0 {
            let mut item = item;
            item.replace_receipt(Receipt::none()).settle(Outcome::Delivered);
            return Ok(());
        }
        let (waiter, answer) = match self.policy.wait_for_result {
            true => {
                let (waiter, answer) = Waiter::new();
                (Some(waiter), Some(answer))
            }
            false => (None, None),
        };
        let mut item = match item.forwarded(self.policy.forwards).keep(&self.arena) {
            Ok(item) => item,
            Err((item, over)) => return Err(self.refuse(item, over.into())),
        };
        let until = Instant::now() + self.policy.patience;
        if let Some(spool) = &self.spool {
            return match self.offer_kept(spool, item) {
                Ok(()) => Ok(()),
                Err(item) => self.offer_durably(spool, item, until).await,
            };
        }
        loop {
            let space = self.space.notified();
            tokio::pin!(space);
            space.as_mut().enable();
            match self.push(item, waiter.clone()) {
                Ok(()) => break,
                Err(Full::Refused(item, refusal)) => return Err(self.refuse(item, refusal)),
                Err(Full::Wait(back)) => item = back,
            }
            if tokio::time::timeout_at(until, space).await.is_err() {
                return Err(self.refuse(item, full()));
            }
        }
        let (Some(waiter), Some(answer)) = (waiter, answer) else { return Ok(()) };
        let withdrawal = Withdrawal::of(&waiter);
        drop(waiter);
        self.result(answer, withdrawal, until).await
    }

    /// Waits for what becomes of an item that was taken.
    pub(crate) async fn result(&self, answer: Answer, withdrawal: Withdrawal, until: Instant) -> Result<(), Refusal> {
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Refusal::retry("the component has been stopped")),
            Err(_) => {
                drop(withdrawal);
                self.changed.notify_one();
                Err(Refusal::retry("the destination has not answered in time"))
            }
        }
    }

    /// The caller answers for the item on.
    pub(crate) fn refuse(&self, mut item: T, refusal: Refusal) -> Refusal {
        if let Some(lane) = self.metrics.lanes.get(item.data_type()) {
            lane.own.refused.add(item.items());
            lane.enqueue_failed.add(item.items());
        }
        item.replace_receipt(Receipt::none()).release();
        refusal
    }

    fn push(&self, item: T, waiter: Option<Arc<Waiter>>) -> Result<(), Full<T>> {
        let charge = measure(&item, self.policy.sizer);
        let kind = item.data_type();
        if charge > self.policy.size {
            let why = format!("the item is larger than the whole queue ({charge} of {})", self.policy.size);
            return Err(Full::Refused(item, Refusal::reject(why)));
        }
        let mut gone = Vec::new();
        let answer = {
            let mut state = self.state();
            let state = &mut *state;
            if state.closed {
                return Err(Full::Refused(item, Refusal::retry("the component is being replaced")));
            }
            let fits = self.make_room(state, kind, charge, &mut gone);
            match (fits, self.policy.overflow) {
                (true, _) => {
                    self.accept(state, kind, item, charge, waiter);
                    Ok(())
                }
                (false, Overflow::Block) => Err(Full::Wait(item)),
                (false, _) => Err(Full::Refused(item, full())),
            }
        };
        self.changed.notify_one();
        self.give_up(gone, DropReason::Overflow);
        answer
    }

    /// Whether so much fits, once the oldest has gone where the policy says so.
    pub(crate) fn make_room(&self, state: &mut State<T>, kind: usize, charge: u64, gone: &mut Vec<Entry<T>>) -> bool {
        let scope = if self.policy.each { kind..kind + 1 } else { 0..state.lanes.len() };
        loop {
            let Some(lanes) = state.lanes.get_mut(scope.clone()) else { return false };
            if lanes.iter().map(|lane| lane.held).sum::<u64>() + charge <= self.policy.size {
                return true;
            }
            if self.policy.overflow != Overflow::DropOldest {
                return false;
            }
            let Some(entry) = pop_oldest(lanes, &self.policy) else { return false };
            gone.push(entry);
        }
    }

    /// Sets room aside for what is being written to disk. `false` while there is none.
    pub(crate) fn reserve(&self, kind: usize, charge: u64) -> Result<bool, Refusal> {
        if charge > self.policy.size {
            let size = self.policy.size;
            return Err(Refusal::reject(format!("the item is larger than the whole queue ({charge} of {size})")));
        }
        let mut gone = Vec::new();
        let fits = {
            let mut state = self.state();
            if state.closed {
                return Err(Refusal::retry("the component is being replaced"));
            }
            let fits = self.make_room(&mut state, kind, charge, &mut gone);
            if fits {
                state.lanes[kind].held += charge;
            }
            fits
        };
        self.give_up(gone, DropReason::Overflow);
        Ok(fits)
    }

    pub(crate) fn count_accepted(&self, kind: usize, items: u64, charge: u64) {
        let metrics = &self.metrics.lanes[kind];
        metrics.own.accepted.add(items);
        metrics.own.queued.add(items as f64);
        metrics.own.queue_size.add(charge as f64);
        metrics.own.enqueue_size.observe(items as f64);
    }

    pub(crate) fn accept(&self, state: &mut State<T>, kind: usize, item: T, charge: u64, waiter: Option<Arc<Waiter>>) {
        state.next_seq += 1;
        self.count_accepted(kind, item.items(), charge);
        let entry = Entry {
            seq: state.next_seq,
            part: (0, u64::MAX),
            id: fresh_id(),
            item,
            charge,
            enqueued: Instant::now(),
            tried: None,
            failures: 0,
            ready: None,
            waiters: waiter.into_iter().collect(),
            durable: false,
            record: None,
        };
        state.lanes[kind].push(&self.policy, entry);
    }

    pub(crate) fn give_up(&self, entries: Vec<Entry<T>>, reason: DropReason) {
        for entry in entries {
            let why = match reason {
                DropReason::Overflow => "the queue was full, and this was the oldest in it",
                DropReason::Memory => "the memory budget was spent, and this was the oldest in the queue",
                _ => "given up",
            };
            entry.settle(&self.metrics, Fate::Dropped(reason, why.to_owned()));
        }
    }
}

/// A sender that stops waiting takes back what has not been sent.
pub(crate) struct Withdrawal(Weak<Waiter>);

impl Withdrawal {
    pub(crate) fn of(waiter: &Arc<Waiter>) -> Self {
        Self(Arc::downgrade(waiter))
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some(waiter) = self.0.upgrade() {
            waiter.withdraw();
        }
    }
}

pub(crate) fn full() -> Refusal {
    Refusal::Retry { after: Some(RETRY_AFTER), why: "the sending queue is full".into() }
}

pub(crate) fn pop_oldest<T: Payload>(lanes: &mut [Lane<T>], policy: &Policy) -> Option<Entry<T>> {
    let oldest = lanes.iter_mut().filter_map(|lane| Some((lane.oldest()?, lane))).min_by_key(|(seq, _)| *seq);
    oldest.and_then(|(_, lane)| lane.pop_oldest(policy))
}

impl<T: Payload> Consume<T> for Queue<T> {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        self.arena.budget().admit(bytes)
    }

    fn consume(&self, item: T) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.offer(item))
    }

    fn kinds(&self) -> Kinds {
        self.kinds
    }

    fn durable(&self) -> Vec<Durable> {
        self.spool.iter().map(Spool::durable).collect()
    }
}

impl<T: Payload> Shed for Queue<T> {
    fn held(&self) -> usize {
        self.state().lanes.iter().map(|lane| lane.bytes).sum()
    }

    fn shed(&self, bytes: usize, enough: &dyn Fn() -> bool) -> bool {
        if self.spool.is_some() {
            // What is on disk needs no memory; what is not, for want of a disk, is little.
            return self.spill(bytes) > 0;
        }
        let mut given = 0;
        while given < bytes && !enough() {
            let Some(entry) = pop_oldest(&mut self.state().lanes, &self.policy) else { break };
            given += entry.item.bytes().max(1);
            self.give_up(vec![entry], DropReason::Memory);
        }
        if given > 0 {
            self.space.notify_waiters();
        }
        given > 0
    }
}

/// A queue that nobody serves any more: what is in it is counted all the same.
impl<T: Payload> Drop for Queue<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl<T: Payload> std::fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("name", &self.name).field("policy", &self.policy).finish_non_exhaustive()
    }
}
