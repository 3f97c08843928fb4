//! Where samples come in: what is older than its series has already is left out, the rest is written for every
//! endpoint.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use corten_component::{BoxFuture, Consume, Outcome, Receipt, Refusal};
use corten_signal::labels::Labels;
use corten_signal::samples::{RowExemplar, Sample, SampleValue, Samples};
use tokio::sync::{oneshot, watch};

use super::endpoint::Endpoint;
use super::families::Families;
use super::metrics::DoorMetrics;
use super::record::Writer;
use super::series::Same;

/// How long samples wait for the disk to be opened, and to be written.
const OPENS_WITHIN: Duration = Duration::from_secs(15);
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// A record has at most so many rows and, uncompressed, about so many bytes.
const RECORD_ROWS: u32 = 2048;
const RECORD_BYTES: usize = 512 << 10;

/// Batches of more rows are written away from the event loop.
const ASIDE_ABOVE: usize = 256;

/// The labels of an exemplar have at most so many characters together.
const EXEMPLAR_CHARACTERS: usize = 128;

/// Tells when a batch is safe. The last one who holds it settles the batch.
pub(super) struct Settlement {
    receipt: Option<Receipt>,
    stored: AtomicBool,
    done: Option<oneshot::Sender<()>>,
}

impl Settlement {
    fn new(receipt: Receipt) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (done, wait) = oneshot::channel();
        let stored = AtomicBool::new(false);
        (Arc::new(Self { receipt: Some(receipt), stored, done: Some(done) }), wait)
    }

    /// An endpoint has a part of it on disk.
    pub(super) fn stored(&self) {
        self.stored.store(true, Ordering::Relaxed);
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        let outcome = if *self.stored.get_mut() { Outcome::Stored } else { Outcome::Dropped };
        if let Some(receipt) = self.receipt.take() {
            receipt.settle(outcome);
        }
        if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
    }
}

/// What is remembered of a series.
struct Last {
    timestamp: i64,
}

type BySeries<T> = HashMap<Labels, T, BuildHasherDefault<Same>>;

/// The series that have come lately.
#[derive(Default)]
struct Series {
    samples: BySeries<Last>,
    /// Only of those that have any: the latest exemplar's time, value and labels.
    exemplars: BySeries<(i64, u64, u64)>,
}

/// What outlives an instance.
pub(super) struct Shared {
    series: Mutex<Series>,
    /// Batches are written one after the other.
    turn: tokio::sync::Mutex<()>,
    pub(super) families: Arc<Families>,
    pub(super) metrics: DoorMetrics,
}

impl Shared {
    pub(super) fn new(metrics: DoorMetrics) -> Self {
        Self { series: Mutex::default(), turn: tokio::sync::Mutex::default(), families: Arc::default(), metrics }
    }

    /// Forgets series whose last sample is older than a time, in milliseconds since 1970.
    pub(super) fn forget(&self, before: i64) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let Series { samples, exemplars } = &mut *series;
        let count = samples.len();
        samples.retain(|_, last| last.timestamp >= before);
        exemplars.retain(|labels, _| samples.contains_key(labels));
        samples.shrink_to_fit();
        exemplars.shrink_to_fit();
        self.metrics.removed_series.add((count - samples.len()) as u64);
        self.metrics.active_series.set(samples.len() as f64);
    }
}

/// An instance's endpoints, and what all instances share.
pub(super) struct Open {
    pub(super) shared: Arc<Shared>,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
}

impl Open {
    /// Writes a batch for every endpoint.
    fn take(&self, batch: &Samples, settlement: &Arc<Settlement>) {
        let metrics = &self.shared.metrics;
        let mut writer = Writer::default();
        let honored = batch.honors_metadata();
        let mut highest = 0;
        {
            let mut series = self.shared.series.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, exemplars) in batch.iter() {
                if row.labels.is_empty() || !series.admit(row, metrics) {
                    continue;
                }
                highest = highest.max(row.timestamp);
                let exemplars: Vec<&RowExemplar> =
                    exemplars.iter().filter(|exemplar| series.admit_exemplar(row, exemplar)).collect();
                metrics.exemplars_appended.add(exemplars.len() as u64);
                metrics.exemplars_in.add(exemplars.len() as u64);
                match row.value {
                    SampleValue::Float(_) => metrics.samples_in.inc(),
                    SampleValue::Histogram(_) => metrics.histograms_in.inc(),
                }
                metrics.samples_appended.inc();
                let metadata = row.metadata.as_ref().filter(|_| honored);
                writer.push(row, metadata, exemplars.into_iter());
                if writer.count() >= RECORD_ROWS || writer.len() >= RECORD_BYTES {
                    self.write(std::mem::take(&mut writer), highest, settlement);
                }
            }
            metrics.active_series.set(series.samples.len() as f64);
        }
        self.write(writer, highest, settlement);
        let seconds = (highest as f64 / 1000.0).floor();
        if seconds > metrics.highest_in.get() {
            metrics.highest_in.set(seconds);
        }
    }

    fn write(&self, writer: Writer, highest: i64, settlement: &Arc<Settlement>) {
        let rows = writer.count();
        if rows == 0 {
            return;
        }
        self.shared.metrics.metadata_updates.add(self.shared.families.note(writer.families()));
        let payload = Bytes::from(writer.finish());
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        for endpoint in &self.endpoints {
            endpoint.append((rows, highest), &payload, time, settlement);
        }
    }
}

impl Series {
    /// Whether a sample is not older than its series.
    fn admit(&mut self, row: &Sample, metrics: &DoorMetrics) -> bool {
        if let Some(last) = self.samples.get_mut(&row.labels) {
            if row.timestamp < last.timestamp {
                metrics.out_of_order.inc();
                return false;
            }
            last.timestamp = row.timestamp;
            return true;
        }
        self.samples.insert(row.labels.clone(), Last { timestamp: row.timestamp });
        metrics.created_series.inc();
        true
    }

    /// Whether an exemplar is new to its series, and as short as it has to be.
    fn admit_exemplar(&mut self, row: &Sample, RowExemplar { exemplar, .. }: &RowExemplar) -> bool {
        let characters: usize =
            exemplar.labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        if characters > EXEMPLAR_CHARACTERS {
            return false;
        }
        let new = (exemplar.timestamp, exemplar.value.to_bits(), exemplar.labels.hash_value());
        // One without a time of its own got its sample's: shown again, it is the same one.
        let is_timeless = exemplar.timestamp == row.timestamp;
        match self.exemplars.get_mut(&row.labels) {
            Some(last) if last.0 > new.0 => false,
            Some(last) if (last.1, last.2) == (new.1, new.2) && (is_timeless || last.0 == new.0) => false,
            Some(last) => {
                *last = new;
                true
            }
            None => {
                self.exemplars.insert(row.labels.clone(), new);
                true
            }
        }
    }
}

/// The instance's end of the port.
pub(super) struct Door {
    pub(super) open: watch::Receiver<Option<Arc<Open>>>,
}

impl Door {
    async fn take(&self, mut batch: Samples) -> Result<(), Refusal> {
        let mut open = self.open.clone();
        let opened = tokio::time::timeout(OPENS_WITHIN, open.wait_for(Option::is_some)).await;
        let Some(open) = opened.ok().and_then(Result::ok).and_then(|open| Option::clone(&open)) else {
            return Err(Refusal::retry("the component is starting"));
        };
        let (settlement, written) = Settlement::new(batch.take_receipt());
        {
            let shared = Arc::clone(&open.shared);
            let _turn = shared.turn.lock().await;
            if batch.rows().len() > ASIDE_ABOVE {
                let work = tokio::task::spawn_blocking(move || open.take(&batch, &settlement));
                if work.await.is_err() {
                    return Err(Refusal::retry("writing was given up"));
                }
            } else {
                open.take(&batch, &settlement);
                drop(settlement);
            }
        }
        // A disk that takes longer than this must not hold up a scrape. The batch is settled when it is written.
        let _ = tokio::time::timeout(WRITTEN_WITHIN, written).await;
        Ok(())
    }
}

impl Consume<Samples> for Door {
    fn consume(&self, batch: Samples) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(batch))
    }
}
