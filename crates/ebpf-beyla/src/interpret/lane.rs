//! One direction of a stream: puts records in order and says what is missing.
//!
//! Protocols read [`Segment`]s: bytes that were captured, and the number of those that were not. Every byte of a
//! direction is said exactly once, in order.

use crate::record::Data;

/// A part of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Bytes as they were sent.
    Bytes(&'a [u8]),
    /// So many bytes went and were not captured; they end where a call does if `call_end`.
    Gap {
        /// How many.
        len: u64,
        /// Whether a call ends behind them.
        call_end: bool,
    },
}

/// What a segment came with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since boot.
    pub time: u64,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The segment begins a call.
    pub call_start: bool,
    /// It is the first after the other direction was used.
    pub turn: bool,
    /// Its place in the direction.
    pub offset: u64,
    /// The TCP sequence number there.
    pub sequence: u32,
}

impl Moment {
    /// The moment of a byte further on in the segment.
    pub fn further(self, bytes: usize) -> Self {
        Self {
            offset: self.offset.saturating_add(bytes as u64),
            sequence: match self.sequence {
                0 => 0,
                sequence => sequence.wrapping_add(bytes as u32),
            },
            ..self
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub struct Lane {
    /// The next byte that is not accounted for.
    expected: u64,
    /// Up to where the last call goes: what is missing below it was left out, not lost.
    call_end: u64,
    begun: bool,
}

impl Lane {
    /// The place behind all that was seen.
    pub fn position(&self) -> u64 {
        self.expected.max(self.call_end)
    }

    /// Takes a record and tells `protocol` what is new in it.
    pub fn take(&mut self, data: &Data<'_>, moment: Moment, mut protocol: impl FnMut(Segment<'_>, Moment)) {
        if !self.begun {
            (self.begun, self.expected) = (true, data.offset.min(self.expected));
        }
        // What earlier calls held beyond what was captured, and what was lost.
        if let Some(missing) = data.offset.checked_sub(self.expected).filter(|missing| *missing > 0) {
            let at = Moment { call_start: false, turn: false, offset: self.expected, ..moment };
            protocol(Segment::Gap { len: missing, call_end: data.call_start }, at);
            self.expected = data.offset;
        }
        let end = data.offset.saturating_add(u64::from(data.left));
        self.call_end = self.call_end.max(end);
        // A call that took less than it was offered comes again for the rest.
        let known = usize::try_from(self.expected - data.offset).unwrap_or(usize::MAX);
        if let Some(new) = data.bytes.get(known..).filter(|new| !new.is_empty()) {
            let fresh = known == 0;
            let at = Moment { call_start: fresh && data.call_start, turn: fresh && data.turn, ..moment.further(known) };
            protocol(Segment::Bytes(new), at);
            self.expected += new.len() as u64;
        }
    }

    /// Whether the last call has bytes that were not told of.
    pub fn is_pending(&self) -> bool {
        self.call_end > self.expected
    }

    /// Goes over bytes that the protocol does not need, as far as a call has accounted for them; how many there were.
    /// Pieces of them that still come are not told.
    pub fn claim(&mut self, wanted: u64) -> u64 {
        let there = self.call_end.saturating_sub(self.expected).min(wanted);
        self.expected += there;
        there
    }

    /// Tells what the finished call held beyond what was captured.
    pub fn settle(&mut self, moment: Moment, mut protocol: impl FnMut(Segment<'_>, Moment)) {
        let len = self.claim(u64::MAX);
        if len > 0 {
            let at = Moment { call_start: false, turn: false, offset: self.expected - len, ..moment };
            protocol(Segment::Gap { len, call_end: true }, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Direction;

    fn data(offset: u64, left: u32, bytes: &[u8]) -> Data<'_> {
        Data { direction: Direction::Send, call_start: true, offset, left, bytes, ..Data::default() }
    }

    fn run(records: &[Data<'_>]) -> (Vec<u8>, u64) {
        let (mut lane, mut seen, mut missing) = (Lane::default(), Vec::new(), 0);
        for record in records {
            let mut protocol = |segment: Segment<'_>, _: Moment| match segment {
                Segment::Bytes(bytes) => seen.extend_from_slice(bytes),
                Segment::Gap { len, .. } => missing += len,
            };
            lane.take(record, Moment::default(), &mut protocol);
            lane.settle(Moment::default(), &mut protocol);
        }
        (seen, missing)
    }

    #[test]
    fn every_byte_is_said_once() {
        assert_eq!(run(&[data(0, 3, b"abc"), data(3, 2, b"de")]), (b"abcde".to_vec(), 0));
        assert_eq!(run(&[data(0, 10, b"abc"), data(10, 2, b"de")]), (b"abcde".to_vec(), 7));
        assert_eq!(run(&[data(0, 3, b"abc"), data(7, 2, b"de")]), (b"abcde".to_vec(), 4));
    }

    #[test]
    fn what_is_claimed_is_not_said() {
        let (mut lane, mut seen) = (Lane::default(), Vec::new());
        let mut protocol = |segment: Segment<'_>, _: Moment| seen.push(format!("{segment:?}"));
        lane.take(&data(0, 10, b"abc"), Moment::default(), &mut protocol);
        assert_eq!((lane.claim(5), lane.claim(5)), (5, 2));
        lane.take(&data(3, 7, b"defghij"), Moment::default(), &mut protocol);
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn a_call_that_is_repeated_for_the_rest_is_not_said_twice() {
        assert_eq!(run(&[data(0, 6, b"abcdef"), data(2, 4, b"cdef"), data(6, 1, b"g")]), (b"abcdefg".to_vec(), 0));
        assert_eq!(run(&[data(0, 6, b"abcdef"), data(0, 6, b"abcdef")]), (b"abcdef".to_vec(), 0));
        assert_eq!(run(&[data(0, 6, b"abcdef"), data(4, 5, b"efghi")]), (b"abcdefghi".to_vec(), 0));
    }
}
