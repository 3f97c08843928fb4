//! Reads records back in their order.

use std::io;

use bytes::Bytes;

use super::core::Core;
use super::format::{ALIGN, DATA_START, Record, RecordHeader, segment_name};
use super::scan::{Segment, Whole, read_what_can_be};

/// So much is read at once, unless one record is larger.
const CHUNK: u64 = 512 << 10;

/// Where reading goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    segment: u64,
    offset: u64,
    /// The number from which on it is right.
    seq: u64,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) records: Vec<(u64, Record)>,
    /// The destinations that wait for each.
    pub(crate) waiting: Vec<Vec<usize>>,
    /// The number to ask for next.
    pub(crate) next: u64,
    /// Whether there is nothing behind it.
    pub(crate) at_end: bool,
    /// A segment could not be opened, for the time being (no file descriptors are left).
    pub(crate) failed: bool,
}

impl Core {
    /// Records of a kind that a destination (or any, for `None`) has not settled, from a number on: about `max` bytes of
    /// them, at least one.
    pub(crate) fn read(&mut self, destination: Option<usize>, kind: u8, from: u64, max: usize) -> Read {
        let is_settled = |core: &Self, seq| match destination {
            Some(destination) => core.is_settled(destination, kind, seq),
            None => core.waiting(kind, seq).next().is_none(),
        };
        let mut read = Read { next: from, ..Read::default() };
        let mut bytes = 0;
        let known = self.positions.remove(&(destination, kind)).filter(|position| position.seq == from);
        let segments: Vec<Segment> = self.segments_from(kind, from).cloned().collect();
        let (mut stopped, mut reached) = (None, None);
        for segment in segments {
            let start = known.filter(|known| known.segment == segment.id).map_or(DATA_START, |known| known.offset);
            let walked = self.walk(&segment, start, |whole| {
                let RecordHeader { seq, .. } = whole.header;
                if whole.header.kind != kind || seq < read.next || is_settled(self, seq) {
                    return true;
                }
                if bytes >= max {
                    return false;
                }
                bytes += whole.body.len() + ALIGN;
                read.records.push((seq, whole.record()));
                read.waiting.push(self.waiting(kind, seq).collect());
                read.next = seq + 1;
                true
            });
            match walked {
                Ok(None) => {}
                Ok(Some(offset)) => {
                    stopped = Some(Position { segment: segment.id, offset, seq: read.next });
                    break;
                }
                Err(_) => {
                    read.failed = true;
                    return read;
                }
            }
            reached = Some(Position { segment: segment.id, offset: segment.end, seq: self.end(kind).max(read.next) });
        }
        read.at_end = stopped.is_none();
        if read.at_end {
            // Whatever is missing up to there cannot be read.
            read.next = read.next.max(self.end(kind));
        }
        if let Some(position) = stopped.or(reached).or(known) {
            self.positions.insert((destination, kind), position);
        }
        read
    }

    /// Shows the whole records of a segment, from an offset on, until `each` says no; returns where that was. A
    /// segment that is gone holds nothing; one that cannot be opened is an error.
    pub(crate) fn walk(
        &self,
        segment: &Segment,
        mut at: u64,
        mut each: impl FnMut(&Whole<'_>) -> bool,
    ) -> io::Result<Option<u64>> {
        let name = segment_name(segment.id);
        let file = match self.disk.open(&name) {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(file = %self.disk.path().join(name).display(), %error, "a segment cannot be read");
                return if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) };
            }
        };
        let mut want = CHUNK;
        while at < segment.end {
            let mut chunk = vec![0; want.min(segment.end - at) as usize];
            let count = read_what_can_be(&*file, &mut chunk, at);
            chunk.truncate(count);
            let chunk = Bytes::from(chunk);
            want = CHUNK;
            let mut inside = 0;
            while let Some(here) = chunk.get(inside..inside + ALIGN) {
                let offset = at + inside as u64;
                let Some(header) = RecordHeader::parse(here, segment.id, offset, segment.salt) else {
                    inside += ALIGN;
                    continue;
                };
                let Some(body) = chunk.get(inside + ALIGN..inside + header.len()) else {
                    if offset + header.len() as u64 <= segment.end {
                        // It goes on behind the chunk.
                        want = CHUNK.max(header.len() as u64);
                        break;
                    }
                    inside += ALIGN;
                    continue;
                };
                if !header.matches(body) {
                    inside += header.stored_len() as usize;
                    continue;
                }
                let body = chunk.slice_ref(body);
                if !each(&Whole { header, body: &body }) {
                    return Ok(Some(offset));
                }
                inside += header.stored_len() as usize;
            }
            if inside == 0 && want == CHUNK {
                break;
            }
            at += inside as u64;
        }
        Ok(None)
    }
}
