//! Where records leave the pump's thread: in chunks, through a channel that is bounded in bytes.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::record::{Event, Loss, Lost, Record};

/// A chunk is sent on when it has so many bytes, or when the ring is empty.
const CHUNK: usize = 64 * 1024;
/// So many chunks may wait: 4 MiB, if they are full. Whoever reads may be busy for seconds, with a large program's symbols.
const CHUNKS: usize = 64;
/// So many bytes may wait behind them.
const KEPT: usize = 4 << 20;

/// The receiving side: chunks of whole records, one behind the other, as [`decode`](crate::record::decode) reads them.
#[derive(Debug, Clone)]
pub struct Records {
    chunks: Receiver<Vec<u8>>,
}

impl Records {
    /// Chunks as they come; closed when the capture has ended.
    pub fn chunks(&self) -> &Receiver<Vec<u8>> {
        &self.chunks
    }

    /// The next chunk, or `None` if there is none for so long, or none will come.
    pub fn wait(&self, at_most: Duration) -> Option<Vec<u8>> {
        self.chunks.recv_timeout(at_most).ok()
    }
}

/// The sending side. It never waits: what finds no place is counted.
pub(super) struct Outlet {
    chunks: Sender<Vec<u8>>,
    wake: Box<dyn Fn() + Send>,
    chunk: Vec<u8>,
    records: u64,
    dropped: u64,
}

impl Outlet {
    /// `wake` is called when there is something to receive.
    pub(super) fn new(wake: Box<dyn Fn() + Send>) -> (Self, Records) {
        let (sender, receiver) = crossbeam_channel::bounded(CHUNKS);
        let outlet = Self { chunks: sender, wake, chunk: Vec::new(), records: 0, dropped: 0 };
        (outlet, Records { chunks: receiver })
    }

    /// A record that is bytes already.
    pub(super) fn push(&mut self, record: &[u8]) {
        self.chunk.extend(record);
        self.pushed();
    }

    pub(super) fn say(&mut self, record: &Record<'_>) {
        record.encode(&mut self.chunk);
        self.pushed();
    }

    fn pushed(&mut self) {
        self.records += 1;
        if self.chunk.len() >= CHUNK {
            self.flush();
        }
    }

    /// Sends on what there is. What was dropped since is said first.
    pub(super) fn flush(&mut self) {
        if self.chunk.is_empty() && self.dropped == 0 {
            return;
        }
        let (dropped, records) = (std::mem::take(&mut self.dropped), std::mem::take(&mut self.records));
        let mut chunk = std::mem::take(&mut self.chunk);
        if dropped > 0 {
            let event = Event::Lost(Lost { reason: Loss::QueueFull, count: dropped });
            let mut first = Vec::new();
            Record { head: crate::record::Head::default(), event }.encode(&mut first);
            first.append(&mut chunk);
            chunk = first;
        }
        match self.chunks.try_send(chunk) {
            Ok(()) => (self.wake)(),
            Err(TrySendError::Full(chunk)) if dropped == 0 && chunk.len() < KEPT => {
                (self.chunk, self.records) = (chunk, records);
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped = dropped + records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Exit, Head, decode};

    fn exit(status: u32) -> Record<'static> {
        Record { head: Head::default(), event: Event::Exit(Exit { status }) }
    }

    #[test]
    fn what_finds_no_place_is_counted_and_said() {
        let (mut outlet, records) = Outlet::new(Box::new(|| {}));
        for status in 0..CHUNKS as u32 {
            outlet.say(&exit(status));
            outlet.flush();
        }
        // What comes now waits, as far as there is room.
        let kept = (KEPT / 40) as u32 + 1;
        (0..kept).for_each(|status| outlet.say(&exit(status)));
        outlet.flush();
        for _ in 0..CHUNKS {
            assert_eq!(records.wait(Duration::ZERO).expect("a chunk").len(), 40);
        }
        outlet.say(&exit(7));
        outlet.flush();
        let chunk = records.wait(Duration::ZERO).expect("a chunk");
        let (lost, length) = decode(&chunk).expect("a record");
        assert_eq!(lost.event, Event::Lost(Lost { reason: Loss::QueueFull, count: u64::from(kept) }));
        let (last, _) = decode(&chunk[length..]).expect("a record");
        assert_eq!(last.event, exit(7).event);
    }
}
