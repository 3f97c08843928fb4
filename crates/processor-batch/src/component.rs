//! The life of an instance, and what it leaves to the next.

use std::sync::Arc;

use corten_component::metrics::{Counter, MetricDoc};
use corten_component::{BuildContext, BuildError, Component, RunContext, RunError};
use corten_delivery::Arena;
use corten_signal::otlp::{self, InputExports, SignalKind};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::arguments::BatchArguments;
use crate::metrics::{self, DropReason, Meters};
use crate::shard::{Course, Shard, abandon};
use crate::stage::Stage;

/// `otelcol.processor.batch`.
pub struct Batch {
    stage: Arc<Stage>,
    started: mpsc::UnboundedReceiver<Arc<Shard>>,
}

/// Requests that an instance could not send before it was replaced. Dropped, they are given up and counted.
#[derive(Default)]
pub struct BatchCarry(Vec<Held>);

pub(crate) struct Held {
    pub(crate) kind: SignalKind,
    pub(crate) batches: Vec<otlp::Batch>,
    pub(crate) dropped: Counter,
}

impl BatchCarry {
    pub(crate) fn of<'a>(shards: impl Iterator<Item = &'a Shard>) -> Self {
        let held = shards.map(|shard| Held {
            kind: shard.kind,
            batches: shard.close(),
            dropped: shard.items().dropped(DropReason::Shutdown).clone(),
        });
        Self(held.filter(|held| !held.batches.is_empty()).collect())
    }

    pub(crate) fn take(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.0)
    }

    /// Items that wait in it.
    pub fn items(&self) -> usize {
        self.0.iter().flat_map(|held| &held.batches).map(otlp::Batch::items).sum()
    }
}

impl Drop for BatchCarry {
    fn drop(&mut self) {
        for held in self.take() {
            abandon(held.batches, &held.dropped);
        }
    }
}

impl Component for Batch {
    const NAME: &'static str = "otelcol.processor.batch";
    const DOC: &'static str = "Collects traces, metrics and logs into batches.\n\n\
        A batch leaves when `send_batch_size` items wait, or when `timeout` has passed since the last batch left. \
        Requests are joined as bytes and never decoded; larger batches are divided down to spans, data points and \
        log records. The sender is answered as soon as its request waits. A batch that all consumers refuse is tried \
        for 30 s and then dropped and counted. When more than 32 MiB of a signal wait, senders are asked to wait and \
        then to try again.";
    const METRICS: &'static [MetricDoc] = metrics::DOCS;
    type Arguments = BatchArguments;
    type Exports = InputExports;
    type Carry = BatchCarry;

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let processor = format!("batch/{}", cx.id().local());
        let meters = Meters::register(cx.metrics(), &processor, args.output.kinds());
        let (name, health) = (cx.id().to_string(), cx.health().clone());
        let (stage, started) = Stage::new(args, meters, cx.service::<Arena>(), name, health, cx.metrics());
        let input = cx.port("input", stage.clone());
        Ok((Self { stage, started }, InputExports { input }))
    }

    async fn run(mut self, carry: Self::Carry, cx: RunContext<Self>) -> (Self::Carry, Result<(), RunError>) {
        // However this ends, callers must not fill a stage that nobody empties.
        let closing = CloseOnDrop(Arc::clone(&self.stage));
        self.stage.adopt(carry);
        let (steer, course) = watch::channel(Course::Run);
        let mut tasks = JoinSet::new();
        let (end_replay, ended) = oneshot::channel();
        let replay = tokio::spawn(replay(Arc::clone(&self.stage), ended));
        let mut result = Ok(());
        loop {
            tokio::select! {
                Some(shard) = self.started.recv() => {
                    tasks.spawn(shard.run(course.clone()));
                }
                Some(Err(error)) = tasks.join_next(), if !tasks.is_empty() => {
                    result = Err(RunError::new(format!("a task that sends batches has failed: {error}")));
                    break;
                }
                () = cx.stopping() => break,
            }
        }
        let deadline = cx.deadline().unwrap_or_else(Instant::now);
        let _ = end_replay.send(());
        let unplaced = replay.await.unwrap_or_default();
        steer.send_replace(match cx.is_inherited() {
            true => Course::HandOver { deadline },
            false => Course::Finish { deadline },
        });
        while let Ok(shard) = self.started.try_recv() {
            tasks.spawn(shard.run(course.clone()));
        }
        if result.is_ok() {
            while tasks.join_next().await.is_some() {}
        }
        // Tasks that are left are cancelled before their shards are looked at.
        tasks.shutdown().await;
        let mut carry = closing.0.close();
        carry.0.extend(unplaced.and_then(|batch| self.stage.held(batch)));
        (carry, result)
    }
}

/// Feeds in what another process left on disk, until told to end. Returns what it had in its hands then.
async fn replay(stage: Arc<Stage>, mut ended: oneshot::Receiver<()>) -> Option<otlp::Batch> {
    let mut replay = stage.holder().replay();
    let mut left = None;
    loop {
        tokio::select! {
            biased;
            // Whoever would tell has gone.
            _ = &mut ended => return left,
            () = async {
                if left.is_none() {
                    left = Some(replay.next().await);
                }
                stage.replay(&mut left).await;
            } => {}
        }
        if left.is_some() {
            // The stage is stopping, or full.
            tokio::task::yield_now().await;
        }
    }
}

struct CloseOnDrop(Arc<Stage>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        drop(self.0.close());
    }
}
