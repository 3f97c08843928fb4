//! Shards: each sends its own series, one request after the other, so that every series stays in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::{Batch, Counts};
use super::record::Row;
use super::sender::Sender;
use super::wire::{Form, Symbols};

/// The most bytes of requests that an endpoint has in memory, besides those being filled. The rest is on disk.
const MOST_MEMORY: usize = 8 << 20;

/// There is no room: ask again when the sender has some.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Default)]
struct State {
    /// Being filled, and since when.
    filling: Option<(Batch, Instant)>,
    ready: VecDeque<Batch>,
}

#[derive(Default)]
struct Shard {
    state: Mutex<State>,
    /// Something is ready, or begins to be filled.
    work: Notify,
    /// Nothing more comes.
    closed: AtomicBool,
}

impl Shard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shards of an endpoint, as they are now.
pub(super) struct Shards {
    sender: Arc<Sender>,
    shards: Vec<Arc<Shard>>,
    tasks: JoinSet<()>,
    /// Requests that may wait for each.
    depth: usize,
    most: usize,
}

impl Shards {
    pub(super) fn start(sender: &Arc<Sender>, count: usize) -> Self {
        let queue = &sender.args.queue_config;
        let most = usize::try_from(queue.max_samples_per_send).unwrap_or(usize::MAX).max(1);
        let depth = (usize::try_from(queue.capacity).unwrap_or(usize::MAX) / most).max(1);
        let mut tasks = JoinSet::new();
        let deadline = queue.batch_send_deadline;
        let shards: Vec<Arc<Shard>> = (0..count.max(1)).map(|_| Arc::default()).collect();
        for shard in &shards {
            tasks.spawn(run(Arc::clone(shard), Arc::clone(sender), deadline));
        }
        sender.metrics.shards.set(shards.len() as f64);
        Self { sender: Arc::clone(sender), shards, tasks, depth, most }
    }

    pub(super) fn count(&self) -> usize {
        self.shards.len()
    }

    /// Adds a row to the request of its series' shard.
    pub(super) fn push(
        &self,
        (seq, replayed): (u64, bool),
        row: &Row<'_>,
        (form, hash): (&Form, u64),
        symbols: &Symbols,
    ) -> Result<(), Full> {
        let sender = &*self.sender;
        let Some(shard) = self.shards.get((hash % self.shards.len() as u64) as usize) else { return Err(Full) };
        let mut state = shard.state();
        let protocol = match form {
            Form::V1(_) => super::arguments::Protocol::V1,
            Form::V2(_) => super::arguments::Protocol::V2,
        };
        let fits =
            |batch: &Batch| batch.size() < self.most && batch.replayed == replayed && batch.protocol() == protocol;
        if state.filling.as_ref().is_some_and(|(batch, _)| !fits(batch)) {
            if state.ready.len() >= self.depth {
                return Err(Full);
            }
            self.close(shard, &mut state);
        }
        if state.filling.is_none() && sender.memory.load(Ordering::Relaxed) > MOST_MEMORY {
            return Err(Full);
        }
        let (batch, since) = state.filling.take().unwrap_or_else(|| (Batch::new(protocol, replayed), Instant::now()));
        let mut batch = batch;
        let begun = batch.is_empty();
        let before = batch.counts();
        batch.push(seq, row, form, sender.args.send_exemplars, symbols);
        sender.metrics.pending(difference(batch.counts(), before), 1.0);
        let whole = batch.size() >= self.most;
        state.filling = Some((batch, since));
        if whole && state.ready.len() < self.depth {
            self.close(shard, &mut state);
        } else if begun {
            shard.work.notify_one();
        }
        Ok(())
    }

    /// What was being filled is complete.
    fn close(&self, shard: &Shard, state: &mut State) {
        if let Some((mut batch, _)) = state.filling.take() {
            batch.finish();
            self.sender.memory.fetch_add(batch.memory(), Ordering::Relaxed);
            state.ready.push_back(batch);
            shard.work.notify_one();
        }
    }

    /// Whatever is being filled is complete, in all shards.
    pub(super) fn close_all(&self) {
        for shard in &self.shards {
            self.close(shard, &mut shard.state());
        }
    }

    /// Nothing more comes: resolves when everything has been sent.
    pub(super) async fn finish(&mut self) {
        self.close_all();
        for shard in &self.shards {
            shard.closed.store(true, Ordering::Release);
            shard.work.notify_one();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        // What has not been sent is on disk.
        self.sender.metrics.nothing_pending();
    }
}

fn difference(after: Counts, before: Counts) -> Counts {
    Counts {
        samples: after.samples - before.samples,
        histograms: after.histograms - before.histograms,
        exemplars: after.exemplars - before.exemplars,
        metadata: 0,
    }
}

async fn run(shard: Arc<Shard>, sender: Arc<Sender>, deadline: Duration) {
    loop {
        let (next, due) = {
            let mut state = shard.state();
            match (state.ready.pop_front(), state.filling.as_ref().map(|(_, since)| *since + deadline)) {
                (Some(batch), _) => (Some((batch, true)), None),
                (None, Some(due)) if due <= Instant::now() => {
                    (state.filling.take().map(|(batch, _)| (batch, false)), None)
                }
                (None, due) => (None, due),
            }
        };
        let Some((batch, charged)) = next else {
            if shard.closed.load(Ordering::Acquire) && due.is_none() {
                return;
            }
            tokio::select! {
                () = shard.work.notified() => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            continue;
        };
        let memory = if charged { batch.memory() } else { 0 };
        sender.space.notify_one();
        let end = sender.deliver(batch).await;
        sender.memory.fetch_sub(memory, Ordering::Relaxed);
        sender.space.notify_one();
        if end.is_break() {
            return;
        }
    }
}
