//! The shards by request metadata and signal: what stands behind the port.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use corten_component::metrics::Scope;
use corten_component::{BoxFuture, Consume, Coverage, Durable, Health, Kinds, Outcome, Refusal};
use corten_delivery::{Arena, Holder, OverBudget};
use corten_signal::otlp::{self, Meta, MetaValue, SignalKind};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::arguments::BatchArguments;
use crate::component::{BatchCarry, Held};
use crate::metrics::{DropReason, Meters};
use crate::shard::{Limits, Shard, abandon};

/// The values of each of the metadata keys.
type Key = Vec<Vec<String>>;

/// By metadata, then by the destinations that a log keeps the requests for, then by signal.
#[derive(Default)]
struct Shards {
    by_key: HashMap<Key, HashMap<Option<Coverage>, [Option<Arc<Shard>>; 4]>>,
    closed: bool,
}

pub(crate) struct Stage {
    arguments: Arc<BatchArguments>,
    meters: Arc<Meters>,
    arena: Option<Arc<Arena>>,
    /// Puts what waits here on disk, for destinations that want it there.
    holder: Arc<Holder<otlp::Batch>>,
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
        name: String,
        health: Health,
        scope: &Scope,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<Shard>>) {
        #[allow(
            clippy::disallowed_methods,
            reason = "one entry for each shard, and metadata_cardinality_limit counts those"
        )]
        let (started, receiver) = mpsc::unbounded_channel();
        let (meters, shards, start) = (Arc::new(meters), Mutex::default(), Instant::now());
        let output = |kind: usize| arguments.output.of(*SignalKind::ALL.get(kind)?).cloned();
        let holder = Holder::new(name, arena.clone(), health, scope, output);
        (Arc::new(Self { arguments, meters, arena, holder, start, shards, started }), receiver)
    }

    pub(crate) fn holder(&self) -> &Arc<Holder<otlp::Batch>> {
        &self.holder
    }

    fn lock(&self) -> MutexGuard<'_, Shards> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shard of a request, new if it is the first of its kind.
    fn shard(&self, kind: SignalKind, meta: Option<&Meta>, coverage: Option<Coverage>) -> Result<Arc<Shard>, Refusal> {
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
        let slots = shards.by_key.entry(key).or_default().entry(coverage).or_default();
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
        let (meters, arena) = (Arc::clone(&self.meters), self.arena.clone());
        let shard = Shard::new(kind, kept, limits, to.clone(), meters, items.clone(), arena);
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
        if batch.home() == Some(arena.number()) || batch.rope().chunks().all(|part| arena.owns(part)) {
            return Ok(None);
        }
        batch.rope().chunks().map(|part| arena.keep(part.clone())).collect::<Result<_, _>>().map(Some)
    }

    async fn take(&self, mut batch: otlp::Batch) -> Result<(), Refusal> {
        let shard = match self.shard_of(&batch) {
            Ok(shard) => shard,
            Err(refusal) => return Err(refuse(batch, refusal)),
        };
        if batch.items() == 0 {
            // An empty request has nothing to deliver.
            batch.take_receipt().settle(Outcome::Delivered);
            return Ok(());
        }
        let is_wanted_on_disk = !batch.receipt().is_kept() && self.holder.keeps(batch.kind() as usize).await;
        // Only what is divided waits here then.
        if self.arguments.passes_at_once() && !(is_wanted_on_disk && shard.divides(&batch)) {
            return shard.pass(batch).await;
        }
        match self.keep(&batch) {
            Ok(None) => {}
            Ok(Some(kept)) => {
                let mut kept = kept.into_iter();
                batch = batch.map_bytes(|part| kept.next().unwrap_or(part));
            }
            Err(over) => return Err(refuse(batch, over.into())),
        }
        if is_wanted_on_disk { self.hold(&shard, batch).await } else { shard.push(batch).await }
    }

    fn shard_of(&self, batch: &otlp::Batch) -> Result<Arc<Shard>, Refusal> {
        self.shard(batch.kind(), batch.meta().map(|meta| &**meta), batch.receipt().coverage())
    }

    /// Takes a request once it is on disk. `usual` is the shard that it would wait in otherwise.
    async fn hold(&self, usual: &Shard, mut batch: otlp::Batch) -> Result<(), Refusal> {
        // What would be refused is not written.
        if let Err(refusal) = usual.room().await {
            return Err(refuse(batch, refusal));
        }
        if let Err(refusal) = self.holder.hold(&mut batch).await {
            return Err(refuse(batch, refusal));
        }
        if !batch.receipt().is_kept() {
            // The disk fails. Nothing is acknowledged that is in memory alone, so nothing waits here.
            return usual.pass(batch).await;
        }
        let taken = match self.shard_of(&batch) {
            Ok(shard) => shard.put_in_room(batch),
            Err(refusal) => Err((batch, refusal)),
        };
        taken.map_err(|(mut batch, refusal)| {
            batch.take_receipt().hand_back();
            refusal
        })
    }

    /// Takes a batch that another process left on disk, once there is room for it. It stays where it is if the stage
    /// stops, or if the call is given up.
    pub(crate) async fn replay(&self, left: &mut Option<otlp::Batch>) {
        while let Some(batch) = left.as_ref() {
            let shard = match self.shard_of(batch) {
                Ok(shard) => shard,
                Err(refusal) if refusal.is_retryable() => return,
                Err(refusal) => {
                    tracing::warn!(signal = batch.kind().name(), error = %refusal, "what was on disk is dropped");
                    let gone = left.take();
                    gone.into_iter().for_each(|mut batch| batch.take_receipt().settle(Outcome::Dropped));
                    return;
                }
            };
            if shard.room().await.is_ok()
                && let Some(batch) = left.take()
                && let Err((batch, _)) = shard.put_in_room(batch)
            {
                *left = Some(batch);
                return;
            }
        }
    }

    /// A batch as it is handed to the next instance.
    pub(crate) fn held(&self, batch: otlp::Batch) -> Option<Held> {
        let dropped = self.meters.items(batch.kind())?.dropped(DropReason::Shutdown).clone();
        Some(Held { kind: batch.kind(), batches: vec![batch], dropped })
    }

    /// Takes over what an earlier instance could not send.
    pub(crate) fn adopt(&self, mut carry: BatchCarry) {
        for held in carry.take() {
            // All of them lay in one shard.
            let first = held.batches.first();
            let meta = first.and_then(|batch| batch.meta().cloned());
            let coverage = first.and_then(|batch| batch.receipt().coverage());
            match self.shard(held.kind, meta.as_deref(), coverage) {
                Ok(shard) => shard.adopt(held.batches),
                Err(refusal) => {
                    tracing::warn!(signal = held.kind.name(), error = %refusal, "what was waiting is not sent");
                    abandon(held.batches, &held.dropped);
                }
            }
        }
    }

    /// Refuses from now on, and gives all that still waits.
    pub(crate) fn close(&self) -> BatchCarry {
        let shards: Vec<Arc<Shard>> = {
            let mut shards = self.lock();
            shards.closed = true;
            let covered = shards.by_key.drain().flat_map(|(_, covered)| covered.into_values());
            covered.flatten().flatten().collect()
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

    fn durable(&self) -> Vec<Durable> {
        self.holder.durable(!self.arguments.passes_at_once())
    }
}
