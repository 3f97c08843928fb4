//! The log of a stage that holds items on their way to destinations that keep them on disk.
//!
//! A queue with a storage has what it took on disk. What a stage in front of it holds (a batch that waits for company)
//! would be in memory alone; so the stage appends it to a log of its own before it acknowledges it: one append and one
//! sync for all destinations of one storage. The item's receipt knows each of them, and the log a cursor for each.
//! A queue that finds its item in such a log does not write it a second time while it can keep it in memory.
//!
//! What a process leaves in the log is replayed into the stage by the next, for those destinations alone that have not
//! settled it.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use corten_component::Metrics;
use corten_component::metrics::{Counter, MetricDoc, MetricKind, Metrics as _, Scope};
use corten_component::{Consume, Durable, Fanout, Health, Outcome, Receipt, Refusal, wiring};
use futures_util::future::join_all;
use tokio::sync::{Notify, OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use crate::log::{AppendError, KINDS, Log, Record, directory_name};
use crate::{Arena, Payload, Storage};

/// How long a caller waits for the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long after a failure a log is opened again, or memory is asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// So much is read back at once.
const CHUNK: usize = 1 << 20;

/// What is counted of a stage's log.
#[derive(Metrics)]
struct HoldMetrics {
    /// Items that were put on disk before they were acknowledged.
    #[metric(name = "corten_hold_kept_items_total")]
    kept: Counter,
    /// Items that an earlier process had left on disk and that were taken up again.
    #[metric(name = "corten_hold_replayed_items_total")]
    replayed: Counter,
    /// Items that could not be put on disk: refused, or handed on at once and acknowledged by the destination.
    #[metric(name = "corten_hold_failed_items_total")]
    failed: Counter,
}

const USED: MetricDoc = MetricDoc {
    name: "corten_hold_used_bytes",
    kind: MetricKind::Gauge,
    help: "Bytes that the logs of what is held take on disk.",
    labels: &[],
};

const DOCS: &[MetricDoc] = &[HoldMetrics::DOCS[0], HoldMetrics::DOCS[1], HoldMetrics::DOCS[2], USED];

/// A stage's end of its logs: one for each storage further down, since destinations may have several.
pub struct Holder<T: Payload> {
    /// What the logs are called in their storage: the stage's name.
    client: String,
    arena: Option<Arc<Arena>>,
    health: Health,
    scope: Scope,
    metrics: HoldMetrics,
    /// By data type.
    outputs: Vec<Option<Fanout<T>>>,
    /// Destinations of one storage from which on a log is worth it.
    least: usize,
    state: Mutex<State>,
    /// Whoever opens logs.
    turn: tokio::sync::Mutex<()>,
    /// There is something to replay.
    found: Notify,
}

struct State {
    /// What the wiring was when this was found out.
    wiring: Option<u64>,
    logs: Arc<[HeldLog]>,
    /// A log is not open, and tried again then.
    again: Option<Instant>,
    /// What another process left in these was not looked at yet.
    unread: VecDeque<HeldLog>,
    /// The last append failed for want of a disk.
    failing: bool,
}

#[derive(Clone)]
struct HeldLog {
    log: Arc<Log>,
    destinations: Vec<Destination>,
}

#[derive(Clone)]
struct Destination {
    name: Arc<str>,
    /// Its place in the log.
    place: usize,
    /// By data type: whether the stage sends it any.
    takes: Vec<bool>,
}

impl Destination {
    fn takes(&self, kind: usize) -> bool {
        self.takes.get(kind).copied().unwrap_or(false)
    }
}

impl HeldLog {
    fn takes(&self, kind: usize) -> bool {
        self.destinations.iter().any(|destination| destination.takes(kind))
    }

    fn forgo(&self, kind: usize, seq: u64) {
        self.destinations.iter().for_each(|each| self.log.settle(each.place, kind as u8, seq..seq + 1));
    }

    /// The receipt of a record for a destination. Dropped unsettled, the record stays.
    fn receipt(&self, destination: &Destination, kind: usize, seq: u64) -> (Arc<str>, Receipt) {
        let (log, place) = (Arc::clone(&self.log), destination.place);
        let receipt = Receipt::new(move |settled| {
            if !settled.is_lost() {
                log.settle(place, kind as u8, seq..seq + 1);
            }
        });
        (Arc::clone(&destination.name), receipt)
    }

    /// Writes a record and waits until it is safe.
    async fn append(&self, kind: usize, record: Record) -> Result<u64, Failure> {
        let (done, answer) = oneshot::channel();
        let this = self.clone();
        self.log.append_then(record, move |appended| {
            // Whoever waits no longer has refused the item.
            if let Err(Ok(seq)) = done.send(appended.result) {
                this.forgo(kind, seq);
            }
        });
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => result.map_err(Failure::Append),
            Ok(Err(_)) => Err(Failure::Append(AppendError::Closed)),
            Err(_) => Err(Failure::Late),
        }
    }
}

enum Failure {
    Append(AppendError),
    Late,
}

impl Failure {
    /// What to tell the sender; `None` if the item goes on from memory.
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Append(AppendError::Disk { .. } | AppendError::TooLarge) => None,
            Self::Append(error) => Some(Refusal::retry(error.to_string())),
            Self::Late => Some(Refusal::retry("the disk has not answered in time")),
        }
    }
}

impl<T: Payload> Holder<T> {
    /// For a stage of this name (a component's) that sends each data type to these consumers. Opens nothing.
    pub fn new(
        client: impl Into<String>,
        arena: Option<Arc<Arena>>,
        health: Health,
        scope: &Scope,
        output: impl Fn(usize) -> Option<Fanout<T>>,
    ) -> Arc<Self> {
        Self::from(1, client.into(), arena, health, scope, output)
    }

    /// For a source that holds nothing itself: only where several destinations of one storage would each write what it
    /// [sends](Self::send), and no stage on the way does it for them.
    pub fn for_several(
        client: impl Into<String>,
        arena: Arc<Arena>,
        health: Health,
        scope: &Scope,
        output: impl Fn(usize) -> Option<Fanout<T>>,
    ) -> Arc<Self> {
        Self::from(2, client.into(), Some(arena), health, scope, output)
    }

    fn from(
        least: usize,
        client: String,
        arena: Option<Arc<Arena>>,
        health: Health,
        scope: &Scope,
        output: impl Fn(usize) -> Option<Fanout<T>>,
    ) -> Arc<Self> {
        let state = State { wiring: None, logs: Arc::from([]), again: None, unread: VecDeque::new(), failing: false };
        Arc::new(Self {
            client,
            least,
            arena,
            health,
            scope: scope.clone(),
            metrics: HoldMetrics::register(scope, &[]),
            outputs: (0..T::DATA_TYPES.len()).map(output).collect(),
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
            found: Notify::new(),
        })
    }

    /// What is counted of the stage's log, for the reference page.
    pub const DOCS: &'static [MetricDoc] = DOCS;

    /// What the stage says of what is durable behind it; `holds`: it keeps a log for them itself.
    pub fn durable(&self, holds: bool) -> Vec<Durable> {
        let mut all: Vec<Durable> = Vec::new();
        for durable in self.outputs.iter().flatten().flat_map(Consume::durable) {
            if all.iter().all(|known| known.name != durable.name) {
                all.push(Durable { held: durable.held || holds, ..durable });
            }
        }
        all
    }

    /// Whether items of this data type are to be put on disk before they are acknowledged.
    pub async fn keeps(&self, kind: usize) -> bool {
        self.logs().await.iter().any(|log| log.takes(kind)) || self.state().again.is_some()
    }

    /// Puts an item on disk for the destinations behind the stage, unless a stage before has done so. Its receipt knows
    /// them from then on. A stage that then refuses the item [hands it back](Receipt::hand_back).
    ///
    /// Where the disk fails the item is as it was; the stage should hand it on at once.
    ///
    /// # Errors
    /// The sender should try again.
    pub async fn hold(&self, item: &mut T) -> Result<(), Refusal> {
        let kind = item.data_type();
        if item.receipt().is_kept() {
            return Ok(());
        }
        let logs = self.logs().await;
        let logs: Vec<&HeldLog> = logs.iter().filter(|log| log.takes(kind)).collect();
        let Some(record) = item.to_record().filter(|_| !logs.is_empty()) else { return Ok(()) };
        let results = join_all(logs.iter().map(|log| log.append(kind, record.clone()))).await;
        let (mut receipts, mut refusal, mut failed) = (Vec::new(), None, None);
        for (log, result) in logs.into_iter().zip(results) {
            match result {
                Ok(seq) => {
                    for each in &log.destinations {
                        match each.takes(kind) {
                            true => receipts.push(log.receipt(each, kind, seq)),
                            false => log.log.settle(each.place, kind as u8, seq..seq + 1),
                        }
                    }
                }
                Err(failure) => {
                    refusal = refusal.or(failure.refusal());
                    if let Failure::Append(error @ AppendError::Disk { .. }) = failure {
                        failed = Some(error);
                    }
                }
            }
        }
        self.report(failed);
        let counter = if receipts.is_empty() || refusal.is_some() { &self.metrics.failed } else { &self.metrics.kept };
        counter.add(item.items());
        if let Some(refusal) = refusal {
            Receipt::keeping(false, receipts).hand_back();
            return Err(refusal);
        }
        if !receipts.is_empty() {
            let upstream = item.replace_receipt(Receipt::none());
            let receipt = Receipt::join([upstream, Receipt::keeping(false, receipts)]);
            item.replace_receipt(receipt).release();
        }
        Ok(())
    }

    /// Puts an item on disk where it has to be, and hands it to its consumers.
    ///
    /// # Errors
    /// Nobody took it.
    pub async fn send(&self, mut item: T) -> Result<(), Refusal> {
        let Some(to) = self.outputs.get(item.data_type()).and_then(Option::as_ref) else {
            item.replace_receipt(Receipt::none()).release();
            return Err(Refusal::reject("there is no output for this signal"));
        };
        if let Err(refusal) = self.hold(&mut item).await {
            item.replace_receipt(Receipt::none()).release();
            return Err(refusal);
        }
        if !item.receipt().is_kept() {
            return to.consume(item).await;
        }
        let mut item = Refused(item);
        to.attempt(&mut item.0).await
    }

    /// Hands on what another process left, for as long as it is polled.
    pub async fn send_left(self: Arc<Self>) {
        let mut replay = self.replay();
        loop {
            let mut item = replay.next().await;
            let Some(to) = self.outputs.get(item.data_type()).and_then(Option::as_ref) else { continue };
            while let Err(refusal) = to.attempt(&mut item).await {
                if !refusal.is_retryable() {
                    tracing::warn!(component = self.client, error = %refusal, "what was on disk is dropped");
                    item.replace_receipt(Receipt::none()).settle(Outcome::Dropped);
                    break;
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says when the disk fails, and when it works again.
    fn report(&self, failed: Option<AppendError>) {
        let before = std::mem::replace(&mut self.state().failing, failed.is_some());
        match failed {
            Some(error) if !before => {
                self.health.unhealthy(format!("what comes is not held, since the disk fails: {error}"))
            }
            None if before => self.health.healthy("what comes is kept on disk again"),
            _ => {}
        }
    }

    /// The logs that are open, if they still are what the wiring asks for.
    fn known(&self) -> Option<Arc<[HeldLog]>> {
        let state = self.state();
        let holds = state.wiring == Some(wiring()) && state.again.is_none_or(|again| Instant::now() < again);
        holds.then(|| Arc::clone(&state.logs))
    }

    async fn logs(&self) -> Arc<[HeldLog]> {
        if let Some(logs) = self.known() {
            return logs;
        }
        let _turn = self.turn.lock().await;
        if let Some(logs) = self.known() {
            return logs;
        }
        let now = wiring();
        let (mut logs, mut why) = (Vec::new(), None);
        for (durable, destinations) in self.groups() {
            match self.open(&durable, destinations).await {
                Ok(log) => logs.push(log),
                Err(error) => why = Some(error),
            }
        }
        if let Some(why) = &why {
            tracing::error!(
                component = self.client,
                error = why,
                "what comes is not held, since it cannot be kept on disk"
            );
            self.health.unhealthy(format!("what comes is not held, since it cannot be kept on disk: {why}"));
        }
        let mut state = self.state();
        if why.is_none() && state.again.is_some() {
            self.health.healthy("what comes is kept on disk");
        }
        for log in &logs {
            if !state.logs.iter().any(|known| Arc::ptr_eq(&known.log, &log.log)) {
                state.unread.push_back(log.clone());
                self.found.notify_one();
            }
        }
        // Not before: an instance that is only built must not stand for the one that runs.
        let (name, help, kind) = (USED.name, USED.help, USED.kind);
        let opened: Vec<Weak<Log>> = logs.iter().map(|held| Arc::downgrade(&held.log)).collect();
        let used = move || opened.iter().filter_map(Weak::upgrade).map(|log| log.used() as f64).sum();
        self.scope.function(name, help, kind, &[], used);
        state.wiring = Some(now);
        state.again = why.map(|_| Instant::now() + AGAIN_AFTER);
        state.logs = logs.into();
        Arc::clone(&state.logs)
    }

    /// The durable destinations by their storage.
    fn groups(&self) -> Vec<(Durable, Vec<(Arc<str>, Vec<bool>)>)> {
        let below: Vec<Vec<Durable>> =
            self.outputs.iter().map(|to| to.as_ref().map(Consume::durable).unwrap_or_default()).collect();
        let mut groups: Vec<(Durable, Vec<(Arc<str>, Vec<bool>)>)> = Vec::new();
        for durable in below.iter().flatten().filter(|durable| self.least == 1 || !durable.held) {
            let takes = below.iter().map(|of_kind| of_kind.iter().any(|other| other.name == durable.name)).collect();
            let group = match groups.iter_mut().find(|(first, _)| first.storage == durable.storage) {
                Some((_, group)) => group,
                None => {
                    groups.push((durable.clone(), Vec::new()));
                    let Some((_, group)) = groups.last_mut() else { continue };
                    group
                }
            };
            if group.iter().all(|(name, _)| *name != durable.name) {
                group.push((Arc::clone(&durable.name), takes));
            }
        }
        groups.retain(|(_, group)| group.len() >= self.least);
        groups
    }

    async fn open(&self, durable: &Durable, to: Vec<(Arc<str>, Vec<bool>)>) -> Result<HeldLog, String> {
        let handle = durable.storage::<dyn Storage>().ok_or("this is not a storage")?;
        let storage = handle.get().ok_or_else(|| format!("{} has not started", handle.owner()))?;
        let log = storage.open(&self.client).await.map_err(|error| error.to_string())?;
        let names: Vec<String> = to.iter().map(|(name, _)| directory_name(name)).collect();
        let places = log.assign(&names).await.map_err(|error| error.to_string())?;
        let destinations = to.into_iter().zip(places).map(|((name, takes), place)| Destination { name, place, takes });
        Ok(HeldLog { log, destinations: destinations.collect() })
    }

    /// What another process left, item by item; each is for those destinations alone that have not settled it. Waits
    /// where there is nothing (yet).
    pub fn replay(self: &Arc<Self>) -> Replay<T> {
        Replay { holder: Arc::clone(self), reading: None, item: PhantomData }
    }
}

/// An item that its sender answers for unless it is taken.
struct Refused<T: Payload>(T);

impl<T: Payload> Drop for Refused<T> {
    fn drop(&mut self) {
        self.0.replace_receipt(Receipt::none()).hand_back();
    }
}

/// See [`Holder::replay`].
pub struct Replay<T: Payload> {
    holder: Arc<Holder<T>>,
    reading: Option<Reading>,
    item: PhantomData<fn() -> T>,
}

struct Reading {
    log: HeldLog,
    /// How far it was replayed, by kind; whoever has it replays.
    done: OwnedMutexGuard<[u64; KINDS]>,
    kind: usize,
    records: VecDeque<(u64, Record, Vec<usize>)>,
}

impl<T: Payload> Replay<T> {
    /// The next item. A call that is given up loses nothing.
    pub async fn next(&mut self) -> T {
        loop {
            let found = self.holder.found.notified();
            self.holder.logs().await;
            if self.reading.is_none() {
                let unread = self.holder.state().unread.front().cloned();
                if let Some(log) = unread {
                    let done = Arc::clone(log.log.replayed()).lock_owned().await;
                    self.holder.state().unread.pop_front();
                    self.reading = Some(Reading { log, done, kind: 0, records: VecDeque::new() });
                }
            }
            let Some(reading) = &mut self.reading else {
                let again = self.holder.state().again;
                match again {
                    Some(again) => tokio::time::sleep_until(again).await,
                    None => found.await,
                }
                continue;
            };
            match reading.next::<T>(self.holder.arena.as_deref()).await {
                Step::Item(item) => {
                    self.holder.metrics.replayed.add(item.items());
                    return item;
                }
                Step::Wait => tokio::time::sleep(AGAIN_AFTER).await,
                Step::Done => self.reading = None,
            }
        }
    }
}

enum Step<T> {
    Item(T),
    /// No memory or no file for it now.
    Wait,
    Done,
}

impl Reading {
    async fn next<T: Payload>(&mut self, arena: Option<&Arena>) -> Step<T> {
        loop {
            if self.kind >= KINDS {
                return Step::Done;
            }
            let end = self.log.log.found().next[self.kind];
            let Some((seq, record, waiting)) = self.records.front().filter(|(seq, ..)| *seq < end) else {
                self.records.clear();
                let from = self.done[self.kind];
                if from >= end {
                    self.kind += 1;
                    continue;
                }
                let chunk = self.log.log.read_any(self.kind as u8, from, CHUNK).await;
                if chunk.failed {
                    return Step::Wait;
                }
                if chunk.records.first().is_none_or(|(seq, _)| *seq >= end) {
                    self.done[self.kind] = end;
                    continue;
                }
                let both = chunk.records.into_iter().zip(chunk.waiting);
                self.records = both.map(|((seq, record), waiting)| (seq, record, waiting)).collect();
                continue;
            };
            let seq = *seq;
            let wanted = |each: &&Destination| waiting.contains(&each.place) && each.takes(self.kind);
            let receipts: Vec<_> = self
                .log
                .destinations
                .iter()
                .filter(wanted)
                .map(|each| self.log.receipt(each, self.kind, seq))
                .collect();
            let item = T::from_record(record).filter(|_| !receipts.is_empty());
            let kept = match (item, arena) {
                (Some(item), Some(arena)) => Some(item.keep(arena)),
                (Some(item), None) => Some(Ok(item)),
                (None, _) => None,
            };
            match kept {
                Some(Ok(mut item)) => {
                    // For others nothing of it is sent any more.
                    let others = self.log.destinations.iter().filter(|each| !each.takes(self.kind));
                    others.for_each(|each| self.log.log.settle(each.place, self.kind as u8, seq..seq + 1));
                    item.replace_receipt(Receipt::keeping(true, receipts)).release();
                    self.advance(seq);
                    return Step::Item(item);
                }
                Some(Err(_)) => return Step::Wait,
                None => {
                    receipts.into_iter().for_each(|(_, receipt)| receipt.release());
                    self.log.forgo(self.kind, seq);
                    self.advance(seq);
                }
            }
        }
    }

    fn advance(&mut self, seq: u64) {
        self.records.pop_front();
        self.done[self.kind] = seq + 1;
    }
}
