//! Spans and metrics on their way out of the observing thread: a queue that is bounded in bytes and never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use corten_signal::otlp::SignalKind;
use tokio::sync::mpsc;

/// How many bytes may wait.
const ROOM: usize = 16 << 20;
/// How many parcels may wait.
const PLACES: usize = 1024;

/// A request that goes out.
#[derive(Debug)]
pub struct Parcel {
    /// Spans or metrics.
    pub kind: SignalKind,
    /// An OTLP export request.
    pub bytes: Bytes,
    /// How many spans or points.
    pub items: usize,
}

/// The sending side.
#[derive(Debug, Clone)]
pub struct Sender {
    parcels: mpsc::Sender<Parcel>,
    waiting: Arc<AtomicUsize>,
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiver {
    parcels: mpsc::Receiver<Parcel>,
    waiting: Arc<AtomicUsize>,
}

/// Both sides of a queue.
pub fn queue() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(PLACES);
    let waiting = Arc::new(AtomicUsize::new(0));
    (Sender { parcels: sender, waiting: Arc::clone(&waiting) }, Receiver { parcels: receiver, waiting })
}

impl Sender {
    /// Sends, if there is room; the number of items that found none.
    pub fn send(&self, parcel: Parcel) -> usize {
        let (size, items) = (parcel.bytes.len(), parcel.items);
        if self.waiting.fetch_add(size, Ordering::AcqRel) + size > ROOM {
            self.waiting.fetch_sub(size, Ordering::AcqRel);
            return items;
        }
        match self.parcels.try_send(parcel) {
            Ok(()) => 0,
            Err(_) => {
                self.waiting.fetch_sub(size, Ordering::AcqRel);
                items
            }
        }
    }
}

impl Receiver {
    /// The next parcel; `None` when the sender has gone and all was received.
    pub async fn next(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.recv().await?;
        self.waiting.fetch_sub(parcel.bytes.len(), Ordering::AcqRel);
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(size: usize) -> Parcel {
        Parcel { kind: SignalKind::Traces, bytes: Bytes::from(vec![0; size]), items: 3 }
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted() {
        let (sender, mut receiver) = queue();
        assert_eq!(sender.send(parcel(ROOM)), 0);
        assert_eq!(sender.send(parcel(1)), 3);
        assert!(receiver.next().await.is_some());
        assert_eq!(sender.send(parcel(1)), 0);
        drop(sender);
        assert!(receiver.next().await.is_some() && receiver.next().await.is_none());
    }
}
