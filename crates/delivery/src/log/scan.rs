//! Looks at segments that another life of the process left: what is whole, what is damaged, where it ends.
//!
//! A hole in front of a later write is damage, since that write began after the hole had been synced. Whatever is
//! broken in the last write is what a power cut leaves of something that nobody had been promised.

use std::path::Path;

use bytes::Bytes;

use super::disk::{Disk, DiskFile};
use super::format::{
    ALIGN, DATA_START, FIRST_OF_WRITE, Found, KINDS, Record, RecordHeader, SECTOR, SegmentHeader, segment_id,
    segment_name,
};
use super::report::{Damage, OpenError, Report};

/// A segment as the headers say.
pub(crate) struct Listed {
    pub(crate) id: u64,
    pub(crate) header: Option<Box<SegmentHeader>>,
    pub(crate) len: u64,
    /// From the segment behind it: where it ends, and from where on that is the rest of a torn write.
    limit: Option<(u64, u64)>,
}

/// What was found in a segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) salt: Option<u64>,
    /// Bytes of the file.
    pub(crate) len: u64,
    /// Behind the last whole record.
    pub(crate) end: u64,
    /// Where what is left of a torn write starts; the end if none is.
    pub(crate) torn: u64,
    /// The first sequence number of each kind, and the one after the last.
    pub(crate) first: [u64; KINDS],
    pub(crate) next: [u64; KINDS],
}

impl Segment {
    pub(crate) fn holds(&self, kind: usize) -> bool {
        self.range(kind).is_some()
    }

    /// The sequence numbers of a kind, if it holds any.
    pub(crate) fn range(&self, kind: usize) -> Option<(u64, u64)> {
        let (first, next) = (*self.first.get(kind)?, *self.next.get(kind)?);
        (first < next).then_some((first, next))
    }

    pub(crate) fn note(&mut self, kind: u8, seq: u64) {
        let kind = usize::from(kind);
        if !self.holds(kind) {
            self.first[kind] = seq;
        }
        self.next[kind] = seq + 1;
    }
}

/// The segments of a directory, in order.
pub(crate) fn list(disk: &dyn Disk) -> Result<Vec<Listed>, OpenError> {
    let io = |name: &str, error| OpenError::io(disk.path().join(name), error);
    let mut ids: Vec<u64> =
        disk.list().map_err(|error| io("", error))?.iter().filter_map(|name| segment_id(name)).collect();
    ids.sort_unstable();
    let mut segments: Vec<Listed> = Vec::with_capacity(ids.len());
    for id in ids {
        let name = segment_name(id);
        let file = disk.open(&name).map_err(|error| io(&name, error))?;
        let len = file.len().map_err(|error| io(&name, error))?;
        let mut head = [0; SECTOR];
        // A sector that cannot be read is one that is damaged.
        let _ = file.read_at(&mut head, 0);
        let header = match SegmentHeader::parse(&head) {
            Found::Header(header) if header.id == id => Some(header),
            Found::Newer { version, reader } => {
                return Err(OpenError::Newer { file: disk.path().join(name), version, reader });
            }
            _ => None,
        };
        if let (Some(header), Some(last)) = (&header, segments.last_mut())
            && header.prev_id == last.id
        {
            last.limit = Some((header.prev_end, header.prev_torn));
        }
        segments.push(Listed { id, header, len, limit: None });
    }
    Ok(segments)
}

/// A record that a scan found whole.
pub(crate) struct Whole<'a> {
    pub(crate) header: RecordHeader,
    pub(crate) body: &'a Bytes,
}

impl Whole<'_> {
    pub(crate) fn record(&self) -> Record {
        let meta = self.body.slice(..self.header.meta_len as usize);
        let payload = self.body.slice(self.header.meta_len as usize..);
        let RecordHeader { kind, items, time, .. } = self.header;
        Record { kind, items, time, meta, payload: vec![payload] }
    }
}

/// What cannot be told yet to be damage or the remains of the last write.
#[derive(Default)]
struct Doubt {
    /// Where it begins.
    from: Option<u64>,
    holes: Vec<(u64, u64)>,
    records: u64,
}

/// Goes through segments one by one.
#[derive(Default)]
pub(crate) struct Scanner {
    /// The sequence number expected next of each kind, and the segment that it was in.
    expected: [Option<u64>; KINDS],
    last: Option<u64>,
    pub(crate) report: Report,
}

impl Scanner {
    /// Reads a segment. Where no later one says how far it counts, its last write may be torn.
    pub(crate) fn scan(
        &mut self,
        disk: &dyn Disk,
        listed: &Listed,
        mut each: impl FnMut(&Whole<'_>),
    ) -> Result<Segment, OpenError> {
        let name = segment_name(listed.id);
        let path = disk.path().join(&name);
        let file = disk.open(&name).map_err(|error| OpenError::io(path.clone(), error))?;
        let bytes = read_all(&*file, listed.limit.map_or(listed.len, |(end, _)| end.min(listed.len)));
        let header = listed.header.as_deref();
        let mut segment = Segment {
            id: listed.id,
            salt: header.map(|header| header.salt),
            len: listed.len,
            end: DATA_START,
            torn: DATA_START,
            first: [0; KINDS],
            next: [0; KINDS],
        };
        let mut doubt = Doubt::default();
        self.enter(header);
        if header.is_none() && bytes.iter().take(SECTOR).any(|byte| *byte != 0) {
            self.report.damage.push(Damage { file: path.clone(), offset: 0, bytes: SECTOR as u64 });
        }
        let mut at = DATA_START;
        while let Some(here) = slice(&bytes, at, ALIGN) {
            let Some(found) = RecordHeader::parse(here, listed.id, at, segment.salt) else {
                at += ALIGN as u64;
                continue;
            };
            let body = slice(&bytes, at + ALIGN as u64, found.len() - ALIGN);
            let Some(body) = body.filter(|body| found.matches(body)) else {
                // The header is whole, so the record ends where it says, unless the file is cut.
                at += if body.is_some() { found.stored_len() } else { ALIGN as u64 };
                continue;
            };
            let kind = usize::from(found.kind);
            let expected = self.expected.get(kind).copied().flatten();
            if expected.is_some_and(|expected| found.seq < expected) {
                // Behind what is known already: nothing that this log wrote.
                at += ALIGN as u64;
                continue;
            }
            let gap = found.seq - expected.unwrap_or(found.seq);
            let hole = !is_padding(&bytes, segment.end, at);
            if (hole || gap > 0) && listed.limit.is_none_or(|(_, torn)| segment.end < torn) {
                doubt.from.get_or_insert(segment.end);
                doubt.holes.extend(hole.then_some((segment.end, at)));
                doubt.records += gap;
            }
            if found.flags & FIRST_OF_WRITE != 0 || listed.limit.is_some() {
                self.damaged(&path, &mut doubt);
            }
            segment.salt = Some(found.salt);
            let body = bytes.slice_ref(body);
            each(&Whole { header: found, body: &body });
            self.expected[kind] = Some(found.seq + 1);
            segment.note(found.kind, found.seq);
            self.report.records += 1;
            self.report.items += u64::from(found.items);
            self.report.bytes += u64::from(found.payload_len);
            at += found.stored_len();
            segment.end = at;
        }
        self.report.segments += 1;
        self.last = Some(listed.id);
        segment.torn = doubt.from.unwrap_or(segment.end);
        self.leave(&path, &bytes, &segment, listed.limit.map(|(end, _)| end), doubt);
        Ok(segment)
    }

    /// Compares what the segments before held with what this one says that they did.
    fn enter(&mut self, header: Option<&SegmentHeader>) {
        let Some(header) = header else { return };
        for (kind, expected) in self.expected.iter_mut().enumerate() {
            if self.last == Some(header.prev_id) {
                let known = expected.unwrap_or(header.good[kind]);
                self.report.damaged_records += header.good[kind].saturating_sub(known);
            }
            *expected = Some(expected.unwrap_or_default().max(header.next[kind]));
        }
    }

    fn leave(&mut self, path: &Path, bytes: &[u8], segment: &Segment, limit: Option<u64>, mut doubt: Doubt) {
        let rest = bytes.get(segment.end as usize..).unwrap_or_default();
        let tail = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        let Some(limit) = limit else {
            self.report.torn_bytes += tail + doubt.holes.iter().map(|(start, end)| end - start).sum::<u64>();
            self.report.torn_records += doubt.records;
            return;
        };
        if limit > segment.end {
            doubt.holes.push((segment.end, limit));
        }
        self.damaged(path, &mut doubt);
    }

    fn damaged(&mut self, path: &Path, doubt: &mut Doubt) {
        self.report.damaged_records += std::mem::take(&mut doubt.records);
        doubt.from = None;
        for (start, end) in doubt.holes.drain(..) {
            self.report.damage.push(Damage { file: path.to_owned(), offset: start, bytes: end - start });
        }
    }
}

fn slice(bytes: &[u8], at: u64, len: usize) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    bytes.get(at..at.checked_add(len)?)
}

/// Whether a gap is what fills up a write to the next sector.
fn is_padding(bytes: &[u8], from: u64, to: u64) -> bool {
    let gap = slice(bytes, from, (to - from) as usize).unwrap_or_default();
    to == from || (to == from.next_multiple_of(SECTOR as u64) && gap.iter().all(|byte| *byte == 0))
}

/// The first `len` bytes of a file; zeros stand for what cannot be read.
fn read_all(file: &dyn DiskFile, len: u64) -> Bytes {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let read = read_what_can_be(file, &mut bytes, 0);
    bytes.truncate(read);
    Bytes::from(bytes)
}

/// Reads a range; sectors that cannot be read become zeros. Returns how much of it the file has.
pub(crate) fn read_what_can_be(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> usize {
    match file.read_at(buffer, offset) {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(%error, "a part of a buffer file cannot be read");
            let mut read = 0;
            for (place, part) in buffer.chunks_mut(8 * SECTOR).enumerate() {
                let start = place * 8 * SECTOR;
                match file.read_at(part, offset + start as u64) {
                    Ok(0) => break,
                    Ok(count) => read = start + count,
                    Err(_) => {
                        part.fill(0);
                        read = start + part.len();
                    }
                }
            }
            read
        }
    }
}
