//! The bytes of a segment and of a record. All numbers are little-endian.
//!
//! A segment is a file of one sector of header and then records. A record starts at a multiple of [`ALIGN`], a write
//! at a multiple of [`SECTOR`], so that a sector torn by a power cut never holds anything that was acknowledged.
//! A record's header has a checksum of its own and says where it stands, in which segment and in which log: a
//! scanner that lost its way finds the next record, and what looks like one inside of a payload is not taken for it.
//!
//! | segment header | bytes | record header | bytes |
//! |---|---|---|---|
//! | magic | 0..8 | magic | 0..4 |
//! | version of the writer | 8..10 | version | 4 |
//! | oldest version that can read it | 10..12 | kind (the signal) | 5 |
//! | - | 12..16 | flags | 6..8 |
//! | number of the segment | 16..24 | sequence number within the kind | 8..16 |
//! | salt of the log | 24..32 | time, ns since 1970 | 16..24 |
//! | time of creation, ns since 1970 | 32..40 | salt of the log | 24..32 |
//! | the segment before, and where it ends | 40..56 | number of the segment | 32..40 |
//! | next sequence numbers after that end | 56..120 | items | 40..44 |
//! | next sequence numbers here | 120..184 | length of meta, of payload | 44..48, 48..52 |
//! | where the segment before is torn | 184..192 | CRC32C of meta and payload | 52..56 |
//! | - | 192..508 | | |
//! | CRC32C of the above | 508..512 | offset / 64; CRC32C of the above | 56..60, 60..64 |

use bytes::Bytes;

/// The version of the format that is written, and the newest that is read.
pub const VERSION: u16 = 1;

/// Kinds of records that one log can hold.
pub const KINDS: usize = 8;

/// Records start at multiples of this.
pub(crate) const ALIGN: usize = 64;

/// What a device writes whole or not at all; a write starts at a multiple.
pub(crate) const SECTOR: usize = 512;

/// Where the first record of a segment stands.
pub(crate) const DATA_START: u64 = SECTOR as u64;

/// No record is longer: a length above this is damage.
pub(crate) const MAX_RECORD: usize = 256 << 20;

/// The first record of a write.
pub(crate) const FIRST_OF_WRITE: u16 = 1;

/// Flags that a reader may not know and must not pass over.
const MUST_KNOW: u16 = 0xff00;

const SEGMENT_MAGIC: [u8; 8] = *b"CRTNLOG\n";
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"\xc0Rec");

/// What a log keeps of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The signal, below [`KINDS`]; sequence numbers count within it.
    pub kind: u8,
    /// Items that it stands for.
    pub items: u32,
    /// When it was received, in nanoseconds since 1970.
    pub time: u64,
    /// What is known of it besides its bytes, in the writer's own encoding.
    pub meta: Bytes,
    /// Its bytes, in parts that are written one behind the other. Read back, it is one part.
    pub payload: Vec<Bytes>,
}

impl Record {
    /// Bytes of the payload.
    pub fn payload_len(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }

    /// Bytes that it takes in a segment.
    pub(crate) fn stored_len(&self) -> usize {
        (ALIGN + self.meta.len() + self.payload_len()).next_multiple_of(ALIGN)
    }
}

/// The header of a record, as it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: u8,
    pub(crate) flags: u16,
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) salt: u64,
    pub(crate) items: u32,
    pub(crate) meta_len: u32,
    pub(crate) payload_len: u32,
    pub(crate) body_crc: u32,
}

impl RecordHeader {
    /// Bytes of header and body together, without what fills up to the next record.
    pub(crate) fn len(&self) -> usize {
        ALIGN + self.meta_len as usize + self.payload_len as usize
    }

    /// Where the next record may start, from the start of this one.
    pub(crate) fn stored_len(&self) -> u64 {
        self.len().next_multiple_of(ALIGN) as u64
    }

    /// Reads a header that stands at `offset` of segment `segment`. The salt is compared if it is known.
    pub(crate) fn parse(bytes: &[u8], segment: u64, offset: u64, salt: Option<u64>) -> Option<Self> {
        let bytes = bytes.get(..ALIGN)?;
        if u32_at(bytes, 0)? != RECORD_MAGIC || crc32c::crc32c(bytes.get(..60)?) != u32_at(bytes, 60)? {
            return None;
        }
        let header = Self {
            kind: *bytes.get(5)?,
            flags: u16_at(bytes, 6)?,
            seq: u64_at(bytes, 8)?,
            time: u64_at(bytes, 16)?,
            salt: u64_at(bytes, 24)?,
            items: u32_at(bytes, 40)?,
            meta_len: u32_at(bytes, 44)?,
            payload_len: u32_at(bytes, 48)?,
            body_crc: u32_at(bytes, 52)?,
        };
        let here = u64_at(bytes, 32)? == segment && u64::from(u32_at(bytes, 56)?) * ALIGN as u64 == offset;
        let ours = salt.is_none_or(|salt| salt == header.salt);
        let sane = usize::from(header.kind) < KINDS && header.flags & MUST_KNOW == 0 && header.len() <= MAX_RECORD;
        (here && ours && sane).then_some(header)
    }

    /// Whether these are the meta and payload that were written.
    pub(crate) fn matches(&self, body: &[u8]) -> bool {
        crc32c::crc32c(body) == self.body_crc
    }
}

/// Where a record is written.
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) salt: u64,
    pub(crate) seq: u64,
    pub(crate) flags: u16,
}

/// Appends a record to what is about to be written at its place.
pub(crate) fn encode(record: &Record, place: &Place, out: &mut Vec<u8>) {
    let start = out.len();
    let body_crc =
        record.payload.iter().fold(crc32c::crc32c(&record.meta), |crc, part| crc32c::crc32c_append(crc, part));
    out.extend_from_slice(&RECORD_MAGIC.to_le_bytes());
    out.push(VERSION as u8);
    out.push(record.kind);
    out.extend_from_slice(&place.flags.to_le_bytes());
    for number in [place.seq, record.time, place.salt, place.segment] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let position = u32::try_from(place.offset / ALIGN as u64).unwrap_or(u32::MAX);
    for number in [record.items, record.meta.len() as u32, record.payload_len() as u32, body_crc, position] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&record.meta);
    record.payload.iter().for_each(|part| out.extend_from_slice(part));
    out.resize(start + record.stored_len(), 0);
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u16,
    pub(crate) reader: u16,
    pub(crate) id: u64,
    pub(crate) salt: u64,
    pub(crate) created: u64,
    pub(crate) prev_id: u64,
    /// Whatever the segment before holds behind this was never acknowledged.
    pub(crate) prev_end: u64,
    /// The sequence numbers that follow what the segment before holds up to its end.
    pub(crate) good: [u64; KINDS],
    /// The sequence numbers that come next; those in between were given up.
    pub(crate) next: [u64; KINDS],
    /// From here to its end, the segment before holds what is left of a write that a crash cut short.
    pub(crate) prev_torn: u64,
}

/// What stands where a segment's header should.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Header(Box<SegmentHeader>),
    /// Only a newer program can read it.
    Newer {
        version: u16,
        reader: u16,
    },
    Damaged,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SECTOR] {
        let mut text = Vec::with_capacity(SECTOR);
        text.extend_from_slice(&SEGMENT_MAGIC);
        text.extend_from_slice(&self.version.to_le_bytes());
        text.extend_from_slice(&self.reader.to_le_bytes());
        text.extend_from_slice(&[0; 4]);
        let numbers = [self.id, self.salt, self.created, self.prev_id, self.prev_end];
        for number in numbers.iter().chain(&self.good).chain(&self.next).chain([&self.prev_torn]) {
            text.extend_from_slice(&number.to_le_bytes());
        }
        let mut bytes = [0; SECTOR];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = from;
        }
        let (body, crc) = bytes.split_at_mut(SECTOR - 4);
        crc.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        bytes
    }

    /// Reads a header. Its magic, its two versions and the place of its checksum are the same in every version.
    pub(crate) fn parse(bytes: &[u8]) -> Found {
        Self::read(bytes).unwrap_or(Found::Damaged)
    }

    fn read(bytes: &[u8]) -> Option<Found> {
        let bytes = bytes.get(..SECTOR)?;
        let whole = crc32c::crc32c(bytes.get(..SECTOR - 4)?) == u32_at(bytes, SECTOR - 4)?;
        if !whole || bytes.get(..8)? != SEGMENT_MAGIC {
            return None;
        }
        let (version, reader) = (u16_at(bytes, 8)?, u16_at(bytes, 10)?);
        if reader > VERSION {
            return Some(Found::Newer { version, reader });
        }
        let numbers = |from: usize| -> Option<[u64; KINDS]> {
            let mut numbers = [0; KINDS];
            for (place, number) in numbers.iter_mut().enumerate() {
                *number = u64_at(bytes, from + 8 * place)?;
            }
            Some(numbers)
        };
        Some(Found::Header(Box::new(Self {
            version,
            reader,
            id: u64_at(bytes, 16)?,
            salt: u64_at(bytes, 24)?,
            created: u64_at(bytes, 32)?,
            prev_id: u64_at(bytes, 40)?,
            prev_end: u64_at(bytes, 48)?,
            good: numbers(56)?,
            next: numbers(120)?,
            prev_torn: u64_at(bytes, 184)?,
        })))
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The name of a segment's file.
pub(crate) fn segment_name(id: u64) -> String {
    format!("{id:016x}.seg")
}

/// The segment that a file of this name is.
pub(crate) fn segment_id(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let payload = vec![Bytes::from_static(b"abc"), Bytes::from_static(b"defg")];
        Record { kind: 2, items: 7, time: 9, meta: Bytes::from_static(b"meta"), payload }
    }

    fn encoded(place: &Place) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&record(), place, &mut out);
        out
    }

    const PLACE: Place = Place { segment: 3, offset: 1024, salt: 77, seq: 5, flags: FIRST_OF_WRITE };

    #[test]
    fn a_record_reads_back_and_knows_its_place() {
        let bytes = encoded(&PLACE);
        assert_eq!(bytes.len(), 128);
        let header = RecordHeader::parse(&bytes, 3, 1024, Some(77)).unwrap();
        assert_eq!((header.kind, header.seq, header.items, header.len()), (2, 5, 7, 75));
        assert!(header.matches(&bytes[64..75]) && !header.matches(&bytes[64..74]));
        assert!(RecordHeader::parse(&bytes, 3, 1024, None).is_some());
        assert!(RecordHeader::parse(&bytes, 3, 1088, Some(77)).is_none(), "moved");
        assert!(RecordHeader::parse(&bytes, 4, 1024, Some(77)).is_none(), "of another segment");
        assert!(RecordHeader::parse(&bytes, 3, 1024, Some(78)).is_none(), "of another log");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = encoded(&PLACE);
        for bit in 0..75 * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let header = RecordHeader::parse(&damaged, 3, 1024, Some(77));
            assert!(header.is_none_or(|header| !header.matches(&damaged[64..75])), "bit {bit}");
        }
    }

    #[test]
    fn a_segment_header_says_who_can_read_it() {
        let header = SegmentHeader {
            version: VERSION,
            reader: VERSION,
            id: 4,
            salt: 77,
            created: 1,
            prev_id: 3,
            prev_end: 4096,
            good: [1, 2, 3, 4, 5, 6, 7, 8],
            next: [2, 3, 4, 5, 6, 7, 8, 9],
            prev_torn: 2048,
        };
        assert_eq!(SegmentHeader::parse(&header.encode()), Found::Header(Box::new(header)));
        let newer = SegmentHeader { version: VERSION + 1, ..header };
        assert_eq!(SegmentHeader::parse(&newer.encode()), Found::Header(Box::new(newer)), "it says that we can");
        let foreign = SegmentHeader { version: VERSION + 2, reader: VERSION + 1, ..header }.encode();
        assert_eq!(SegmentHeader::parse(&foreign), Found::Newer { version: VERSION + 2, reader: VERSION + 1 });
        let mut damaged = header.encode();
        damaged[200] ^= 1;
        assert_eq!(SegmentHeader::parse(&damaged), Found::Damaged);
        assert_eq!(SegmentHeader::parse(&[]), Found::Damaged);
        assert_eq!(segment_id(&segment_name(u64::MAX)), Some(u64::MAX));
        assert!(segment_id("x.seg").is_none() && segment_id("cursor").is_none());
    }
}
