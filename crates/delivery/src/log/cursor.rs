//! How far a destination is, in a file of its own.
//!
//! The file has three slots, each with a generation and a checksum. A new state goes to a slot that holds neither
//! the last that was synced nor the last that was written: whatever a power cut or a kill does to the one being
//! written, an older state remains, and an older state only means that some records are delivered again.

use std::io;

use super::disk::{Disk, DiskFile};
use super::format::{KINDS, VERSION, u16_at, u32_at, u64_at};
use super::ranges::Ranges;

const MAGIC: [u8; 8] = *b"CRTNCUR\n";
const HEAD: usize = 24;
const SLOT: usize = 16 << 10;
const SLOTS: usize = 3;

pub(crate) struct Cursor {
    pub(super) file_name: String,
    file: Option<Box<dyn DiskFile>>,
    pub(crate) settled: [Ranges; KINDS],
    generation: u64,
    latest: Option<usize>,
    synced: Option<usize>,
    /// The file's name may not be on the disk yet.
    nameless: bool,
    /// What is settled is not in the file yet.
    pub(crate) unwritten: bool,
    /// What is in the file may not be on the disk yet.
    pub(crate) unsynced: bool,
    /// Nothing is kept for it any more. Its place stays, since others are known by theirs.
    pub(crate) retired: bool,
}

/// Why a cursor was not read.
pub(crate) enum CursorError {
    /// Only a newer program can read it.
    Newer {
        version: u16,
    },
    Io(io::Error),
}

/// What the names of cursors' files begin with.
pub(crate) const PREFIX: &str = "cursor-";

/// The file of a destination's cursor.
pub(crate) fn file_name(destination: &str) -> String {
    format!("{PREFIX}{destination}")
}

/// What a cursor file says, and its slot; `None` if nothing of it can be read. The flag says that there was something.
pub(crate) type Loaded = (Option<(usize, u64, [Ranges; KINDS])>, bool);

/// Reads the newest whole slot.
pub(crate) fn load(file: &dyn DiskFile) -> Result<Loaded, CursorError> {
    let mut bytes = vec![0; SLOT * SLOTS];
    let mut something = false;
    let mut best: Option<(usize, u64, [Ranges; KINDS])> = None;
    for (slot, bytes) in bytes.chunks_mut(SLOT).enumerate() {
        match file.read_at(bytes, (slot * SLOT) as u64) {
            Ok(_) => {}
            // A bad sector costs the slot.
            Err(_) => something = true,
        }
        something |= bytes.iter().any(|byte| *byte != 0);
        match parse(bytes) {
            Some(Err(version)) => return Err(CursorError::Newer { version }),
            Some(Ok((generation, settled))) if best.as_ref().is_none_or(|(_, newest, _)| *newest < generation) => {
                best = Some((slot, generation, settled));
            }
            _ => {}
        }
    }
    Ok((best, something))
}

fn parse(bytes: &[u8]) -> Option<Result<(u64, [Ranges; KINDS]), u16>> {
    if bytes.get(..8)? != MAGIC {
        return None;
    }
    let end = HEAD + u32_at(bytes, 12)? as usize;
    if crc32c::crc32c(bytes.get(..end)?) != u32_at(bytes, end)? {
        return None;
    }
    if u16_at(bytes, 10)? > VERSION {
        return Some(Err(u16_at(bytes, 8)?));
    }
    let mut body = bytes.get(HEAD..end)?;
    let mut settled: [Ranges; KINDS] = Default::default();
    for set in &mut settled {
        *set = Ranges::below(varint(&mut body)?);
        let count = varint(&mut body)?;
        let mut at = set.floor();
        for _ in 0..count {
            let start = at.checked_add(varint(&mut body)?)?;
            at = start.checked_add(varint(&mut body)?)?;
            set.insert(start, at);
        }
    }
    Some(Ok((u64_at(bytes, 16)?, settled)))
}

fn encode(generation: u64, settled: &[Ranges; KINDS]) -> Vec<u8> {
    let mut body = Vec::new();
    // Ranges that find no room are forgotten, the highest first: those records are delivered again.
    let room = (SLOT - HEAD - 4) / KINDS - 40;
    for set in settled {
        let mut ranges = Vec::new();
        let (mut at, mut count) = (set.floor(), 0);
        for (start, end) in set.above() {
            if ranges.len() > room {
                break;
            }
            put_varint(&mut ranges, start - at);
            put_varint(&mut ranges, end - start);
            (at, count) = (end, count + 1);
        }
        put_varint(&mut body, set.floor());
        put_varint(&mut body, count);
        body.append(&mut ranges);
    }
    let mut slot = Vec::with_capacity(HEAD + body.len() + 4);
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&VERSION.to_le_bytes());
    slot.extend_from_slice(&VERSION.to_le_bytes());
    slot.extend_from_slice(&(body.len() as u32).to_le_bytes());
    slot.extend_from_slice(&generation.to_le_bytes());
    slot.append(&mut body);
    let crc = crc32c::crc32c(&slot);
    slot.extend_from_slice(&crc.to_le_bytes());
    slot
}

impl Cursor {
    /// Opens or makes a destination's cursor. The flag says that one was there and nothing of it could be read.
    pub(crate) fn open(disk: &dyn Disk, destination: &str) -> Result<(Self, bool), CursorError> {
        let file_name = file_name(destination);
        let mut cursor = Self {
            file_name,
            file: None,
            settled: Default::default(),
            generation: 0,
            latest: None,
            synced: None,
            nameless: false,
            unwritten: false,
            unsynced: false,
            retired: false,
        };
        let file = match disk.open(&cursor.file_name) {
            Ok(file) => file,
            // Made when there is something to say, so that a full disk is no reason not to start.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((cursor, false)),
            Err(error) => return Err(CursorError::Io(error)),
        };
        let (loaded, something) = load(&*file)?;
        let lost = loaded.is_none() && something;
        if let Some((slot, generation, settled)) = loaded {
            cursor.latest = Some(slot);
            (cursor.generation, cursor.settled) = (generation, settled);
            // It may have been written by a process that was killed, and not be on the disk yet.
            cursor.synced = file.sync().is_ok().then_some(slot);
        }
        cursor.file = Some(file);
        Ok((cursor, lost))
    }

    /// Whether it has a file, which is how the next life knows that it was there.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some() && !self.nameless
    }

    pub(crate) fn settle(&mut self, kind: usize, start: u64, end: u64) {
        if let Some(set) = self.settled.get_mut(kind) {
            self.unwritten |= set.insert(start, end);
        }
    }

    /// Puts what is settled into the file. A process that is killed after this has it.
    pub(crate) fn write(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if !self.unwritten {
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                self.nameless = true;
                disk.create(&self.file_name, (SLOT * SLOTS) as u64)?
            }
        };
        let file = self.file.insert(file);
        let free = (0..SLOTS).find(|slot| Some(*slot) != self.latest && Some(*slot) != self.synced).unwrap_or(0);
        file.write_at(&encode(self.generation + 1, &self.settled), (free * SLOT) as u64)?;
        self.generation += 1;
        self.latest = Some(free);
        (self.unwritten, self.unsynced) = (false, true);
        // The first state lasts at once, so that there is always one.
        if self.nameless { self.sync(disk) } else { Ok(()) }
    }

    /// Puts what is in the file on the disk. A power cut after this leaves it.
    pub(crate) fn sync(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if let (true, Some(file)) = (self.unsynced, &self.file) {
            if let Err(error) = file.sync() {
                // What is in the file may never get to the disk, whatever a second sync says: write it anew.
                self.unwritten = true;
                return Err(error);
            }
            if self.nameless {
                disk.sync()?;
                self.nameless = false;
            }
            self.synced = self.latest;
            self.unsynced = false;
        }
        Ok(())
    }
}

/// Reads a base-128 number off the front.
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(first & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_state_reads_back(floor in any::<u64>(), ranges in prop::collection::vec((0u64..1000, 1u64..1000), 0..200)) {
            let mut settled: [Ranges; KINDS] = Default::default();
            settled[0] = Ranges::below(floor);
            for (place, (start, len)) in ranges.iter().enumerate() {
                settled[place % KINDS].insert(start * 7, start * 7 + len);
            }
            let slot = encode(9, &settled);
            prop_assert_eq!(parse(&slot), Some(Ok((9, settled))));
        }

        #[test]
        fn nothing_that_is_not_one_is_read(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(parse(&bytes), None);
            if let Some(start) = bytes.get_mut(..8) {
                start.copy_from_slice(&MAGIC);
            }
            prop_assert_eq!(parse(&bytes), None);
        }
    }

    #[test]
    fn what_finds_no_room_is_left_for_another_delivery() {
        let mut settled: [Ranges; KINDS] = Default::default();
        for number in 0..100_000 {
            settled[2].insert(number * 1000 + 1, number * 1000 + 2);
        }
        let slot = encode(1, &settled);
        assert!(slot.len() <= SLOT);
        let Some(Ok((1, read))) = parse(&slot) else { panic!("unreadable") };
        assert!(read[2].contains(1) && read[2].above().len() > 100);
        assert!(read[2].above().all(|(start, _)| settled[2].contains(start)));
    }
}
