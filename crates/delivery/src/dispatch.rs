//! The loop that sends what a queue holds.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use corten_component::{BoxFuture, Component, Receipt, RunContext};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::entry::{Entry, Fate};
use crate::lane::{Lane, Step};
use crate::outcome::Turn;
use crate::watch::Tries;
use crate::{Accepted, Carry, Destination, DropReason, Payload, Queue, SendError};

/// How often memory that is kept alive by stragglers is looked for.
const COMPACT_EVERY: Duration = Duration::from_secs(1);

/// So many entries are looked at each time.
const COMPACT_AT_ONCE: usize = 2048;

/// An attempt to be made.
struct Job<T> {
    kind: usize,
    id: u64,
    item: T,
}

/// An attempt under way: which lane, which entry, and how it ended.
pub(crate) type Attempt = BoxFuture<'static, (usize, u64, Result<Accepted, SendError>)>;

/// How an instance should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Another instance takes over, with everything that waits and everything that is under way.
    HandOver,
    /// Nobody takes over: healthy destinations get what they take until then.
    Drain {
        /// When to return.
        until: Instant,
    },
}

impl Stop {
    /// What a component's instance is told; resolves once it is told.
    pub async fn of<C: Component>(cx: &RunContext<C>) -> Self {
        cx.stopping().await;
        match cx.deadline() {
            Some(until) if !cx.is_inherited() => Self::Drain { until },
            _ => Self::HandOver,
        }
    }
}

impl<T: Payload> Queue<T> {
    /// Sends what is in the queue, after what the last instance left, until `stop` resolves. What is left then is
    /// returned.
    pub async fn run(
        &self,
        destination: Arc<dyn Destination<T>>,
        carry: Carry<T>,
        stop: impl Future<Output = Stop>,
    ) -> Carry<T> {
        for lane in &self.metrics.lanes {
            lane.own.queue_capacity.set(self.policy.size as f64);
            lane.own.paused.set(0.0);
        }
        let mut stop = pin!(stop);
        let mut carry = carry;
        let log = carry.log.take();
        if self.spool.is_none() {
            self.attach(log).await;
        } else {
            tokio::select! {
                biased;
                () = self.attach(log.clone()) => {}
                _ = &mut stop => {
                    // Nothing was begun, so that everything is as the last instance left it.
                    drop(self.close());
                    carry.log = log;
                    return carry;
                }
            }
        }
        let mut under_way = self.inherit(carry);
        let mut tries = Tries::new();
        let mut adopting = pin!(self.adopt());
        let mut deadline: Option<Instant> = None;
        let mut compaction = Instant::now() + COMPACT_EVERY;
        loop {
            let (jobs, wake) = self.schedule(deadline.is_some());
            // What is on disk stays there when there is little time left.
            let refill = if deadline.is_none() { self.refill() } else { None };
            let due = if deadline.is_none() { self.try_connections(&destination, &tries) } else { None };
            for job in jobs {
                under_way.push(self.attempt(&destination, job));
            }
            if deadline.is_some_and(|deadline| under_way.is_empty() || Instant::now() >= deadline) {
                break;
            }
            let wake =
                [wake, refill, due, deadline, self.holds_anything().then_some(compaction)].into_iter().flatten().min();
            tokio::select! {
                biased;
                how = &mut stop, if deadline.is_none() => match how {
                    Stop::HandOver => break,
                    Stop::Drain { until } => {
                        self.state().lanes.iter_mut().for_each(Lane::drain);
                        deadline = Some(until);
                    }
                },
                Some((kind, id, result)) = under_way.next(), if !under_way.is_empty() => {
                    self.finish(kind, id, result);
                }
                Some((kind, reached)) = tries.next(), if !tries.is_empty() => self.tried_connection(kind, reached),
                () = self.changed.notified() => {}
                () = &mut adopting, if deadline.is_none() => {}
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    if Instant::now() >= compaction {
                        self.compact();
                        compaction = Instant::now() + COMPACT_EVERY;
                    }
                }
            }
        }
        if deadline.is_some() {
            self.flush_log().await;
        }
        let mut carry = self.close();
        carry.under_way = under_way;
        carry
    }

    fn attempt(&self, destination: &Arc<dyn Destination<T>>, job: Job<T>) -> Attempt {
        let (destination, timeout) = (Arc::clone(destination), self.policy.timeout);
        Box::pin(async move {
            let sent = tokio::time::timeout(timeout, destination.send(job.item)).await;
            let late = |_| Err(SendError::silent(format!("no answer within {timeout:?}")));
            (job.kind, job.id, sent.unwrap_or_else(late))
        })
    }

    fn holds_anything(&self) -> bool {
        self.state().lanes.iter().any(|lane| !lane.waiting.is_empty())
    }

    /// Moves everything that may be sent now from what waits to what is under way.
    fn schedule(&self, draining: bool) -> (Vec<Job<T>>, Option<Instant>) {
        let now = Instant::now();
        let (mut jobs, mut gone, mut wake) = (Vec::new(), Vec::new(), None);
        {
            let mut state = self.state();
            for (kind, lane) in state.lanes.iter_mut().enumerate() {
                loop {
                    match lane.next(&self.policy, now, draining) {
                        Step::Start(entry) => jobs.push(self.start(kind, lane, entry, now)),
                        Step::Discard(entry) => {
                            if lane.probe == Some(entry.id) {
                                lane.probe = None;
                            }
                            lane.held -= entry.charge;
                            gone.push(entry);
                        }
                        Step::Wait(at) => {
                            wake = [wake, at].into_iter().flatten().min();
                            break;
                        }
                    }
                }
            }
        }
        if !gone.is_empty() {
            self.give_up(gone, DropReason::Withdrawn);
            self.space.notify_waiters();
        }
        (jobs, wake)
    }

    fn start(&self, kind: usize, lane: &mut Lane<T>, mut entry: Entry<T>, now: Instant) -> Job<T> {
        // The entry stays here with its receipt, so that an attempt that is given up loses nothing.
        let mut item = entry.item.clone();
        item.replace_receipt(Receipt::none()).release();
        entry.tried.get_or_insert(now);
        let id = entry.id;
        let metrics = &self.metrics.lanes[kind].own;
        metrics.send_size.observe(item.items() as f64);
        metrics.send_bytes.observe(item.bytes() as f64);
        lane.in_flight.insert(id, entry);
        metrics.in_flight.set(lane.in_flight.len() as f64);
        Job { kind, id, item }
    }

    fn finish(&self, kind: usize, id: u64, result: Result<Accepted, SendError>) {
        let data_type = T::DATA_TYPES[kind].name;
        match &result {
            Ok(Accepted { rejected: 0, message }) if message.is_empty() => {}
            Ok(Accepted { rejected, message }) => {
                tracing::warn!(exporter = self.name, data_type, rejected, message, "the destination took only a part");
            }
            Err(error) => tracing::debug!(exporter = self.name, data_type, %error, "an attempt failed"),
        }
        let why = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let metrics = &self.metrics.lanes[kind].own;
        let (change, all_up) = {
            let mut state = self.state();
            let lane = &mut state.lanes[kind];
            let change = lane.finish(&self.policy, id, result, Instant::now(), fastrand::f64());
            metrics.in_flight.set(lane.in_flight.len() as f64);
            metrics.paused.set(if lane.paused.is_some() { 1.0 } else { 0.0 });
            (change, state.lanes.iter().all(|lane| lane.paused.is_none()))
        };
        if change.retries {
            metrics.retries.inc();
        }
        match change.turn {
            Some(Turn::Down(delay)) => {
                tracing::warn!(
                    exporter = self.name,
                    data_type,
                    error = why,
                    retry_in = ?delay,
                    "the destination is not available; what comes is queued"
                );
                // A back end that is down is no fault of this component.
                self.health.healthy(format!("waiting for the destination ({data_type}): {why}"));
            }
            Some(Turn::Up) => {
                tracing::info!(exporter = self.name, data_type, "the destination is available again");
                if all_up {
                    self.health.healthy("delivering");
                }
            }
            None => {}
        }
        for (entry, fate) in change.settled {
            if let Fate::Rejected(why) | Fate::Dropped(_, why) = &fate {
                let items = entry.item.items();
                tracing::error!(exporter = self.name, data_type, items, error = why, "items were given up");
            }
            entry.settle(&self.metrics, fate);
        }
        self.space.notify_waiters();
    }

    /// Copies out what keeps mostly empty segments alive, a part of the queue at a time.
    fn compact(&self) {
        let mut state = self.state();
        let from = state.compacted;
        let (mut seen, mut last) = (0, None);
        for lane in &mut state.lanes {
            let start = lane.waiting.partition_point(|entry| entry.seq < from);
            for entry in lane.waiting.range_mut(start..).take(COMPACT_AT_ONCE.saturating_sub(seen)) {
                seen += 1;
                last = last.max(Some(entry.seq));
                entry.item.compact(&self.arena);
            }
        }
        // At the end it starts over.
        state.compacted = last.filter(|_| seen >= COMPACT_AT_ONCE).map_or(0, |seq| seq + 1);
    }
}
