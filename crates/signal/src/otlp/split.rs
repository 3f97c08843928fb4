//! Splitting by items, on bytes.
//!
//! A piece repeats, for every message that it cuts through, all fields that hold no items (resource, scope, schema URL, a metric's name
//! and unit, temporality, unknown fields, a profile's dictionary), in their order, and then its share of the items.

use bytes::Bytes;

use super::schema::{self, Message, Role};
use super::wire::{self, Fields};
use super::{Batch, Request};

impl Batch {
    /// Divides the batch into pieces of at most `max_items` items, in order, none lost and none twice. 0 means no limit.
    ///
    /// Whole requests are shared, only what is cut is copied. A batch that is small enough comes out as it is. Pieces are made as
    /// they are asked for; each repeats the resource of what it cuts, so that tiny limits on huge resources are costly.
    pub fn split(self, max_items: usize) -> Split {
        let max = if max_items == 0 { usize::MAX } else { max_items };
        Split { state: if self.items() <= max { State::Whole(Some(self)) } else { State::Cut(Cutter::new(self)) }, max }
    }

    /// Removes the first `count` items and gives them; the rest stays. Gives everything if there are not more.
    pub fn take(&mut self, count: usize) -> Self {
        if count == 0 && self.items() > 0 {
            return self.with_requests([]);
        }
        let whole = std::mem::replace(self, Self::new(self.kind(), Bytes::new(), 0));
        if whole.items() <= count {
            return whole;
        }
        let mut cutter = Cutter::new(whole);
        let first = cutter.piece(count);
        *self = cutter.rest();
        first
    }
}

/// The pieces of a batch, see [`Batch::split`].
#[derive(Debug)]
pub struct Split {
    state: State,
    max: usize,
}

#[derive(Debug)]
enum State {
    Whole(Option<Batch>),
    Cut(Cutter),
}

impl Iterator for Split {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        match &mut self.state {
            State::Whole(batch) => batch.take(),
            State::Cut(cutter) if cutter.is_done() => {
                self.state = State::Whole(None);
                None
            }
            State::Cut(cutter) => Some(cutter.piece(self.max)),
        }
    }
}

/// A batch being cut: whole requests ahead, and the one that is cut through.
#[derive(Debug)]
struct Cutter {
    /// Metadata, time and receipt of the pieces.
    template: Batch,
    ahead: std::collections::VecDeque<Request>,
    open: Option<Cursor>,
}

impl Cutter {
    fn new(batch: Batch) -> Self {
        let ahead = batch.requests().collect();
        Self { template: batch.replace_requests([]), ahead, open: None }
    }

    fn is_done(&self) -> bool {
        self.ahead.is_empty() && self.open.is_none()
    }

    /// The next piece, of at most `max` (not 0) items.
    fn piece(&mut self, max: usize) -> Batch {
        let mut room = max;
        let mut requests = Vec::new();
        loop {
            if let Some(cursor) = &mut self.open {
                let (bytes, items) = cursor.take(room);
                room -= items;
                requests.push(Request { bytes: bytes.into(), items });
                if !cursor.is_done() {
                    break;
                }
                self.open = None;
            }
            let Some(next) = self.ahead.pop_front() else { break };
            if next.items <= room {
                room -= next.items;
                requests.push(next);
            } else if room == 0 {
                self.ahead.push_front(next);
                break;
            } else {
                self.open = Some(Cursor::new(schema::request(self.template.kind()), next.bytes));
            }
        }
        if self.is_done() {
            let last = self.template.with_requests(requests);
            self.template.take_receipt().release();
            return last;
        }
        self.template.with_requests(requests)
    }

    /// All that is left.
    fn rest(mut self) -> Batch {
        let cut = self.open.take().map(|mut cursor| {
            let (bytes, items) = cursor.take(usize::MAX);
            Request { bytes: bytes.into(), items }
        });
        let requests: Vec<_> = cut.into_iter().chain(self.ahead).collect();
        self.template.replace_requests(requests)
    }
}

/// A place within one request.
#[derive(Debug)]
struct Cursor {
    bytes: Bytes,
    /// From the request down to the message whose children come next.
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    message: &'static Message,
    /// Its field number in the level above.
    number: u32,
    /// The start of the next child, or `end`.
    pos: usize,
    end: usize,
    /// All fields that are not children.
    header: Vec<u8>,
}

impl Level {
    fn new(message: &'static Message, number: u32, bytes: &[u8], start: usize, end: usize) -> Self {
        let mut header = Vec::new();
        let body = &bytes[start..end];
        for field in Fields::new(body) {
            if child(message, field.number).is_none() {
                header.extend_from_slice(&body[field.start..field.end]);
            }
        }
        let mut level = Self { message, number, pos: start, end, header };
        level.advance(bytes, start);
        level
    }

    /// Moves to the next child at or after `pos`.
    fn advance(&mut self, bytes: &[u8], pos: usize) {
        self.pos = Fields { bytes: &bytes[..self.end], pos }
            .find(|field| child(self.message, field.number).is_some())
            .map_or(self.end, |field| field.start);
    }
}

/// The message of a field that holds items.
fn child(message: &'static Message, number: u32) -> Option<&'static Message> {
    message.field(number)?.message().filter(|child| child.role != Role::Plain)
}

/// The items in a message, counted no further than just above `limit`.
fn count(message: &'static Message, body: &[u8], limit: usize) -> usize {
    match message.role {
        Role::Plain => 0,
        Role::Item => 1,
        Role::Container => {
            let mut items = 0;
            for field in Fields::new(body) {
                if let Some(child) = child(message, field.number) {
                    items += count(child, field.value.bytes(), limit - items);
                    if items > limit {
                        break;
                    }
                }
            }
            items
        }
    }
}

impl Cursor {
    fn new(request: &'static Message, bytes: Bytes) -> Self {
        let root = Level::new(request, 0, &bytes, 0, bytes.len());
        Self { bytes, levels: vec![root] }
    }

    fn is_done(&self) -> bool {
        matches!(self.levels.as_slice(), [root] if root.pos == root.end)
    }

    /// A request with the next `room` items, or all that are left; and how many it has.
    fn take(&mut self, room: usize) -> (Vec<u8>, usize) {
        let bytes = &self.bytes;
        let mut items = 0;
        let mut open: Vec<Vec<u8>> = self.levels.iter().map(|level| level.header.clone()).collect();
        while let Some(level) = self.levels.last_mut() {
            let Some(field) = Fields { bytes: &bytes[..level.end], pos: level.pos }.next() else {
                if open.len() == 1 {
                    break;
                }
                close(&mut open, level.number);
                self.levels.pop();
                continue;
            };
            let Some(child) = child(level.message, field.number) else { break };
            let body = field.value.bytes();
            let left = room - items;
            let here = count(child, body, left);
            if here > left && left == 0 {
                break;
            }
            level.advance(bytes, field.end);
            if here <= left {
                items += here;
                if let Some(out) = open.last_mut() {
                    out.extend_from_slice(&bytes[field.start..field.end]);
                }
            } else {
                let inner = Level::new(child, field.number, bytes, field.end - body.len(), field.end);
                open.push(inner.header.clone());
                self.levels.push(inner);
            }
        }
        for level in self.levels.iter().skip(1).rev() {
            close(&mut open, level.number);
        }
        while self.levels.len() > 1 && self.levels.last().is_some_and(|level| level.pos == level.end) {
            self.levels.pop();
        }
        (open.pop().unwrap_or_default(), items)
    }
}

/// Ends the innermost open message: it becomes a field of the one around it.
fn close(open: &mut Vec<Vec<u8>>, number: u32) {
    if let Some(body) = open.pop()
        && let Some(outer) = open.last_mut()
    {
        wire::put_bytes(outer, number, &body);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use corten_component::{Outcome, Receipt, Settled};

    use super::*;
    use crate::otlp::SignalKind;

    /// Two resources with three spans each.
    fn batch() -> (Batch, Arc<Mutex<Option<Settled>>>) {
        let span = [0x12, 3, 0x2a, 1, b'x'];
        let scope = [vec![0x12, 15], span.repeat(3)].concat();
        let resource = [vec![0x0a, 17 + 5], scope, vec![0x1a, 3, b'u', b'r', b'l']].concat();
        let bytes = Bytes::from(resource.repeat(2));
        let seen = Arc::new(Mutex::new(None));
        let sink = Arc::clone(&seen);
        let receipt = Receipt::new(move |settled| *sink.lock().unwrap() = Some(settled));
        assert_eq!(crate::otlp::check(SignalKind::Traces, &bytes).map(|found| found.items), Ok(6));
        (Batch::new(SignalKind::Traces, bytes, 6).with_receipt(receipt), seen)
    }

    #[test]
    fn the_receipt_settles_with_the_last_piece() {
        let (batch, seen) = batch();
        let pieces: Vec<Batch> = batch.split(2).collect();
        assert_eq!(pieces.iter().map(Batch::items).collect::<Vec<_>>(), [2, 2, 2]);
        for mut piece in pieces {
            assert!(seen.lock().unwrap().is_none());
            piece.take_receipt().settle(Outcome::Delivered);
        }
        assert!(seen.lock().unwrap().is_some_and(Settled::is_safe));
    }

    #[test]
    fn pieces_never_asked_for_are_lost() {
        let (batch, seen) = batch();
        let mut split = batch.split(2);
        split.next().unwrap().take_receipt().settle(Outcome::Delivered);
        drop(split);
        assert!(seen.lock().unwrap().is_some_and(Settled::is_lost));
    }

    #[test]
    fn taking_leaves_the_receipt_with_both() {
        let (mut rest, seen) = batch();
        for count in [0, 4, 9] {
            let mut taken = rest.take(count);
            assert!(seen.lock().unwrap().is_none(), "{count}");
            taken.take_receipt().settle(Outcome::Stored);
        }
        rest.take_receipt().settle(Outcome::Stored);
        assert!(seen.lock().unwrap().is_some_and(Settled::is_safe));
    }

    #[test]
    fn a_piece_repeats_what_stands_around_its_items() {
        let (batch, _seen) = batch();
        let first = batch.split(1).next().unwrap();
        // The schema URL stood behind the spans.
        let expected = [0x0a, 12, 0x1a, 3, b'u', b'r', b'l', 0x12, 5, 0x12, 3, 0x2a, 1, b'x'];
        assert_eq!(first.to_bytes().as_ref(), expected);
    }

    #[test]
    fn a_batch_that_is_small_enough_is_not_touched() {
        for max in [6, 7, 0] {
            let (batch, _seen) = batch();
            let bytes = batch.to_bytes();
            let pieces: Vec<Batch> = batch.split(max).collect();
            assert_eq!((pieces.len(), pieces[0].to_bytes().as_ptr()), (1, bytes.as_ptr()));
        }
    }
}
