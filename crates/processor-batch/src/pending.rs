//! Requests that wait to become a batch.

use std::collections::VecDeque;
use std::sync::Arc;

use corten_delivery::Arena;
use corten_signal::otlp::{Batch, Split};

/// Requests of one signal in the order they came.
///
/// Each keeps its own receipt until it is taken, so that a receipt never waits for requests that came later.
#[derive(Debug, Default)]
pub struct Pending {
    /// A request larger than a batch, of which pieces have been taken; what is left of it comes before the queue.
    cutting: Option<Cutting>,
    queue: VecDeque<Batch>,
    items: usize,
    bytes: usize,
    /// Where what is cut is copied to, so that it is counted, and copied once for all destinations.
    arena: Option<Arc<Arena>>,
}

#[derive(Debug)]
struct Cutting {
    pieces: Split,
    items: usize,
    bytes: usize,
}

impl Pending {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing, and pieces of requests will be in this arena.
    pub fn charging(arena: Option<Arc<Arena>>) -> Self {
        Self { arena, ..Self::default() }
    }

    fn charge(&self, batch: Batch) -> Batch {
        let Some(arena) = &self.arena else { return batch };
        let mut all = true;
        let batch = batch.map_bytes(|part| {
            let part = arena.charge(part);
            all &= arena.owns(&part);
            part
        });
        if all { batch.with_home(arena.number()) } else { batch }
    }

    /// Items that wait.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Their size as protobuf, about: a request of which part has been taken counts by its share of items.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.cutting.is_none() && self.queue.is_empty()
    }

    /// Adds a request behind all others.
    pub fn push(&mut self, batch: Batch) {
        self.items += batch.items();
        self.bytes += batch.len();
        self.queue.push_back(batch);
    }

    /// Puts a request, or a batch that was taken, before all others.
    pub fn push_front(&mut self, batch: Batch) {
        if let Some(cutting) = self.cutting.take() {
            self.items -= cutting.items;
            self.bytes -= cutting.bytes;
            let pieces: Vec<Batch> = cutting.pieces.collect();
            pieces.into_iter().rev().for_each(|piece| self.push_front(piece));
        }
        self.items += batch.items();
        self.bytes += batch.len();
        self.queue.push_front(batch);
    }

    /// Takes the oldest requests as one batch until they have `enough` items, or all if there are fewer. With more than
    /// `max` items (0: no limit), the request that lies across that is cut.
    pub fn take(&mut self, enough: usize, max: usize) -> Option<Batch> {
        let max = if max == 0 { usize::MAX } else { max };
        let (mut room, mut taken) = (max, 0);
        let mut parts = Vec::new();
        while taken < enough.min(max) {
            let Some(part) = self.next(room, max) else { break };
            room -= part.items();
            taken += part.items();
            parts.push(part);
        }
        match Batch::concat(parts) {
            Ok(batch) => Some(batch),
            Err(error) => {
                // Only requests of several signals, or of profiles, cannot be joined: they leave one by one.
                let mut parts = error.batches.into_iter();
                let first = parts.next();
                parts.rev().for_each(|part| self.push_front(part));
                first
            }
        }
    }

    /// The next part of a batch that still has `room`.
    fn next(&mut self, room: usize, max: usize) -> Option<Batch> {
        loop {
            if let Some(cutting) = &mut self.cutting {
                if let Some(piece) = cutting.pieces.next() {
                    // Pieces repeat what encloses them, so their sizes do not add up to the size of the whole.
                    let share = (cutting.bytes as u128 * piece.items() as u128).checked_div(cutting.items as u128);
                    let share = share.map_or(0, |share| share as usize);
                    cutting.items -= piece.items();
                    cutting.bytes -= share;
                    self.items -= piece.items();
                    self.bytes -= share;
                    return Some(self.charge(piece));
                }
                self.bytes -= cutting.bytes;
                self.cutting = None;
            }
            let mut front = self.queue.pop_front()?;
            let (items, bytes) = (front.items(), front.len());
            if items <= room {
                self.items -= items;
                self.bytes -= bytes;
                return Some(front);
            }
            if room < max {
                let part = front.take(room);
                self.items -= part.items();
                self.bytes = self.bytes - bytes + front.len();
                let rest = self.charge(front);
                self.queue.push_front(rest);
                return Some(self.charge(part));
            }
            self.cutting = Some(Cutting { pieces: front.split(max), items, bytes });
        }
    }

    /// Everything that waits, in order.
    pub fn into_batches(mut self) -> Vec<Batch> {
        let cut = self.cutting.take().map(|cutting| cutting.pieces.collect::<Vec<_>>()).unwrap_or_default();
        cut.into_iter().chain(std::mem::take(&mut self.queue)).collect()
    }
}
