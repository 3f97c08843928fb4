//! What stages that are no more have left on disk for a destination.
//!
//! A stage in front of queues keeps a log of its own ([`crate::Holder`]) and replays it when it starts. One that was taken
//! out of the file, or has another name now, does not start: then the destinations that it kept items for take them over
//! themselves, each its own share, in front of what an exporter of another name is still owed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corten_component::{Receipt, wiring};

use crate::log::{KINDS, Log, OpenError, Record, destinations_in, directory_name};
use crate::spool::Spool;
use crate::{Payload, Queue, Storage};

/// How long stages have to open their logs, after a start or a change.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a change is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Before something that was refused is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// So much is read at once.
const CHUNK: usize = 1 << 20;

impl<T: Payload> Queue<T> {
    /// Takes over what is left for this destination, now and after each change. Never returns. Dropped, it loses nothing.
    pub(crate) async fn adopt(&self) {
        let Some(spool) = &self.spool else { return std::future::pending().await };
        loop {
            let now = wiring();
            tokio::time::sleep(PATIENCE).await;
            if let Some(storage) = spool.storage()
                && let Err(error) = self.adopt_from(&storage, spool).await
            {
                tracing::warn!(exporter = self.name, %error, "what may be left on disk cannot be looked at");
            }
            while wiring() == now {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    async fn adopt_from(&self, storage: &Arc<dyn Storage>, spool: &Spool<T>) -> Result<(), OpenError> {
        let name = directory_name(spool.client());
        let (directory, wanted) = (storage.directory().to_owned(), name.clone());
        let found = tokio::task::spawn_blocking(move || clients_with(&directory, &wanted));
        for client in found.await.unwrap_or_default() {
            if let Some((log, place)) = storage.open_left(&client, &name).await? {
                let items = self.take_left(&log, place).await;
                if items > 0 {
                    let stage = client.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    tracing::info!(
                        exporter = self.name,
                        stage,
                        items,
                        "took over what a stage that is no more left on disk"
                    );
                }
            }
        }
        Ok(())
    }

    /// Puts everything that waits for this destination into this queue.
    async fn take_left(&self, log: &Arc<Log>, place: usize) -> u64 {
        let mut items = 0;
        for kind in 0..KINDS as u8 {
            let mut from = 0;
            loop {
                let chunk = log.read(place, kind, from, CHUNK).await;
                if chunk.failed {
                    tokio::time::sleep(AGAIN_AFTER).await;
                    continue;
                }
                for (seq, record) in chunk.records {
                    items += u64::from(record.items);
                    self.take_record(log, place, kind, seq, &record).await;
                }
                from = chunk.next;
                if chunk.at_end {
                    break;
                }
            }
        }
        items
    }

    async fn take_record(&self, log: &Arc<Log>, place: usize, kind: u8, seq: u64, record: &Record) {
        loop {
            let Some(mut item) = T::from_record(record) else { break };
            let kept = Arc::clone(log);
            // What is refused is released without a word, and stays where it is.
            let receipt = Receipt::new(move |settled| {
                if settled.is_safe() || (!settled.is_lost() && (settled.is_dropped() || settled.is_rejected())) {
                    kept.settle(place, kind, seq..seq + 1);
                }
            });
            item.replace_receipt(receipt).release();
            match self.offer(item).await {
                Ok(()) => return,
                Err(refusal) if refusal.is_retryable() => tokio::time::sleep(AGAIN_AFTER).await,
                Err(refusal) => {
                    tracing::warn!(exporter = self.name, error = %refusal, "what a stage left on disk is dropped");
                    break;
                }
            }
        }
        log.settle(place, kind, seq..seq + 1);
    }
}

/// The directories of clients that keep something for a destination.
fn clients_with(directory: &Path, destination: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let knows = |path: &PathBuf| {
        path.is_dir() && destinations_in(path).is_ok_and(|names| names.iter().any(|name| name == destination))
    };
    let mut clients: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(knows).collect();
    clients.sort();
    clients
}
