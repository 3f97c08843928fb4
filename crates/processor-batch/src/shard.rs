//! One line of waiting requests, and the task that empties it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corten_component::{Fanout, Outcome, Refusal};
use corten_delivery::Arena;
use corten_signal::otlp::{self, Meta, SignalKind};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::metrics::{DropReason, Items, Meters};
use crate::pending::Pending;

/// Bytes at which a shard is flushed though it has too few items, and beyond which callers wait.
pub(crate) const PENDING_BYTES: usize = 32 << 20;

/// How long a caller waits for room before it is told to try again.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(5);

/// How long a batch that nobody takes is tried.
pub(crate) const RETRY_FOR: Duration = Duration::from_secs(30);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// What is kept of the deadline for handing over what could not be sent.
const HAND_OVER: Duration = Duration::from_millis(250);

/// What the tasks are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Go on.
    Run,
    /// End; another instance takes what is left.
    HandOver { deadline: Instant },
    /// Send what is left; nobody else will.
    Finish { deadline: Instant },
}

impl Course {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Run => None,
            Self::HandOver { deadline } | Self::Finish { deadline } => Some(deadline),
        }
    }
}

/// When a shard is flushed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Items at which a batch leaves.
    pub(crate) size: usize,
    /// Items a batch has at most; 0: no limit.
    pub(crate) max: usize,
    /// How long an item waits.
    pub(crate) timeout: Duration,
    /// Since when the clock that flushes ticks.
    pub(crate) start: Instant,
}

/// Requests of one signal and one combination of metadata values.
pub(crate) struct Shard {
    pub(crate) kind: SignalKind,
    /// The metadata that its batches carry.
    pub(crate) meta: Option<Arc<Meta>>,
    limits: Limits,
    to: Fanout<otlp::Batch>,
    meters: Arc<Meters>,
    items: Items,
    arena: Option<Arc<Arena>>,
    state: Mutex<State>,
    /// Something has changed that the task must look at.
    wake: Notify,
    /// There may be room for callers that wait.
    room: Notify,
}

#[derive(Default)]
struct State {
    pending: Pending,
    /// Bytes of the batch that is being handed on.
    sending: usize,
    closed: bool,
}

#[derive(Clone, Copy)]
enum Trigger {
    Size,
    Timeout,
    Stop,
}

impl Shard {
    pub(crate) fn new(
        kind: SignalKind,
        meta: Option<Arc<Meta>>,
        limits: Limits,
        to: Fanout<otlp::Batch>,
        meters: Arc<Meters>,
        items: Items,
        arena: Option<Arc<Arena>>,
    ) -> Arc<Self> {
        let state = State { pending: Pending::charging(arena.clone()), ..State::default() };
        let (state, wake, room) = (Mutex::new(state), Notify::new(), Notify::new());
        Arc::new(Self { kind, meta, limits, to, meters, items, arena, state, wake, room })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request. Waits while too many bytes wait already.
    pub(crate) async fn push(&self, batch: otlp::Batch) -> Result<(), Refusal> {
        let taken = match self.room().await {
            Ok(()) => self.put_in_room(batch),
            Err(refusal) => Err((batch, refusal)),
        };
        taken.map_err(|(mut batch, refusal)| {
            batch.take_receipt().release();
            refusal
        })
    }

    /// Waits while too many bytes wait already.
    pub(crate) async fn room(&self) -> Result<(), Refusal> {
        if let Some(answer) = self.has_room() {
            return answer;
        }
        let deadline = Instant::now() + WAIT_FOR_ROOM;
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if let Some(answer) = self.has_room() {
                return answer;
            }
            if timeout_at(deadline, room).await.is_err() {
                let why = "the batch stage is full: what it sends on is not taken fast enough";
                return Err(Refusal::Retry { after: Some(Duration::from_secs(1)), why: why.into() });
            }
        }
    }

    /// `None`: not yet.
    fn has_room(&self) -> Option<Result<(), Refusal>> {
        let state = self.lock();
        if state.closed {
            return Some(Err(stopping()));
        }
        (state.pending.bytes() + state.sending < PENDING_BYTES).then_some(Ok(()))
    }

    /// Adds a request for which there was room. Gives it back when the stage is stopping.
    #[allow(clippy::result_large_err, reason = "what cannot be done gives the batch back as it was")]
    pub(crate) fn put_in_room(&self, batch: otlp::Batch) -> Result<(), (otlp::Batch, Refusal)> {
        let mut state = self.lock();
        if state.closed {
            return Err((batch, stopping()));
        }
        self.items.incoming.add(batch.items() as u64);
        self.put(&mut state, batch);
        Ok(())
    }

    /// Whether a request has to be cut.
    pub(crate) fn divides(&self, batch: &otlp::Batch) -> bool {
        self.limits.max > 0 && batch.items() > self.limits.max
    }

    fn put(&self, state: &mut State, batch: otlp::Batch) {
        let was_empty = state.pending.is_empty();
        state.pending.push(batch.with_meta(self.meta.clone()));
        if was_empty || self.is_full(&state.pending) {
            self.wake.notify_one();
        }
    }

    /// Puts what an earlier instance held before everything else.
    pub(crate) fn adopt(&self, batches: Vec<otlp::Batch>) {
        let mut state = self.lock();
        for batch in batches.into_iter().rev() {
            state.pending.push_front(batch.with_meta(self.meta.clone()));
        }
        self.wake.notify_one();
    }

    /// Hands a request on at once, in the caller's time. Only if it has to be divided may part of it wait here.
    pub(crate) async fn pass(&self, batch: otlp::Batch) -> Result<(), Refusal> {
        if !self.is_idle() {
            return self.push(batch).await;
        }
        let items = batch.items();
        let mut rest = Pending::charging(self.arena.clone());
        rest.push(batch.with_meta(self.meta.clone()));
        let Some(mut first) = rest.take(usize::MAX, self.limits.max) else { return Ok(()) };
        let (sent, bytes) = (first.items(), first.len());
        if let Err(refusal) = self.to.attempt(&mut first).await {
            // Nothing of it was taken, so all of it is the caller's again.
            first.take_receipt().release();
            rest.into_batches().into_iter().for_each(|mut piece| piece.take_receipt().release());
            return Err(refusal);
        }
        self.items.incoming.add(items as u64);
        self.sent(sent, bytes, Trigger::Size);
        let mut state = self.lock();
        rest.into_batches().into_iter().for_each(|piece| self.put(&mut state, piece));
        Ok(())
    }

    fn is_idle(&self) -> bool {
        let state = self.lock();
        state.pending.is_empty() && state.sending == 0
    }

    fn is_full(&self, pending: &Pending) -> bool {
        pending.items() >= self.limits.size.max(1) || pending.bytes() >= PENDING_BYTES
    }

    /// Empties the shard until told to stop; what it could not send then stays in it.
    pub(crate) async fn run(self: Arc<Self>, mut course: watch::Receiver<Course>) {
        let mut flushed = self.limits.start;
        loop {
            match now(&course) {
                Course::Run => {}
                Course::HandOver { .. } => return,
                Course::Finish { .. } => return self.drain(&mut course).await,
            }
            let due = {
                let state = self.lock();
                let waits = !state.pending.is_empty();
                (!self.is_full(&state.pending)).then(|| waits.then(|| next_tick(flushed, self.limits.timeout)))
            };
            let trigger = match due {
                // At once: a timer would let a millisecond pass.
                None => Trigger::Size,
                Some(due) => {
                    let wait = async {
                        match due {
                            Some(due) => sleep_until(due).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        biased;
                        _ = course.wait_for(|course| *course != Course::Run) => continue,
                        () = wait => if self.is_full(&self.lock().pending) { Trigger::Size } else { Trigger::Timeout },
                        () = self.wake.notified() => continue,
                    }
                }
            };
            let Some(batch) = self.take() else { continue };
            flushed = Instant::now();
            self.deliver(batch, trigger, &mut course).await;
        }
    }

    fn take(&self) -> Option<InFlight<'_>> {
        let mut state = self.lock();
        let batch = state.pending.take(self.limits.size.max(1), self.limits.max)?;
        state.sending = batch.len();
        Some(InFlight { shard: self, batch: Some(batch) })
    }

    /// Tries until the batch is taken, refused for good, or too old; a batch that is still refused when the stage
    /// stops is put back.
    async fn deliver(&self, mut held: InFlight<'_>, trigger: Trigger, course: &mut watch::Receiver<Course>) {
        let mut give_up = Instant::now() + RETRY_FOR;
        let mut backoff = RETRY_FIRST;
        loop {
            let Some(batch) = &mut held.batch else { return };
            let (items, bytes) = (batch.items(), batch.len());
            let refusal = match attempt_until_deadline(&self.to, batch, course).await {
                Some(Ok(())) => {
                    held.batch = None;
                    self.sent(items, bytes, trigger);
                    return;
                }
                // No time is left.
                None => return held.put_back(),
                Some(Err(refusal)) => refusal,
            };
            if !refusal.is_retryable() {
                return held.give_up(&refusal);
            }
            let mut wait = backoff;
            if let Refusal::Retry { after: Some(after), .. } = &refusal {
                wait = wait.max(*after);
            }
            backoff = (backoff * 2).min(RETRY_MOST);
            let again = Instant::now() + wait;
            let stopping = match now(course) {
                Course::Run => false,
                Course::HandOver { .. } => return held.put_back(),
                Course::Finish { deadline } => {
                    give_up = give_up.min(deadline.checked_sub(HAND_OVER).unwrap_or(deadline));
                    true
                }
            };
            // What is on disk waits as long as it must; its senders are asked to wait when there is no room.
            if again > give_up && (stopping || !held.is_kept()) {
                return if stopping { held.put_back() } else { held.give_up(&refusal) };
            }
            tokio::select! {
                () = sleep_until(again) => {}
                // Stopping is a reason to try at once.
                _ = course.wait_for(|course| *course != Course::Run), if !stopping => {}
            }
        }
    }

    /// Sends what is left, as far as it is taken in time.
    async fn drain(&self, course: &mut watch::Receiver<Course>) {
        while let Some(batch) = self.take() {
            let before = self.lock().pending.items();
            self.deliver(batch, Trigger::Stop, course).await;
            if self.lock().pending.items() > before {
                return;
            }
        }
    }

    fn sent(&self, items: usize, bytes: usize, trigger: Trigger) {
        self.items.outgoing.add(items as u64);
        let metrics = &self.meters.batch;
        metrics.send_size.observe(items as f64);
        metrics.send_bytes.observe(bytes as f64);
        match trigger {
            Trigger::Size => metrics.by_size.inc(),
            Trigger::Timeout | Trigger::Stop => metrics.by_timeout.inc(),
        }
    }

    /// Refuses from now on, and gives what waits.
    pub(crate) fn close(&self) -> Vec<otlp::Batch> {
        let mut state = self.lock();
        state.closed = true;
        self.room.notify_waiters();
        std::mem::take(&mut state.pending).into_batches()
    }

    pub(crate) fn items(&self) -> &Items {
        &self.items
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        let pending = std::mem::take(&mut self.lock().pending).into_batches();
        abandon(pending, self.items.dropped(DropReason::Shutdown));
    }
}

/// Settles requests as dropped and counts them.
pub(crate) fn give_up(batches: Vec<otlp::Batch>, counter: &corten_component::metrics::Counter) {
    for mut batch in batches {
        counter.add(batch.items() as u64);
        batch.take_receipt().settle(Outcome::Dropped);
    }
}

/// The same for requests that the stage cannot send any more: what is on disk stays there for the next process.
pub(crate) fn abandon(batches: Vec<otlp::Batch>, counter: &corten_component::metrics::Counter) {
    let (kept, gone): (Vec<_>, Vec<_>) = batches.into_iter().partition(|batch| batch.receipt().is_kept());
    kept.into_iter().for_each(|mut batch| batch.take_receipt().leave());
    give_up(gone, counter);
}

fn stopping() -> Refusal {
    Refusal::retry("the batch stage is stopping")
}

/// A batch on its way out. If its task ends before it does, it is dropped and counted.
struct InFlight<'a> {
    shard: &'a Shard,
    batch: Option<otlp::Batch>,
}

impl InFlight<'_> {
    fn is_kept(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.receipt().is_kept())
    }

    fn put_back(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.shard.lock().pending.push_front(batch);
        }
    }

    fn give_up(&mut self, refusal: &Refusal) {
        let Some(batch) = self.batch.take() else { return };
        if let Some(suppressed) = self.shard.meters.may_warn() {
            tracing::warn!(
                signal = batch.kind().name(),
                items = batch.items(),
                error = %refusal,
                suppressed,
                "sender failed: a batch that no consumer took is dropped"
            );
        }
        give_up(vec![batch], self.shard.items.dropped(DropReason::Refused));
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        abandon(self.batch.take().into_iter().collect(), self.shard.items.dropped(DropReason::Shutdown));
        self.shard.lock().sending = 0;
        self.shard.room.notify_waiters();
    }
}

/// One try; `None` if the stage had to stop before it was answered.
async fn attempt_until_deadline(
    to: &Fanout<otlp::Batch>,
    batch: &mut otlp::Batch,
    course: &mut watch::Receiver<Course>,
) -> Option<Result<(), Refusal>> {
    let out_of_time = async {
        let stopping = course.wait_for(|course| *course != Course::Run).await.map(|course| *course);
        // Without a sender the instance has been let go of.
        let deadline = stopping.ok().and_then(Course::deadline).unwrap_or_else(Instant::now);
        sleep_until(deadline.checked_sub(HAND_OVER).unwrap_or(deadline)).await;
    };
    tokio::select! {
        biased;
        answer = to.attempt(batch) => Some(answer),
        () = out_of_time => None,
    }
}

fn now(course: &watch::Receiver<Course>) -> Course {
    let now = *course.borrow();
    match now {
        // Without a sender the instance has been let go of.
        Course::Run if course.has_changed().is_err() => Course::HandOver { deadline: Instant::now() },
        now => now,
    }
}

/// The next time that a clock which has ticked every `period` since `start` ticks.
fn next_tick(start: Instant, period: Duration) -> Instant {
    let passed = start.elapsed().as_nanos();
    let ticks = passed.checked_div(period.as_nanos()).map_or(1, |ticks| ticks + 1);
    let nanos = u64::try_from(ticks * period.as_nanos()).unwrap_or(u64::MAX);
    start.checked_add(Duration::from_nanos(nanos)).unwrap_or_else(|| Instant::now() + period)
}
