//! From disk to the shards: one task for each endpoint, which reads only as much as they have room for.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use corten_delivery::log::{Log, Record as Stored};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::arguments::Protocol;
use super::batch::Counts;
use super::ledger::Reason;
use super::record::{Record, Row, Value};
use super::sender::{KIND, Sender};
use super::series::Cache;
use super::shard::Shards;

/// So much is read at once, as it is on disk.
const CHUNK: usize = 128 << 10;

/// Between rows, others get their turn.
const ROWS_AT_ONCE: u64 = 512;

/// How often series that have ended are looked for.
const FORGET_EVERY: u32 = 30;

/// How long a segment that cannot be opened is left alone.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// When an endpoint should end: what is in memory by then is sent, the rest stays on disk.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// The endpoint is to stop.
struct Stopped;

pub(super) struct Dispatch {
    sender: Arc<Sender>,
    cache: Cache,
    shards: Shards,
    appended: Arc<Notify>,
    stop: Stop,
    tick: Interval,
    ticks: u32,
}

impl Dispatch {
    pub(super) fn new(sender: &Arc<Sender>, cache: Cache, appended: &Arc<Notify>, stop: Stop) -> Self {
        let queue = &sender.args.queue_config;
        let [least, most] = [queue.min_shards, queue.max_shards].map(|count| count as f64);
        sender.metrics.shards_min.set(least);
        sender.metrics.shards_max.set(most);
        sender.metrics.shards_desired.set(least);
        sender.metrics.shard_capacity.set(queue.capacity as f64);
        sender.metrics.max_samples_per_send.set(queue.max_samples_per_send as f64);
        let mut tick = tokio::time::interval_at(Instant::now() + sender.scaling.interval, sender.scaling.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shards: Shards::start(sender, usize::try_from(queue.min_shards).unwrap_or(1)),
            sender: Arc::clone(sender),
            cache,
            appended: Arc::clone(appended),
            stop,
            tick,
            ticks: 0,
        }
    }

    /// Sends what is in the log until it is told to stop.
    pub(super) async fn run(mut self, log: Arc<Log>) {
        let _ = self.read(&log).await;
        let until = *self.stop.borrow();
        self.sender.stopping.store(true, Ordering::Relaxed);
        // A server that takes nothing now would only make everybody wait.
        if let Some(until) = until.filter(|_| !self.sender.faults().is_waiting()) {
            let _ = tokio::time::timeout_at(until, self.shards.finish()).await;
        }
    }

    async fn read(&mut self, log: &Log) -> Result<(), Stopped> {
        let mut next = 0;
        loop {
            let chunk = tokio::select! {
                biased;
                () = stopping(&mut self.stop) => return Err(Stopped),
                chunk = log.read(0, KIND, next, CHUNK) => chunk,
            };
            self.sender.metrics.disk_bytes.set(log.used() as f64);
            for (seq, record) in chunk.records {
                self.record(seq, &record).await?;
            }
            next = next.max(chunk.next);
            if chunk.failed {
                self.wait(Some(READ_AGAIN)).await?;
            } else if chunk.at_end {
                let missing = self.sender.ledger.read_up_to(next);
                if missing > 0 {
                    tracing::error!(
                        endpoint = self.sender.faults().name(),
                        samples = missing,
                        "samples on disk are damaged"
                    );
                }
                self.wait(None).await?;
            }
        }
    }

    /// Waits for something new to read.
    async fn wait(&mut self, at_most: Option<Duration>) -> Result<(), Stopped> {
        let appended = Arc::clone(&self.appended);
        loop {
            let ticked = tokio::select! {
                biased;
                () = stopping(&mut self.stop) => return Err(Stopped),
                () = appended.notified() => false,
                () = tokio::time::sleep(at_most.unwrap_or_default()), if at_most.is_some() => false,
                _ = self.tick.tick() => true,
            };
            if !ticked {
                return Ok(());
            }
            self.ticked().await?;
        }
    }

    async fn record(&mut self, seq: u64, stored: &Stored) -> Result<(), Stopped> {
        let count = u64::from(stored.items);
        let Some(replayed) = self.sender.ledger.begin(seq, count) else { return Ok(()) };
        let payload = stored.payload.first().map(|part| &part[..]).unwrap_or_default();
        let mut left = count;
        if let Some(record) = Record::read(payload) {
            let oldest = self.sender.oldest();
            let mut highest = 0;
            let mut rows = record.rows();
            while left > 0 {
                let Some(row) = rows.next() else { break };
                left -= 1;
                highest = highest.max(row.timestamp);
                self.row((seq, replayed), &row, oldest).await?;
                if left.is_multiple_of(ROWS_AT_ONCE) {
                    tokio::task::yield_now().await;
                }
            }
            let seconds = highest as f64 / 1000.0;
            // What came in this life of the process was counted when it came.
            if replayed {
                self.sender.scaling.came(count, seconds);
            }
            if seconds > self.sender.metrics.highest_enqueued.get() {
                self.sender.metrics.highest_enqueued.set(seconds.floor());
            }
        }
        if left > 0 {
            tracing::error!(endpoint = self.sender.faults().name(), samples = left, "a record on disk is damaged");
            self.sender.drop_rows(seq, Counts { samples: left, ..Counts::default() }, Reason::Damaged);
        }
        if self.cache.is_large() {
            self.forget();
        }
        Ok(())
    }

    async fn row(&mut self, from: (u64, bool), row: &Row<'_>, oldest: Option<i64>) -> Result<(), Stopped> {
        let protocol = self.sender.protocol();
        if protocol != self.cache.protocol() {
            self.shards.close_all();
            self.cache.set_protocol(protocol);
        }
        let args = &self.sender.args;
        let unwanted = match row.value {
            _ if oldest.is_some_and(|oldest| row.timestamp < oldest) => Some(Reason::TooOld),
            Value::Histogram(_) if !args.send_native_histograms => Some(Reason::HistogramsOff),
            Value::Histogram(encoded) if protocol == Protocol::V1 && super::wire::is_custom(encoded) => {
                Some(Reason::CustomBuckets)
            }
            _ => None,
        };
        loop {
            let (series, symbols) = self.cache.get(row.labels);
            let reason = unwanted.or(series.form.is_none().then_some(Reason::DroppedSeries));
            let Some(form) = series.form.as_ref().filter(|_| reason.is_none()) else {
                self.sender.drop_rows(from.0, counts(row), reason.unwrap_or(Reason::DroppedSeries));
                self.sender.scaling.dropped(1);
                return Ok(());
            };
            if self.shards.push(from, row, (form, series.hash), symbols).is_ok() {
                return Ok(());
            }
            self.sender.metrics.enqueue_retries.inc();
            tokio::select! {
                biased;
                () = stopping(&mut self.stop) => return Err(Stopped),
                () = self.sender.space.notified() => {}
                _ = self.tick.tick() => self.ticked().await?,
            }
        }
    }

    /// Time to look at what has become of memory and of the rates.
    async fn ticked(&mut self) -> Result<(), Stopped> {
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(FORGET_EVERY) {
            self.forget();
        }
        let queue = &self.sender.args.queue_config;
        let [least, most] = [queue.min_shards, queue.max_shards].map(|count| usize::try_from(count).unwrap_or(1));
        let (wanted, target) = self.sender.scaling.tick(self.shards.count(), least, most);
        if let Some(wanted) = wanted {
            self.sender.metrics.shards_desired.set(wanted);
        }
        if target == self.shards.count() {
            return Ok(());
        }
        tracing::info!(
            endpoint = self.sender.faults().name(),
            from = self.shards.count(),
            to = target,
            "changing the number of shards"
        );
        // Everything of the old ones is sent before the new ones begin: so every series stays in order.
        let finished: ControlFlow<()> = tokio::select! {
            biased;
            () = stopping(&mut self.stop) => ControlFlow::Break(()),
            () = self.shards.finish() => ControlFlow::Continue(()),
        };
        if finished.is_break() {
            return Err(Stopped);
        }
        self.shards = Shards::start(&self.sender, target);
        Ok(())
    }

    fn forget(&mut self) {
        self.shards.close_all();
        self.cache.forget();
    }
}

fn counts(row: &Row<'_>) -> Counts {
    let histogram = matches!(row.value, Value::Histogram(_));
    Counts {
        samples: u64::from(!histogram),
        histograms: u64::from(histogram),
        exemplars: row.exemplars.len() as u64,
        metadata: 0,
    }
}

/// Resolves when the endpoint is to stop.
async fn stopping(stop: &mut Stop) {
    let _ = stop.wait_for(Option::is_some).await;
}

/// Forgets memory that is not there any more.
impl Drop for Dispatch {
    fn drop(&mut self) {
        self.sender.memory.store(0, Ordering::Relaxed);
    }
}
