//! One thing that waits, and who waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use corten_component::{Outcome, Receipt, Refusal};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::metrics::QueueMetrics;
use crate::{DropReason, Payload, Sizer};

/// What a record costs besides its bytes: the entry, the item's own structures, the owner of its memory, its share
/// of the queue's growth.
pub(crate) const RECORD_BYTES: u64 = 512;

/// A number for an entry, never given twice: attempts outlive the queue that began them.
pub(crate) fn fresh_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// An item in a queue, with all that happens to it.
pub(crate) struct Entry<T> {
    /// Its place in the order of arrival; pieces of one item share it.
    pub(crate) seq: u64,
    /// Which part of the item it is, as a range of 2⁶⁴ths: start and width.
    pub(crate) part: (u64, u64),
    /// What it is found by while under way: unique.
    pub(crate) id: u64,
    pub(crate) item: T,
    /// Its share of the queue's size, in units of the sizer.
    pub(crate) charge: u64,
    pub(crate) enqueued: Instant,
    /// When it was first tried.
    pub(crate) tried: Option<Instant>,
    pub(crate) failures: u32,
    /// Not before; `None` is at once.
    pub(crate) ready: Option<Instant>,
    pub(crate) waiters: Vec<Arc<Waiter>>,
    /// Whether all of it is on disk, and stays there until its receipt is settled.
    pub(crate) durable: bool,
    /// Its record on disk, while it is exactly that.
    pub(crate) record: Option<u64>,
}

/// How an entry ends.
pub(crate) enum Fate {
    /// The destination took it, but for so many items.
    Delivered { rejected: u64 },
    /// The destination will never take it.
    Rejected(String),
    /// It was given up.
    Dropped(DropReason, String),
}

pub(crate) fn measure<T: Payload>(item: &T, sizer: Sizer) -> u64 {
    match sizer {
        Sizer::Requests => 1,
        Sizer::Items => item.items(),
        Sizer::Bytes => item.memory() as u64 + RECORD_BYTES,
    }
}

impl<T: Payload> Entry<T> {
    /// Where it stands in the order of arrival. Parts too small to be told apart were made in order.
    pub(crate) fn place(&self) -> (u64, u64, u64) {
        (self.seq, self.part.0, self.id)
    }

    /// Puts the next entry behind this one.
    ///
    /// # Errors
    /// The other entry, if the items cannot be one.
    #[allow(clippy::result_large_err, reason = "what cannot be done gives the entry back as it was")]
    pub(crate) fn absorb(&mut self, mut other: Self) -> Result<(), Self> {
        if self.waiters.is_empty() != other.waiters.is_empty() {
            // Who gives up waiting for the one must not take the other along.
            return Err(other);
        }
        if let Err(item) = self.item.append(other.item) {
            other.item = item;
            return Err(other);
        }
        self.charge += other.charge;
        (self.durable, self.record) = (self.durable && other.durable, None);
        self.enqueued = self.enqueued.min(other.enqueued);
        self.waiters.append(&mut other.waiters);
        Ok(())
    }

    /// Divides by `how`. The charge is divided as the items are.
    #[allow(clippy::result_large_err, reason = "what cannot be done gives the entry back as it was")]
    pub(crate) fn divide(self, sizer: Sizer, how: impl FnOnce(T) -> Result<(T, T), T>) -> Result<(Self, Self), Self> {
        let Self { seq, part, id: own_id, item, charge, enqueued, tried, failures, ready, waiters, durable, record } =
            self;
        let piece = |part, id, item, charge, waiters, record| Self {
            seq,
            part,
            id,
            item,
            charge,
            enqueued,
            tried,
            failures,
            ready,
            waiters,
            durable,
            record,
        };
        let half = part.1 / 2;
        match how(item) {
            Ok((first, second)) => {
                let share = if sizer == Sizer::Requests { 0 } else { measure(&second, sizer).min(charge) };
                let (a, b) = (waiters.clone(), waiters);
                let first = piece((part.0, half), own_id, first, charge - share, a, None);
                Ok((first, piece((part.0 + half, half), fresh_id(), second, share, b, None)))
            }
            Err(item) => Err(piece(part, own_id, item, charge, waiters, record)),
        }
    }

    /// Whether everybody who waited for its result has given up.
    pub(crate) fn is_withdrawn(&self) -> bool {
        !self.waiters.is_empty() && self.waiters.iter().all(|waiter| waiter.withdrawn.load(Ordering::Relaxed))
    }

    /// Counts it, settles its receipt, answers who waits. Never call it with a lock held: receipts call back.
    pub(crate) fn settle(mut self, metrics: &QueueMetrics, fate: Fate) {
        let items = self.item.items();
        let receipt = self.item.replace_receipt(Receipt::none());
        if let Some(lane) = metrics.lanes.get(self.item.data_type()) {
            match &fate {
                Fate::Delivered { rejected } => {
                    let rejected = (*rejected).min(items);
                    lane.own.delivered.add(items - rejected);
                    lane.own.rejected.add(rejected);
                    lane.sent.add(items);
                }
                Fate::Rejected(_) => {
                    lane.own.rejected.add(items);
                    lane.send_failed.add(items);
                }
                Fate::Dropped(reason, _) => {
                    lane.dropped(*reason).add(items);
                    match reason {
                        DropReason::Overflow | DropReason::Memory => lane.enqueue_failed.add(items),
                        _ => lane.send_failed.add(items),
                    }
                }
            }
            lane.own.queued.add(-(items as f64));
            lane.own.queue_size.add(-(self.charge as f64));
        }
        let refusal = match &fate {
            Fate::Delivered { .. } => None,
            Fate::Rejected(why) => Some(Refusal::reject(why.clone())),
            Fate::Dropped(DropReason::SendFailed, why) => Some(Refusal::reject(why.clone())),
            Fate::Dropped(_, why) => Some(Refusal::retry(why.clone())),
        };
        match (refusal, fate) {
            // Whoever waits is told, and answers for the item from then on.
            (Some(refusal), _) if !self.waiters.is_empty() => {
                receipt.release();
                self.waiters.iter().for_each(|waiter| waiter.fail(refusal.clone()));
            }
            // What a back end rejected in part is mostly delivered; sending it again would double the rest.
            (_, Fate::Delivered { rejected }) if rejected < items || items == 0 => receipt.settle(Outcome::Delivered),
            (_, Fate::Delivered { .. } | Fate::Rejected(_)) => receipt.settle(Outcome::Rejected),
            (_, Fate::Dropped(..)) => receipt.settle(Outcome::Dropped),
        }
    }
}

/// What a sender that waits is told.
pub(crate) type Answer = oneshot::Receiver<Result<(), Refusal>>;

/// A sender that waits for the result of what it handed over; of all pieces of it.
pub(crate) struct Waiter {
    answer: Mutex<Worst>,
    withdrawn: AtomicBool,
}

struct Worst {
    to: Option<oneshot::Sender<Result<(), Refusal>>>,
    worst: Option<Refusal>,
}

impl Waiter {
    pub(crate) fn new() -> (Arc<Self>, Answer) {
        let (to, answer) = oneshot::channel();
        let waiter =
            Self { answer: Mutex::new(Worst { to: Some(to), worst: None }), withdrawn: AtomicBool::new(false) };
        (Arc::new(waiter), answer)
    }

    /// The sender waits no longer; what has not begun is not sent.
    pub(crate) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Relaxed);
    }

    fn fail(&self, refusal: Refusal) {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        // Something to try again weighs more than something that is lost anyway.
        if answer.worst.as_ref().is_none_or(|worst| !worst.is_retryable()) {
            answer.worst = Some(refusal);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let answer = self.answer.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(to) = answer.to.take() {
            // Nobody there means that the sender has withdrawn.
            let _ = to.send(answer.worst.take().map_or(Ok(()), Err));
        }
    }
}
