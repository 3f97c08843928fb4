//! The log itself, without a thread: what is written where, and when a segment goes.

use std::any::Any;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::cursor::{Cursor, CursorError, file_name};
use super::disk::{Disk, DiskFile};
use super::format::{
    DATA_START, FIRST_OF_WRITE, KINDS, MAX_RECORD, Place, Record, RecordHeader, SECTOR, SegmentHeader, VERSION, encode,
    segment_name,
};
use super::options::{Options, WhenFull};
use super::read::Position;
use super::report::{AppendError, OpenError, Report};
use super::scan::{Scanner, Segment, list};

/// Segment sizes are multiples of this.
const PAGE: u64 = 4096;

/// What waits for a destination, of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records.
    pub records: u64,
    /// Their items.
    pub items: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// A record that was given up to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// Which destination will not get it, by its place in the list that the log was opened with.
    pub destination: usize,
    /// The kind.
    pub kind: u8,
    /// Its sequence number.
    pub seq: u64,
    /// Its items.
    pub items: u32,
    /// Bytes of its payload.
    pub bytes: u32,
}

/// What became of a group of records.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// Of each record in order: its sequence number.
    pub(crate) results: Vec<Result<u64, AppendError>>,
    /// What had to go for them.
    pub(crate) evicted: Vec<Evicted>,
}

struct Active {
    segment: Segment,
    file: Box<dyn DiskFile>,
    /// Its name is not on the disk yet.
    fresh: bool,
}

pub(crate) struct Core {
    pub(crate) disk: Arc<dyn Disk>,
    options: Options,
    salt: u64,
    /// By number, without the active one.
    sealed: BTreeMap<u64, Segment>,
    active: Option<Active>,
    next_id: u64,
    /// The last segment, where it ends and where it is torn, for the next header.
    previous: (u64, u64, u64),
    /// The sequence numbers after what is safe, and those given out next.
    good: [u64; KINDS],
    pub(super) next: [u64; KINDS],
    pub(super) cursors: Vec<Cursor>,
    /// What was there when it was opened, by kind: ranges of sequence numbers, and the number after all.
    pub(super) present: Vec<Vec<(u64, u64)>>,
    pub(crate) opened: [u64; KINDS],
    /// Bytes of all segments.
    used: u64,
    failed: Option<(Instant, AppendError)>,
    buffer: Vec<u8>,
    pub(crate) positions: BTreeMap<(Option<usize>, u8), Position>,
    _lock: Box<dyn Any + Send>,
}

/// A log that was opened: itself, what it held, and what waits of it for each destination.
pub(crate) type Opened = (Core, Report, Vec<[Backlog; KINDS]>);

impl Core {
    pub(crate) fn open(disk: Arc<dyn Disk>, options: Options, destinations: &[&str]) -> Result<Opened, OpenError> {
        let directory = disk.path().to_owned();
        let lock = disk.lock().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked { directory: directory.clone() },
            _ => OpenError::io(&directory, error),
        })?;
        let listed = list(&*disk)?;
        let mut scanner = Scanner::default();
        let mut cursors = Vec::new();
        for name in destinations {
            let (cursor, lost) = Cursor::open(&*disk, name).map_err(|error| match error {
                CursorError::Newer { version } => {
                    OpenError::Newer { file: directory.join(file_name(name)), version, reader: version }
                }
                CursorError::Io(error) => OpenError::io(directory.join(file_name(name)), error),
            })?;
            if lost {
                scanner.report.lost_cursors.push((*name).to_owned());
            }
            cursors.push(cursor);
        }
        let mut core = Self {
            salt: RandomState::new().hash_one(now()),
            options,
            sealed: BTreeMap::new(),
            active: None,
            next_id: listed.last().map_or(1, |last| last.id + 1),
            previous: (0, 0, 0),
            good: [0; KINDS],
            next: [0; KINDS],
            present: vec![Vec::new(); KINDS],
            opened: [0; KINDS],
            used: 0,
            failed: None,
            buffer: Vec::new(),
            positions: BTreeMap::new(),
            _lock: lock,
            cursors,
            disk,
        };
        let mut backlogs = vec![[Backlog::default(); KINDS]; destinations.len()];
        for segment in &listed {
            let scanned = scanner.scan(&*core.disk, segment, |whole| {
                let (kind, seq) = (usize::from(whole.header.kind), whole.header.seq);
                match core.present[kind].last_mut() {
                    Some((_, end)) if *end == seq => *end += 1,
                    _ => core.present[kind].push((seq, seq + 1)),
                }
                for (cursor, backlog) in core.cursors.iter().zip(&mut backlogs) {
                    count(cursor, backlog, &whole.header);
                }
            })?;
            if let Some(header) = &segment.header {
                core.salt = header.salt;
                for (next, known) in core.next.iter_mut().zip(header.next) {
                    *next = known.max(*next);
                }
            }
            for (kind, next) in core.next.iter_mut().enumerate() {
                *next = scanned.next[kind].max(*next);
            }
            core.previous = (scanned.id, scanned.end, scanned.torn);
            core.used += scanned.len;
            core.sealed.insert(scanned.id, scanned);
        }
        // What the next segment's header says of this one is what a scan of this one finds.
        core.good = core.next;
        for cursor in &core.cursors {
            raise(&mut core.next, cursor);
        }
        core.opened = core.next;
        for cursor in &mut core.cursors {
            forgo_missing(cursor, &core.present, &core.opened);
        }
        core.trim();
        core.reclaim();
        Ok((core, scanner.report, backlogs))
    }

    /// Gives back what the segments of other lives set aside and did not use.
    fn trim(&mut self) {
        for segment in self.sealed.values_mut() {
            let len = segment.end.next_multiple_of(SECTOR as u64);
            if len < segment.len && cut(&*self.disk, segment.id, len).is_ok() {
                self.used -= segment.len - len;
                segment.len = len;
            }
        }
    }

    pub(crate) fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Bytes of all segments on disk.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Writes records, with one write and one sync wherever they fit into one segment.
    pub(crate) fn append(&mut self, records: &[Record]) -> Appended {
        let mut done = Appended::default();
        while let Some(rest) = records.get(done.results.len()..).filter(|rest| !rest.is_empty()) {
            let Some(first) = rest.first() else { break };
            if first.stored_len() > MAX_RECORD {
                done.results.push(Err(AppendError::TooLarge));
                continue;
            }
            let written = self.room_for(first.stored_len() as u64, &mut done.evicted).and_then(|()| self.write(rest));
            match written {
                Ok(mut seqs) => done.results.extend(seqs.drain(..).map(Ok)),
                Err(error) => {
                    // Those behind it would meet the same disk.
                    let count = if error == AppendError::TooLarge { 1 } else { rest.len() };
                    done.results.extend(std::iter::repeat_n(Err(error), count));
                }
            }
        }
        done
    }

    /// Sees to it that the active segment has room for so much, with a new one if need be.
    fn room_for(&mut self, bytes: u64, evicted: &mut Vec<Evicted>) -> Result<(), AppendError> {
        if let Some(active) = &self.active {
            let start = active.segment.end.next_multiple_of(SECTOR as u64);
            if start + bytes <= active.segment.len {
                return Ok(());
            }
        }
        if let Some((at, error)) = &self.failed
            && at.elapsed() < self.options.retry_after
        {
            return Err(error.clone());
        }
        self.seal();
        let len = (DATA_START + bytes).next_multiple_of(PAGE).max(self.options.segment_bytes());
        if let Some(max) = self.options.max_bytes {
            if len > max {
                return Err(AppendError::TooLarge);
            }
            while self.used + len > max {
                if self.options.when_full == WhenFull::Reject || !self.evict_oldest(evicted) {
                    return Err(AppendError::Full);
                }
            }
        }
        let id = self.next_id;
        let header = SegmentHeader {
            version: VERSION,
            reader: VERSION,
            id,
            salt: self.salt,
            created: now(),
            prev_id: self.previous.0,
            prev_end: self.previous.1,
            prev_torn: self.previous.2,
            good: self.good,
            next: self.next,
        };
        let name = segment_name(id);
        let made = self.disk.create(&name, len).and_then(|file| {
            // Used once even if it fails: a name that a crash brings back must not be given to another.
            self.next_id += 1;
            file.write_at(&header.encode(), 0).map(|()| file).inspect_err(|_| {
                let _ = self.disk.remove(&name);
            })
        });
        let file = match made {
            Ok(file) => file,
            Err(error) => return Err(self.fail(error)),
        };
        self.used += len;
        let (salt, end) = (Some(self.salt), DATA_START);
        let segment = Segment { id, salt, len, end, torn: len, first: self.next, next: self.next };
        self.active = Some(Active { segment, file, fresh: true });
        Ok(())
    }

    /// Writes as many of the records as the active segment has room for, and syncs. All of them or none.
    fn write(&mut self, records: &[Record]) -> Result<Vec<u64>, AppendError> {
        let Some(active) = &mut self.active else { return Err(AppendError::Closed) };
        let start = active.segment.end.next_multiple_of(SECTOR as u64);
        let mut at = start;
        let mut seqs = Vec::new();
        let mut next = self.next;
        self.buffer.clear();
        for record in records {
            let (Some(seq), len) = (next.get_mut(usize::from(record.kind)), record.stored_len()) else {
                return Err(AppendError::TooLarge);
            };
            if at + len as u64 > active.segment.len || len > MAX_RECORD {
                break;
            }
            let flags = if seqs.is_empty() { FIRST_OF_WRITE } else { 0 };
            let place = Place { segment: active.segment.id, offset: at, salt: self.salt, seq: *seq, flags };
            encode(record, &place, &mut self.buffer);
            seqs.push(*seq);
            *seq += 1;
            at += len as u64;
        }
        let mut written = active.file.write_at(&self.buffer, start);
        if self.options.fsync {
            written = written.and_then(|()| active.file.sync());
            if active.fresh {
                written = written.and_then(|()| self.disk.sync());
            }
        }
        if self.buffer.capacity() > 4 << 20 {
            self.buffer = Vec::new();
        }
        self.next = next;
        if let Err(error) = written {
            // What is on the disk now is anybody's guess, and a second sync would say that all is well: nothing
            // behind the last good end counts, and the numbers are not used again.
            for (kind, (good, next)) in self.good.into_iter().zip(self.next).enumerate() {
                self.cursors.iter_mut().for_each(|cursor| cursor.settle(kind, good, next));
            }
            self.seal();
            return Err(self.fail(error));
        }
        active.fresh = false;
        active.segment.end = at;
        for (record, seq) in records.iter().zip(&seqs) {
            active.segment.note(record.kind, *seq);
        }
        self.good = self.next;
        if self.failed.take().is_some() {
            tracing::info!(directory = %self.disk.path().display(), "writing to the buffer directory works again");
        }
        Ok(seqs)
    }

    fn fail(&mut self, error: io::Error) -> AppendError {
        let error = AppendError::from(error);
        if self.failed.is_none() {
            tracing::error!(directory = %self.disk.path().display(), %error, "what comes is not safe on disk until this is repaired");
        }
        self.failed = Some((Instant::now(), error.clone()));
        error
    }

    /// Ends the active segment where its last good record ends.
    fn seal(&mut self) {
        let Some(Active { mut segment, file, fresh }) = self.active.take() else { return };
        self.used -= segment.len;
        if (0..KINDS).all(|kind| !segment.holds(kind)) {
            // Where it cannot be removed, it holds nothing that counts.
            let _ = self.disk.remove(&segment_name(segment.id));
            if !fresh {
                let _ = self.disk.sync();
            }
            return;
        }
        let len = segment.end.next_multiple_of(SECTOR as u64);
        if len < segment.len && file.truncate(len).is_ok() {
            segment.len = len;
        }
        self.used += segment.len;
        self.previous = (segment.id, segment.end, segment.end);
        self.sealed.insert(segment.id, segment);
    }

    /// A destination is done with these records.
    pub(crate) fn settle(&mut self, destination: usize, kind: u8, seqs: Range<u64>) {
        let given_out = self.next.get(usize::from(kind)).copied().unwrap_or_default();
        if let Some(cursor) = self.cursors.get_mut(destination) {
            // A number that is still to be given out must never count as settled.
            cursor.settle(usize::from(kind), seqs.start, seqs.end.min(given_out));
        }
    }

    pub(crate) fn is_settled(&self, destination: usize, kind: u8, seq: u64) -> bool {
        let cursor = self.cursors.get(destination).filter(|cursor| !cursor.retired);
        cursor.and_then(|cursor| cursor.settled.get(usize::from(kind))).is_none_or(|set| set.contains(seq))
    }

    /// The destinations that have not settled a record.
    pub(crate) fn waiting(&self, kind: u8, seq: u64) -> impl Iterator<Item = usize> {
        (0..self.cursors.len()).filter(move |destination| !self.is_settled(*destination, kind, seq))
    }

    /// Puts what is settled into the cursor files, and removes segments that nobody needs.
    pub(crate) fn write_cursors(&mut self) {
        for cursor in self.cursors.iter_mut().filter(|cursor| !cursor.retired) {
            if let Err(error) = cursor.write(&*self.disk) {
                tracing::debug!(directory = %self.disk.path().display(), %error, "a position was not written");
            }
        }
        self.reclaim();
    }

    /// Whether a cursor file is newer than the disk.
    pub(crate) fn cursors_unsynced(&self) -> bool {
        self.cursors.iter().any(|cursor| !cursor.retired && (cursor.unwritten || cursor.unsynced))
    }

    /// Makes the cursors last.
    pub(crate) fn sync_cursors(&mut self) {
        self.write_cursors();
        for cursor in self.cursors.iter_mut().filter(|cursor| !cursor.retired) {
            if let Err(error) = cursor.sync(&*self.disk) {
                tracing::debug!(directory = %self.disk.path().display(), %error, "a position was not synced");
            }
        }
    }

    fn reclaim(&mut self) {
        let needless = |segment: &Segment| {
            (0..KINDS).filter_map(|kind| Some((kind, segment.range(kind)?))).all(|(kind, (first, next))| {
                self.cursors.iter().all(|cursor| cursor.retired || cursor.settled[kind].covers(first, next))
            })
        };
        let gone: Vec<u64> =
            self.sealed.values().filter(|segment| needless(segment)).map(|segment| segment.id).collect();
        for id in &gone {
            self.remove(*id);
        }
        if !gone.is_empty() {
            let _ = self.disk.sync();
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(segment) = self.sealed.remove(&id) else { return };
        match self.disk.remove(&segment_name(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(directory = %self.disk.path().display(), %error, "a segment was not removed");
                self.sealed.insert(id, segment);
            }
            _ => self.used -= segment.len,
        }
    }

    /// Gives up the oldest segment. Returns whether there was one.
    fn evict_oldest(&mut self, evicted: &mut Vec<Evicted>) -> bool {
        let Some(segment) = self.sealed.first_key_value().map(|(_, segment)| segment.clone()) else { return false };
        let mut inside = Vec::new();
        let walked = self.walk(&segment, DATA_START, |whole| {
            inside.push(whole.header);
            true
        });
        if walked.is_err() {
            // What cannot be counted is not given up.
            return false;
        }
        for destination in 0..self.cursors.len() {
            let waiting = inside.iter().filter(|header| !self.is_settled(destination, header.kind, header.seq));
            evicted.extend(waiting.map(|header| Evicted {
                destination,
                kind: header.kind,
                seq: header.seq,
                items: header.items,
                bytes: header.payload_len,
            }));
            for kind in 0..KINDS {
                if let Some((first, next)) = segment.range(kind) {
                    self.cursors[destination].settle(kind, first, next);
                }
            }
        }
        self.remove(segment.id);
        !self.sealed.contains_key(&segment.id)
    }

    /// What waits now, for each destination.
    pub(crate) fn backlogs(&self) -> io::Result<Vec<[Backlog; KINDS]>> {
        let mut backlogs = vec![[Backlog::default(); KINDS]; self.cursors.len()];
        let active = self.active.as_ref().map(|active| &active.segment);
        for segment in self.sealed.values().chain(active) {
            self.walk(segment, DATA_START, |whole| {
                for (cursor, backlog) in self.cursors.iter().zip(&mut backlogs) {
                    count(cursor, backlog, &whole.header);
                }
                true
            })?;
        }
        Ok(backlogs)
    }

    /// The number after the last good record of a kind.
    pub(crate) fn end(&self, kind: u8) -> u64 {
        self.good.get(usize::from(kind)).copied().unwrap_or_default()
    }

    /// The segments that may hold records of a kind from a number on, in order.
    pub(crate) fn segments_from(&self, kind: u8, seq: u64) -> impl Iterator<Item = &Segment> {
        let active = self.active.as_ref().map(|active| &active.segment);
        self.sealed
            .values()
            .chain(active)
            .filter(move |segment| segment.range(usize::from(kind)).is_some_and(|(_, next)| next > seq))
    }
}

/// No number that a cursor has seen is given out again.
pub(super) fn raise(next: &mut [u64; KINDS], cursor: &Cursor) {
    for (next, settled) in next.iter_mut().zip(&cursor.settled) {
        *next = settled.end().max(*next);
    }
}

/// What is not there cannot be waited for.
pub(super) fn forgo_missing(cursor: &mut Cursor, present: &[Vec<(u64, u64)>], opened: &[u64; KINDS]) {
    for (kind, (present, next)) in present.iter().zip(opened).enumerate() {
        let mut from = 0;
        for (start, end) in present.iter().copied().chain([(*next, *next)]) {
            cursor.settle(kind, from, start);
            from = end;
        }
    }
}

fn count(cursor: &Cursor, backlog: &mut [Backlog; KINDS], header: &RecordHeader) {
    let kind = usize::from(header.kind);
    if !cursor.retired && !cursor.settled[kind].contains(header.seq) {
        backlog[kind].records += 1;
        backlog[kind].items += u64::from(header.items);
        backlog[kind].bytes += u64::from(header.payload_len);
    }
}

fn cut(disk: &dyn Disk, id: u64, len: u64) -> io::Result<()> {
    disk.open(&segment_name(id))?.truncate(len)
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
