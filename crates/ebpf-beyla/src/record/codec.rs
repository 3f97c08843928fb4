//! Records as bytes. The same layout stands in `bpf/record.h`; little-endian, no padding that is not named.
//!
//! ```text
//! head       length u32 (all of the record)  version u8  kind u8  flags u16  time u64  pid u32  tid u32  stream u64
//! open    1  family u8  role u8  local_port u16  remote_port u16  path_length u16  netns u32  0 u32
//!            local 16  remote 16  path                                        flags: 1 from start, 2 encrypted
//! data    2  offset u64  left u32  sequence u32  bytes                 flags: 1 receive, 2 call start, 4 turn, 8 tls
//! close   3  end u32  0 u32  sent u64  received u64
//! tls     4  connection u64
//! exec    5  parent u32  0 u32  started u64  comm 16 (zero-padded)  file
//! exit    6  status u32  0 u32
//! fork    7  parent u32  0 u32  started u64
//! listen  8  open u8  family u8  port u16  netns u32
//! lost    9  reason u32  0 u32  count u64
//! throttled 10  exchanges u64
//! ```

use std::fmt;

use super::{
    Close, Data, Direction, End, Event, Exec, Exit, Family, Fork, Head, Listen, Loss, Lost, Open, PIECE, Record, Role,
    Throttled, Tls,
};

const VERSION: u8 = 1;
const HEAD: usize = 32;
/// Longer records than this are not records.
const LONGEST: usize = 8192;
const COMM: usize = 16;
/// The longest name of a file.
const NAME: usize = 255;

/// Kinds, by number.
const OPEN: u8 = 1;
const DATA: u8 = 2;
const CLOSE: u8 = 3;
const TLS: u8 = 4;
const EXEC: u8 = 5;
const EXIT: u8 = 6;
const FORK: u8 = 7;
const LISTEN: u8 = 8;
const LOST: u8 = 9;
const THROTTLED: u8 = 10;

const FAMILIES: &[Family] = &[Family::V4, Family::V6, Family::Unix];
const ROLES: &[Role] = &[Role::Unknown, Role::Server, Role::Client];
const ENDS: &[End] = &[End::LocalFin, End::RemoteFin, End::Gone];
const LOSSES: &[Loss] =
    &[Loss::RingFull, Loss::NoState, Loss::Unreadable, Loss::Missed, Loss::Malformed, Loss::QueueFull];

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The record goes on behind the end of the slice; so many bytes it has in all, if that is known.
    Short(Option<usize>),
    /// The stated length fits no record of this kind.
    Length(usize),
    /// Written by another version of this code.
    Version(u8),
    /// No such kind.
    Kind(u8),
    /// A field has a value that means nothing.
    Value(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(Some(needed)) => write!(f, "the record has {needed} bytes, fewer are here"),
            Self::Short(None) => f.write_str("fewer bytes than a record's head"),
            Self::Length(length) => write!(f, "{length} bytes are not the length of such a record"),
            Self::Version(version) => write!(f, "version {version}; this is version {VERSION}"),
            Self::Kind(kind) => write!(f, "there is no record of kind {kind}"),
            Self::Value(field) => write!(f, "the field {field} has no such value"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads the record at the front of a slice, and says how many bytes it took. What follows may be anything.
///
/// # Errors
/// If there is no whole and meaningful record. After [`DecodeError::Short`] more bytes may help; after any other error
/// the rest of a stream cannot be trusted, while entries of a ring are independent of each other.
pub fn decode(bytes: &[u8]) -> Result<(Record<'_>, usize), DecodeError> {
    let mut reader = Reader(bytes);
    let length = reader.u32().ok_or(DecodeError::Short(None))? as usize;
    if !(HEAD..=LONGEST).contains(&length) {
        return Err(DecodeError::Length(length));
    }
    let whole = bytes.get(..length).ok_or(DecodeError::Short(Some(length)))?;
    let mut reader = Reader(&whole[4..]);
    decode_whole(&mut reader).unwrap_or(Err(DecodeError::Length(length))).map(|record| (record, length))
}

/// `None` if the record ends too early or too late.
fn decode_whole<'a>(reader: &mut Reader<'a>) -> Option<Result<Record<'a>, DecodeError>> {
    let (version, kind, flags) = (reader.u8()?, reader.u8()?, reader.u16()?);
    if version != VERSION {
        return Some(Err(DecodeError::Version(version)));
    }
    let head = Head { time: reader.u64()?, pid: reader.u32()?, tid: reader.u32()?, stream: reader.u64()? };
    let event = match kind {
        OPEN => open(reader, flags)?,
        DATA => data(reader, flags)?,
        CLOSE => {
            let end = value(ENDS, reader.u32()?, "end");
            reader.zero()?;
            let (sent, received) = (reader.u64()?, reader.u64()?);
            end.map(|end| Event::Close(Close { end, sent, received }))
        }
        TLS => Ok(Event::Tls(Tls { connection: reader.u64()? })),
        EXEC => {
            let parent = reader.u32()?;
            reader.zero()?;
            let started = reader.u64()?;
            let comm = reader.take(COMM)?;
            let comm = &comm[..comm.iter().position(|byte| *byte == 0).unwrap_or(COMM)];
            let file = reader.rest();
            if file.len() > NAME {
                return None;
            }
            Ok(Event::Exec(Exec { parent, started, comm, file }))
        }
        EXIT => {
            let status = reader.u32()?;
            reader.zero()?;
            Ok(Event::Exit(Exit { status }))
        }
        FORK => {
            let parent = reader.u32()?;
            reader.zero()?;
            Ok(Event::Fork(Fork { parent, started: reader.u64()? }))
        }
        LISTEN => {
            let open = reader.u8()? != 0;
            let family = value(FAMILIES, u32::from(reader.u8()?), "family");
            let (port, netns) = (reader.u16()?, reader.u32()?);
            family.map(|family| Event::Listen(Listen { open, family, port, netns }))
        }
        LOST => {
            let reason = value(LOSSES, reader.u32()?, "reason");
            reader.zero()?;
            let count = reader.u64()?;
            reason.map(|reason| Event::Lost(Lost { reason, count }))
        }
        THROTTLED => Ok(Event::Throttled(Throttled { exchanges: reader.u64()? })),
        kind => return Some(Err(DecodeError::Kind(kind))),
    };
    reader.0.is_empty().then(|| event.map(|event| Record { head, event }))
}

fn open<'a>(reader: &mut Reader<'a>, flags: u16) -> Option<Result<Event<'a>, DecodeError>> {
    let family = value(FAMILIES, u32::from(reader.u8()?), "family");
    let role = value(ROLES, u32::from(reader.u8()?), "role");
    let (local_port, remote_port, path_length) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let netns = reader.u32()?;
    reader.zero()?;
    let (local, remote) = (reader.address()?, reader.address()?);
    let path = reader.take(usize::from(path_length)).filter(|path| path.len() <= NAME)?;
    let (from_start, encrypted) = (flags & 1 != 0, flags & 2 != 0);
    Some(family.and_then(|family| {
        let role = role?;
        Ok(Event::Open(Open {
            family,
            role,
            from_start,
            encrypted,
            local,
            remote,
            local_port,
            remote_port,
            netns,
            path,
        }))
    }))
}

fn data<'a>(reader: &mut Reader<'a>, flags: u16) -> Option<Result<Event<'a>, DecodeError>> {
    let (offset, left, sequence) = (reader.u64()?, reader.u32()?, reader.u32()?);
    let bytes = reader.rest();
    if bytes.len() > PIECE || bytes.len() > left as usize {
        return None;
    }
    if offset.checked_add(u64::from(left)).is_none() {
        return Some(Err(DecodeError::Value("offset")));
    }
    let direction = if flags & 1 != 0 { Direction::Receive } else { Direction::Send };
    let (call_start, turn, tls) = (flags & 2 != 0, flags & 4 != 0, flags & 8 != 0);
    Some(Ok(Event::Data(Data { direction, call_start, turn, tls, offset, left, sequence, bytes })))
}

fn value<T: Copy>(values: &[T], number: u32, field: &'static str) -> Result<T, DecodeError> {
    values.get(number as usize).copied().ok_or(DecodeError::Value(field))
}

/// The number of a value: its place in the list that `value` reads it from.
fn number<T: PartialEq>(values: &[T], value: &T) -> u8 {
    values.iter().position(|known| known == value).and_then(|place| u8::try_from(place).ok()).unwrap_or_default()
}

impl Record<'_> {
    /// Appends the record. What is too long for a record is cut: `bytes` at [`PIECE`], a path at 255 bytes, a file's
    /// name at 255, a short name at 16.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; 4]);
        let (kind, flags) = self.event.kind_and_flags();
        out.extend([VERSION, kind]);
        out.extend(flags.to_le_bytes());
        out.extend(self.head.time.to_le_bytes());
        out.extend(self.head.pid.to_le_bytes());
        out.extend(self.head.tid.to_le_bytes());
        out.extend(self.head.stream.to_le_bytes());
        self.event.encode_body(out);
        let length = u32::try_from(out.len() - start).unwrap_or_default();
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

impl Event<'_> {
    fn kind_and_flags(&self) -> (u8, u16) {
        match self {
            Self::Open(open) => (OPEN, u16::from(open.from_start) | u16::from(open.encrypted) << 1),
            Self::Data(data) => {
                let receive = u16::from(data.direction == Direction::Receive);
                let (call_start, turn, tls) = (u16::from(data.call_start), u16::from(data.turn), u16::from(data.tls));
                (DATA, receive | call_start << 1 | turn << 2 | tls << 3)
            }
            Self::Close(_) => (CLOSE, 0),
            Self::Tls(_) => (TLS, 0),
            Self::Exec(_) => (EXEC, 0),
            Self::Exit(_) => (EXIT, 0),
            Self::Fork(_) => (FORK, 0),
            Self::Listen(_) => (LISTEN, 0),
            Self::Lost(_) => (LOST, 0),
            Self::Throttled(_) => (THROTTLED, 0),
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Open(open) => {
                let path = cut(open.path, NAME);
                out.extend([number(FAMILIES, &open.family), number(ROLES, &open.role)]);
                out.extend(open.local_port.to_le_bytes());
                out.extend(open.remote_port.to_le_bytes());
                out.extend([u8::try_from(path.len()).unwrap_or_default(), 0]);
                out.extend(open.netns.to_le_bytes());
                out.extend([0; 4]);
                out.extend(open.local);
                out.extend(open.remote);
                out.extend(path);
            }
            Self::Data(data) => {
                out.extend(data.offset.to_le_bytes());
                out.extend(data.left.to_le_bytes());
                out.extend(data.sequence.to_le_bytes());
                out.extend(cut(data.bytes, PIECE.min(data.left as usize)));
            }
            Self::Close(close) => {
                out.extend(u32::from(number(ENDS, &close.end)).to_le_bytes());
                out.extend([0; 4]);
                out.extend(close.sent.to_le_bytes());
                out.extend(close.received.to_le_bytes());
            }
            Self::Tls(tls) => out.extend(tls.connection.to_le_bytes()),
            Self::Exec(exec) => {
                let mut comm = [0; COMM];
                let name = cut(exec.comm, COMM);
                comm[..name.len()].copy_from_slice(name);
                out.extend(exec.parent.to_le_bytes());
                out.extend([0; 4]);
                out.extend(exec.started.to_le_bytes());
                out.extend(comm);
                out.extend(cut(exec.file, NAME));
            }
            Self::Exit(exit) => {
                out.extend(exit.status.to_le_bytes());
                out.extend([0; 4]);
            }
            Self::Fork(fork) => {
                out.extend(fork.parent.to_le_bytes());
                out.extend([0; 4]);
                out.extend(fork.started.to_le_bytes());
            }
            Self::Listen(listen) => {
                out.extend([u8::from(listen.open), number(FAMILIES, &listen.family)]);
                out.extend(listen.port.to_le_bytes());
                out.extend(listen.netns.to_le_bytes());
            }
            Self::Lost(lost) => {
                out.extend(u32::from(number(LOSSES, &lost.reason)).to_le_bytes());
                out.extend([0; 4]);
                out.extend(lost.count.to_le_bytes());
            }
            Self::Throttled(throttled) => out.extend(throttled.exchanges.to_le_bytes()),
        }
    }
}

fn cut(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// Takes fields from the front; `None` where the record ends.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn address(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    /// A field that keeps others aligned; what is in it means nothing.
    fn zero(&mut self) -> Option<()> {
        self.take(4).map(drop)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
