//! A queue whose items are on disk before they are acknowledged.
//!
//! What is taken is appended to the log of the storage first. Of what waits, each lane keeps the oldest in memory, up
//! to a share; the rest is *spilled*: counted, and read back from the log in order when there is room. Each item that
//! came from the log has a receipt that settles its record; what is dropped unsettled (the process ends) stays.
//!
//! The log's thread appends and reads one after the other, and calls back in that order under the queue's lock: so a
//! lane with nothing spilled is complete in memory, and everything from `Spilled::from` on is to be read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use corten_component::{Durable, Outcome, Receipt, Refusal};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::entry::{Entry, RECORD_BYTES, Waiter, fresh_id, measure};
use crate::lane::Lane;
use crate::log::{AppendError, Appended, Backlog, Chunk, Evicted, Log, WhenFull, flush_all};
use crate::queue::{State, Withdrawal};
use crate::storage::{Storage, StorageHandle};
use crate::{DropReason, Overflow, Payload, Queue, Sizer};

/// What a lane keeps in memory at most, in bytes.
const SHARE: usize = 8 << 20;

/// How long after a failure the log is opened again, or read again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long the end of an instance waits for its position to be on disk.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// A queue's end of its log.
pub(crate) struct Spool<T: Payload> {
    storage: StorageHandle,
    /// What the log is called in the storage.
    client: String,
    state: watch::Sender<Attached>,
    queue: Weak<Queue<T>>,
    share: usize,
    /// The last append failed for want of a disk.
    failing: AtomicBool,
}

#[derive(Clone)]
enum Attached {
    Opening,
    /// Tried again soon.
    Failed(String),
    Ready(Arc<Log>),
}

/// What waits of a lane on disk alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spilled {
    /// The first record that is not in memory.
    from: u64,
    pub(crate) records: u64,
    pub(crate) items: u64,
    bytes: u64,
    /// A read is under way.
    reading: bool,
    /// No read before.
    after: Option<Instant>,
}

impl From<Backlog> for Spilled {
    fn from(Backlog { records, items, bytes }: Backlog) -> Self {
        Self { records, items, bytes, ..Self::default() }
    }
}

impl Spilled {
    pub(crate) fn charge(&self, sizer: Sizer) -> u64 {
        match sizer {
            Sizer::Requests => self.records,
            Sizer::Items => self.items,
            Sizer::Bytes => self.bytes + self.records * RECORD_BYTES,
        }
    }

    fn take(&mut self, records: u64, items: u64, bytes: u64) {
        self.records = self.records.saturating_sub(records);
        self.items = self.items.saturating_sub(items);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Who answers for something that was taken.
enum Kept {
    /// The queue: it is on disk, or its sender does not care.
    Safe,
    /// Its sender, until the destination has it: it is in memory alone.
    InMemory,
}

/// What an instance leaves of its log.
pub(crate) type Left = (Arc<Log>, Vec<Spilled>);

impl<T: Payload> Spool<T> {
    pub(crate) fn new(storage: StorageHandle, name: &str, queue: Weak<Queue<T>>, budget: usize) -> Self {
        let client = name.split_once('/').map_or(name, |(_, id)| id).to_owned();
        let (state, _) = watch::channel(Attached::Opening);
        Self { storage, client, state, queue, share: SHARE.min(budget / 16), failing: AtomicBool::new(false) }
    }

    /// The queue as stages in front know it.
    pub(crate) fn durable(&self) -> Durable {
        Durable::new(self.client.as_str(), &self.storage)
    }

    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    pub(crate) fn storage(&self) -> Option<Arc<dyn Storage>> {
        self.storage.get()
    }

    fn log(&self) -> Option<Arc<Log>> {
        match &*self.state.borrow() {
            Attached::Ready(log) => Some(Arc::clone(log)),
            Attached::Opening | Attached::Failed(_) => None,
        }
    }

    async fn ready(&self, until: Instant) -> Result<Arc<Log>, Refusal> {
        let mut state = self.state.subscribe();
        let ready = state.wait_for(|state| !matches!(state, Attached::Opening));
        let _ = tokio::time::timeout_at(until, ready).await;
        match &*self.state.borrow() {
            Attached::Ready(log) => Ok(Arc::clone(log)),
            Attached::Opening => Err(Refusal::retry("the buffer on disk is still being read")),
            Attached::Failed(why) => Err(Refusal::retry(format!("the buffer on disk is not open: {why}"))),
        }
    }

    async fn open(&self, overflow: Overflow) -> Result<Arc<Log>, String> {
        let Some(storage) = self.storage.get() else {
            return Err(format!("{} has not started", self.storage.owner()));
        };
        storage.open(&self.client).await.map_err(|error| error.to_string()).inspect(|log| {
            log.set_when_full(match overflow {
                Overflow::DropOldest => WhenFull::DropOldest,
                Overflow::Reject | Overflow::Block => WhenFull::Reject,
            });
        })
    }
}

/// The receipt of an item that is in the log: what happens to it happens to its record.
fn receipt(log: &Arc<Log>, kind: usize, seq: u64) -> Receipt {
    let log = Arc::clone(log);
    Receipt::new(move |settled| {
        if !settled.is_lost() {
            log.settle(0, kind as u8, seq..seq + 1);
        }
    })
}

impl<T: Payload> Queue<T> {
    /// Opens the log, or takes over the last instance's, trying again until it can.
    pub(crate) async fn attach(&self, left: Option<Left>) {
        let Some(spool) = &self.spool else {
            if let Some((_, spilled)) = left {
                let records: u64 = spilled.iter().map(|spilled| spilled.records).sum();
                if records > 0 {
                    tracing::warn!(
                        exporter = self.name,
                        records,
                        "what is on disk alone stays there, since the queue has no storage any more"
                    );
                }
            }
            return;
        };
        let log = loop {
            let opened = match spool.open(self.policy.overflow).await {
                Ok(log) => match &left {
                    Some((known, spilled)) if Arc::ptr_eq(known, &log) => Ok((log, spilled.clone(), false)),
                    _ => log.backlogs().await.map_err(|error| error.to_string()).map(|backlogs| {
                        let first = backlogs.into_iter().next().unwrap_or_default();
                        (log, first.into_iter().map(Spilled::from).collect(), true)
                    }),
                },
                Err(why) => Err(why),
            };
            match opened {
                Ok((log, spilled, is_new)) => {
                    self.take_over(spilled, is_new);
                    break log;
                }
                Err(why) => {
                    tracing::error!(exporter = self.name, error = why, "the buffer on disk cannot be opened");
                    self.health.unhealthy(format!("the buffer on disk cannot be opened: {why}"));
                    spool.state.send_replace(Attached::Failed(why));
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        };
        spool.state.send_replace(Attached::Ready(log));
        self.health.healthy("delivering");
    }

    /// Counts what is on disk alone. What another process left is accepted here and now.
    fn take_over(&self, spilled: Vec<Spilled>, is_new: bool) {
        let mut state = self.state();
        let mut items = 0;
        for ((lane, spilled), metrics) in state.lanes.iter_mut().zip(spilled).zip(&self.metrics.lanes) {
            let charge = spilled.charge(self.policy.sizer);
            lane.held += charge;
            if is_new {
                items += spilled.items;
                metrics.own.accepted.add(spilled.items);
                metrics.own.queued.add(spilled.items as f64);
                metrics.own.queue_size.add(charge as f64);
            }
            lane.spilled = Spilled { reading: false, after: None, ..spilled };
        }
        drop(state);
        if items > 0 {
            tracing::info!(exporter = self.name, items, "delivering what an earlier process left on disk");
        }
        self.changed.notify_one();
    }

    /// The log with what is on disk alone, for the next instance.
    pub(crate) fn detach(&self, lanes: &mut [Lane<T>]) -> Option<Left> {
        let log = self.spool.as_ref()?.log()?;
        Some((log, lanes.iter_mut().map(|lane| std::mem::take(&mut lane.spilled)).collect()))
    }

    /// Waits until nothing that was settled would be delivered again after a power cut.
    pub(crate) async fn flush_log(&self) {
        if self.spool.is_some() {
            // Those of stages in front too.
            let _ = tokio::time::timeout(FLUSH_WITHIN, flush_all()).await;
        }
    }

    /// Takes an item that a stage in front has put on disk for this destination, if memory has room for it.
    ///
    /// # Errors
    /// The item, if it has to be put into this queue's own log.
    pub(crate) fn offer_kept(&self, spool: &Spool<T>, item: T) -> Result<(), T> {
        let (kind, charge) = (item.data_type(), measure(&item, self.policy.sizer));
        if !item.receipt().is_kept_for(&spool.client) || charge > self.policy.size {
            return Err(item);
        }
        let mut gone = Vec::new();
        let answer = {
            let mut state = self.state();
            let lane = &state.lanes[kind];
            let has_room = lane.spilled.records == 0 && lane.bytes + item.bytes() <= spool.share.max(item.bytes());
            if !state.closed && has_room && self.make_room(&mut state, kind, charge, &mut gone) {
                let mut item = item;
                let mut receipt = item.replace_receipt(Receipt::none());
                receipt.stored();
                item.replace_receipt(receipt).release();
                self.accept(&mut state, kind, item, charge, None);
                if let Some(entry) = state.lanes[kind].waiting.back_mut() {
                    entry.durable = true;
                }
                Ok(())
            } else {
                Err(item)
            }
        };
        self.give_up(gone, DropReason::Overflow);
        self.changed.notify_one();
        answer
    }

    /// Takes an item once it is on disk.
    pub(crate) async fn offer_durably(&self, spool: &Spool<T>, item: T, until: Instant) -> Result<(), Refusal> {
        let log = match spool.ready(until).await {
            Ok(log) => log,
            Err(refusal) => return Err(self.refuse(item, refusal)),
        };
        let Some(record) = item.to_record() else {
            return Err(self.refuse(item, Refusal::reject("data of this kind cannot be kept on disk")));
        };
        let charge = measure(&item, self.policy.sizer);
        let kind = item.data_type();
        loop {
            let space = self.space.notified();
            tokio::pin!(space);
            space.as_mut().enable();
            match self.reserve(kind, charge) {
                Ok(true) => break,
                Ok(false) if self.policy.overflow == Overflow::Block => {}
                Ok(false) => return Err(self.refuse(item, crate::queue::full())),
                Err(refusal) => return Err(self.refuse(item, refusal)),
            }
            if tokio::time::timeout_at(until, space).await.is_err() {
                return Err(self.refuse(item, crate::queue::full()));
            }
        }
        let (waiter, result) = Waiter::new();
        let withdrawal = Withdrawal::of(&waiter);
        let (done, answer) = oneshot::channel();
        let (queue, its) = (spool.queue.clone(), Arc::clone(&log));
        log.append_then(record, move |appended| {
            let answer = match queue.upgrade() {
                Some(queue) => queue.appended(&its, item, charge, appended, waiter),
                None => Err(gone(&its, item, appended)),
            };
            let _ = done.send(answer);
        });
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(Ok(Kept::Safe))) => Ok(()),
            // A kill would take it, so its sender answers for it until the destination does.
            Ok(Ok(Ok(Kept::InMemory))) => self.result(result, withdrawal, until).await,
            Ok(Ok(Err(refusal))) => Err(refusal),
            Ok(Err(_)) => Err(Refusal::retry("the component has been stopped")),
            Err(_) => Err(Refusal::retry("the disk has not answered in time")),
        }
    }

    /// What the log says of an item. Called on its thread, in the order of the appends.
    fn appended(
        &self,
        log: &Arc<Log>,
        mut item: T,
        charge: u64,
        appended: Appended,
        waiter: Arc<Waiter>,
    ) -> Result<Kept, Refusal> {
        let Some(spool) = &self.spool else { return Err(gone(log, item, appended)) };
        let kind = item.data_type();
        let (items, bytes) = (item.items(), item.bytes());
        self.evicted(&appended.evicted);
        self.report(spool, &appended.result);
        let mut state = self.state();
        let closed = state.closed;
        let lane = &mut state.lanes[kind];
        lane.held = lane.held.saturating_sub(charge);
        if closed {
            drop(state);
            return Err(gone(log, item, appended));
        }
        let has_room = lane.spilled.records == 0 && lane.bytes + bytes <= spool.share.max(bytes);
        let mut kept = Kept::Safe;
        match appended.result {
            Ok(seq) if has_room => {
                let upstream = item.replace_receipt(receipt(log, kind, seq));
                self.accept(&mut state, kind, item, charge, None);
                if let Some(entry) = state.lanes[kind].waiting.back_mut() {
                    (entry.durable, entry.record) = (true, Some(seq));
                }
                drop(state);
                upstream.settle(Outcome::Stored);
            }
            Ok(seq) => {
                let spilled = &mut lane.spilled;
                if spilled.records == 0 {
                    spilled.from = seq;
                }
                spilled.records += 1;
                spilled.items += items;
                spilled.bytes += bytes as u64;
                let charge = match self.policy.sizer {
                    Sizer::Bytes => bytes as u64 + RECORD_BYTES,
                    _ => charge,
                };
                lane.held += charge;
                self.count_accepted(kind, items, charge);
                drop(state);
                item.replace_receipt(Receipt::none()).settle(Outcome::Stored);
            }
            Err(AppendError::Disk { .. }) if has_room => {
                // Not safe, unless a stage in front keeps it. Who would rather lose the oldest than wait does not wait
                // for this either.
                let durable = item.receipt().is_kept();
                let waiter = (!durable && self.policy.overflow != Overflow::DropOldest).then_some(waiter);
                kept = if waiter.is_some() { Kept::InMemory } else { Kept::Safe };
                self.accept(&mut state, kind, item, charge, waiter);
                if let Some(entry) = state.lanes[kind].waiting.back_mut() {
                    entry.durable = durable;
                }
                drop(state);
            }
            Err(AppendError::Disk { .. })
                if self.policy.overflow == Overflow::DropOldest && !item.receipt().is_kept() =>
            {
                drop(state);
                let metrics = &self.metrics.lanes[kind];
                metrics.own.accepted.add(items);
                metrics.dropped(DropReason::DiskFull).add(items);
                metrics.enqueue_failed.add(items);
                item.replace_receipt(Receipt::none()).settle(Outcome::Dropped);
            }
            Err(error) => {
                drop(state);
                self.space.notify_waiters();
                return Err(self.refuse(item, Refusal::retry(error.to_string())));
            }
        }
        self.changed.notify_one();
        Ok(kept)
    }

    /// Says when the disk fails, and when it works again.
    fn report(&self, spool: &Spool<T>, result: &Result<u64, AppendError>) {
        match result {
            Ok(_) if spool.failing.swap(false, Ordering::Relaxed) => self.health.healthy("delivering"),
            Err(error @ AppendError::Disk { .. }) if !spool.failing.swap(true, Ordering::Relaxed) => {
                self.health.unhealthy(format!("what comes is kept in memory alone: {error}"));
            }
            _ => {}
        }
    }

    /// Counts what the log gave up to make room. What is in memory is sent all the same.
    fn evicted(&self, evicted: &[Evicted]) {
        for record in evicted {
            let kind = usize::from(record.kind);
            let mut state = self.state();
            let Some(lane) = state.lanes.get_mut(kind) else { continue };
            if lane.spilled.records == 0 || record.seq < lane.spilled.from {
                continue;
            }
            let backlog = Backlog { records: 1, items: record.items.into(), bytes: record.bytes.into() };
            self.forget(lane, kind, backlog, DropReason::Overflow);
        }
    }

    /// Counts spilled records as dropped.
    fn forget(&self, lane: &mut Lane<T>, kind: usize, gone: Backlog, reason: DropReason) {
        let Backlog { records, items, bytes } = gone;
        let before = lane.spilled.charge(self.policy.sizer);
        lane.spilled.take(records, items, bytes);
        let charge = before - lane.spilled.charge(self.policy.sizer);
        lane.held = lane.held.saturating_sub(charge);
        let metrics = &self.metrics.lanes[kind];
        metrics.dropped(reason).add(items);
        metrics.enqueue_failed.add(items);
        metrics.own.queued.add(-(items as f64));
        metrics.own.queue_size.add(-(charge as f64));
    }

    /// Reads on where a lane has room and something is on disk alone. Returns when to look again.
    pub(crate) fn refill(&self) -> Option<Instant> {
        let spool = self.spool.as_ref()?;
        let log = spool.log()?;
        let (now, mut wake) = (Instant::now(), None);
        for (kind, lane) in self.state().lanes.iter_mut().enumerate() {
            let spilled = &mut lane.spilled;
            if spilled.records == 0 || spilled.reading || lane.bytes > spool.share / 2 {
                continue;
            }
            if let Some(after) = spilled.after.filter(|after| *after > now) {
                wake = [wake, Some(after)].into_iter().flatten().min();
                continue;
            }
            (spilled.reading, spilled.after) = (true, None);
            let (queue, its) = (spool.queue.clone(), Arc::clone(&log));
            log.read_then(0, kind as u8, spilled.from, spool.share - lane.bytes, move |chunk| {
                if let Some(queue) = queue.upgrade() {
                    queue.refilled(&its, kind, chunk);
                }
            });
        }
        wake
    }

    /// Takes what was read from the log. Called on its thread.
    fn refilled(&self, log: &Arc<Log>, kind: usize, chunk: Chunk) {
        let mut kept = Vec::new();
        let mut refused = None;
        for (seq, record) in chunk.records {
            let (items, bytes) = (u64::from(record.items), record.payload_len() as u64);
            let item = T::from_record(&record);
            let item = match item.map(|item| item.keep(&self.arena)) {
                Some(Ok(mut item)) => {
                    item.replace_receipt(receipt(log, kind, seq)).release();
                    Some(item)
                }
                Some(Err(_)) => {
                    // No memory for it now.
                    refused = Some(seq);
                    break;
                }
                None => {
                    log.settle(0, kind as u8, seq..seq + 1);
                    None
                }
            };
            kept.push((seq, items, bytes, item));
        }
        let mut state = self.state();
        if state.closed {
            drop(state);
            // Unsettled, so that the next instance or process reads them again.
            drop(kept);
            return;
        }
        let mut expected = state.lanes[kind].spilled.from;
        for (seq, items, bytes, item) in kept {
            // What is missing in between is settled already, or cannot be read and must not be waited for.
            log.settle(0, kind as u8, expected..seq);
            expected = seq + 1;
            let State { lanes, next_seq, .. } = &mut *state;
            let lane = &mut lanes[kind];
            let Some(item) = item else {
                self.forget(lane, kind, Backlog { records: 1, items, bytes }, DropReason::Damaged);
                continue;
            };
            let before = lane.spilled.charge(self.policy.sizer);
            lane.spilled.take(1, items, bytes);
            lane.held = lane.held.saturating_sub(before - lane.spilled.charge(self.policy.sizer));
            *next_seq += 1;
            let entry = Entry {
                seq: *next_seq,
                part: (0, u64::MAX),
                id: fresh_id(),
                charge: measure(&item, self.policy.sizer),
                item,
                enqueued: Instant::now(),
                tried: None,
                failures: 0,
                ready: None,
                waiters: Vec::new(),
                durable: true,
                record: Some(seq),
            };
            lane.push(&self.policy, entry);
        }
        log.settle(0, kind as u8, expected..refused.unwrap_or(chunk.next));
        let lane = &mut state.lanes[kind];
        lane.spilled.reading = false;
        lane.spilled.from = refused.unwrap_or(chunk.next);
        if refused.is_some() || chunk.failed {
            lane.spilled.after = Some(Instant::now() + AGAIN_AFTER);
        } else if chunk.at_end && lane.spilled.records > 0 {
            // Nothing is behind it, so what was counted and not read cannot be read any more.
            let Spilled { records, items, bytes, .. } = lane.spilled;
            tracing::error!(exporter = self.name, records, items, "records of the buffer on disk cannot be read");
            self.forget(lane, kind, Backlog { records, items, bytes }, DropReason::Damaged);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Lets go of the newest that is in memory and on disk. Returns how many bytes that were.
    pub(crate) fn spill(&self, wanted: usize) -> usize {
        let mut freed = 0;
        let mut gone = Vec::new();
        for (kind, lane) in self.state().lanes.iter_mut().enumerate() {
            while freed < wanted && !lane.spilled.reading {
                let Some(seq) = lane.waiting.back().and_then(|entry| entry.record) else { break };
                let Some(entry) = lane.pop_newest(&self.policy) else { break };
                lane.spilled.from = seq;
                lane.spilled.records += 1;
                lane.spilled.items += entry.item.items();
                lane.spilled.bytes += entry.item.bytes() as u64;
                lane.spilled.after = Some(Instant::now() + AGAIN_AFTER);
                // The same on disk, but for a body that was kept as received.
                let charge = match self.policy.sizer {
                    Sizer::Bytes => entry.item.bytes() as u64 + RECORD_BYTES,
                    _ => entry.charge,
                };
                lane.held += charge;
                self.metrics.lanes[kind].own.queue_size.add(charge as f64 - entry.charge as f64);
                freed += entry.item.bytes().max(1);
                gone.push(entry);
            }
        }
        // Dropped unsettled, which leaves their records in the log.
        drop(gone);
        freed
    }
}

/// The queue has gone while the item was being written: its sender keeps it.
fn gone<T: Payload>(log: &Log, mut item: T, appended: Appended) -> Refusal {
    if let Ok(seq) = appended.result {
        log.settle(0, item.data_type() as u8, seq..seq + 1);
    }
    item.replace_receipt(Receipt::none()).release();
    Refusal::retry("the component is being replaced")
}

#[cfg(test)]
mod tests;
