//! The shards by request metadata and signal: what stands behind the port.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use corten_component::{BoxFuture, Consume, Kinds, Outcome, Refusal};
use corten_delivery::{Arena, OverBudget};
use corten_signal::otlp::{self, Meta, MetaValue, SignalKind};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::arguments::BatchArguments;
use crate::component::BatchCarry;
use crate::metrics::Meters;
use crate::shard::{Limits, Shard, give_up};

/// The values of each of the metadata keys.
type Key = Vec<Vec<String>>;

#[derive(Default)]
struct Shards {
    by_key: HashMap<Key, [Option<Arc<Shard>>; 4]>,
    closed: bool,
}

pub(crate) struct Stage {
    arguments: Arc<BatchArguments>,
    meters: Arc<Meters>,
    arena: Option<Arc<Arena>>,
    start: Instant,
    shards: Mutex<Shards>,
    /// Shards that need a task. As many as there are shards at most.
    started: mpsc::UnboundedSender<Arc<Shard>>,
}

impl Stage {
    pub(crate) fn new(
        arguments: Arc<BatchArguments>,
        meters: Meters,
        arena: Option<Arc<Arena>>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<Shard>>) {
        #[allow(
            clippy::disallowed_methods,
            reason = "one entry for each shard, and metadata_cardinality_limit counts those"
        )]
        let (started, receiver) = mpsc::unbounded_channel();
        let (meters, shards, start) = (Arc::new(meters), Mutex::default(), Instant::now());
        (Arc::new(Self { arguments, meters, arena, start, shards, started }), receiver)
    }

    fn lock(&self) -> MutexGuard<'_, Shards> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shard of a request, new if it is the first of its kind.
    fn shard(&self, kind: SignalKind, meta: Option<&Meta>) -> Result<Arc<Shard>, Refusal> {
        let (Some(to), Some(items)) = (self.arguments.output.of(kind), self.meters.items(kind)) else {
            return Err(Refusal::reject(format!("the batch stage has no output for {kind}")));
        };
        let key: Key = self.arguments.metadata_keys.iter().map(|name| values(meta, name)).collect();
        let mut shards = self.lock();
        if shards.closed {
            return Err(Refusal::retry("the batch stage is stopping"));
        }
        let limit = self.arguments.metadata_cardinality_limit;
        if limit > 0 && shards.by_key.len() >= limit && !shards.by_key.contains_key(&key) {
            return Err(Refusal::reject(format!(
                "more than {limit} combinations of metadata values (metadata_cardinality_limit)"
            )));
        }
        let slots = shards.by_key.entry(key).or_default();
        let Some(slot) = slots.get_mut(kind as usize) else { return Err(Refusal::reject("an unknown signal")) };
        if let Some(shard) = slot {
            return Ok(Arc::clone(shard));
        }
        let at_once = self.arguments.passes_at_once();
        let limits = Limits {
            size: if at_once { 1 } else { self.arguments.send_batch_size },
            max: self.arguments.send_batch_max_size,
            timeout: self.arguments.timeout,
            start: self.start,
        };
        let kept = self.kept(meta);
        let shard = Shard::new(kind, kept, limits, to.clone(), Arc::clone(&self.meters), items.clone());
        *slot = Some(Arc::clone(&shard));
        self.meters.batch.cardinality.set(shards.by_key.len() as f64);
        // The receiver lives as long as the instance; without one, nothing is admitted any more.
        let _ = self.started.send(Arc::clone(&shard));
        Ok(shard)
    }

    /// What batches carry of the metadata: the keys that they are divided by.
    fn kept(&self, meta: Option<&Meta>) -> Option<Arc<Meta>> {
        let meta = meta?;
        let mut builder = Meta::builder();
        let mut any = false;
        for name in &self.arguments.metadata_keys {
            for value in meta.header(name) {
                any = true;
                builder = match value.is_secret() {
                    true => builder.secret_header(name, value.expose()),
                    false => builder.header(name, value.expose()),
                };
            }
        }
        any.then(|| builder.build())
    }

    /// The request's bytes in memory that is counted, since they are going to wait; `None` if they lie there already.
    fn keep(&self, batch: &otlp::Batch) -> Result<Option<Vec<Bytes>>, OverBudget> {
        let Some(arena) = &self.arena else { return Ok(None) };
        if batch.rope().chunks().all(|part| arena.owns(part)) {
            return Ok(None);
        }
        batch.rope().chunks().map(|part| arena.keep(part.clone())).collect::<Result<_, _>>().map(Some)
    }

    async fn take(&self, mut batch: otlp::Batch) -> Result<(), Refusal> {
        let shard = match self.shard(batch.kind(), batch.meta().map(|meta| &**meta)) {
            Ok(shard) => shard,
            Err(refusal) => return Err(refuse(batch, refusal)),
        };
        if batch.items() == 0 {
            // An empty request has nothing to deliver.
            batch.take_receipt().settle(Outcome::Delivered);
            return Ok(());
        }
        if self.arguments.passes_at_once() {
            return shard.pass(batch).await;
        }
        match self.keep(&batch) {
            Ok(None) => shard.push(batch).await,
            Ok(Some(kept)) => {
                let mut kept = kept.into_iter();
                shard.push(batch.map_bytes(|part| kept.next().unwrap_or(part))).await
            }
            Err(over) => Err(refuse(batch, over.into())),
        }
    }

    /// Takes over what an earlier instance could not send.
    pub(crate) fn adopt(&self, mut carry: BatchCarry) {
        for held in carry.take() {
            let meta = held.batches.first().and_then(|batch| batch.meta().cloned());
            match self.shard(held.kind, meta.as_deref()) {
                Ok(shard) => shard.adopt(held.batches),
                Err(refusal) => {
                    tracing::warn!(signal = held.kind.name(), error = %refusal, "what was waiting is dropped");
                    give_up(held.batches, &held.dropped);
                }
            }
        }
    }

    /// Refuses from now on, and gives all that still waits.
    pub(crate) fn close(&self) -> BatchCarry {
        let shards: Vec<Arc<Shard>> = {
            let mut shards = self.lock();
            shards.closed = true;
            shards.by_key.drain().flat_map(|(_, slots)| slots.into_iter().flatten()).collect()
        };
        BatchCarry::of(shards.iter().map(|shard| &**shard))
    }
}

/// The answer to a caller, who keeps the responsibility.
fn refuse(mut batch: otlp::Batch, refusal: Refusal) -> Refusal {
    batch.take_receipt().release();
    refusal
}

fn values(meta: Option<&Meta>, name: &str) -> Vec<String> {
    meta.map(|meta| meta.header(name).map(MetaValue::expose).map(str::to_owned).collect()).unwrap_or_default()
}

impl Consume<otlp::Batch> for Stage {
    /// Asks downstream: refused only if no signal's consumers would take it.
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        let mut answer = Ok(());
        for kind in SignalKind::ALL {
            let Some(to) = self.arguments.output.of(kind) else { continue };
            match to.admit(bytes) {
                Ok(()) => return Ok(()),
                refused => answer = refused,
            }
        }
        answer
    }

    fn consume(&self, item: otlp::Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(item))
    }

    fn kinds(&self) -> Kinds {
        self.arguments.output.kinds().into()
    }
}
