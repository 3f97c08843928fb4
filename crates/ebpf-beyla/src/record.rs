//! The record stream: what *capture* says and *interpret* reads, and nothing else passes between them.
//!
//! A stream is a sequence of records, each of which carries its own length. The kernel writes them into a ring buffer
//! one by one; the pump puts in what only user space knows ([`Lost`], [`Throttled`]). The bytes are the same in the
//! ring, in a file, or between two processes of one machine: [`decode`] reads one record from the front of a slice,
//! [`Record::encode`] appends one to a vector. All numbers are little-endian. Nothing in a record is trusted: `decode`
//! answers an error for whatever does not fit, and never reads past the length that the record states.
//!
//! # What a record means
//!
//! Every record has [`Head`]: the time since boot (`CLOCK_BOOTTIME`, nanoseconds: the clock of `/proc/PID/stat`'s start
//! times and of profiles), the process and thread in whose context it was made (numbers of the initial pid namespace),
//! and the *stream* that it is about.
//!
//! A **stream** is one byte stream in two directions, most often a TCP connection. Its number is unique for as long as
//! the machine runs (more exactly: for 52 days). These records make its life:
//!
//! - [`Open`], once, before its first [`Data`]: addresses, role, whether we have seen it from its birth. A connection
//!   that no chosen process uses makes no record. `time` and `pid` are those of the first call, not of the handshake.
//! - [`Data`]: bytes that a call sent or received, *or* the fact that it did so.
//! - [`Tls`], at most a few times: this stream is the plaintext inside another one. See below.
//! - [`Close`]: one or two of them: a first one when either side has said that it sends no more, a last one (`Gone`)
//!   after which the number does not come back. Unix sockets have none, and any record can be lost: idle streams have
//!   to be forgotten by age.
//!
//! ## Data: offsets, calls and pieces
//!
//! `offset` counts the bytes of one direction of the stream. It starts at 0 where we began to look: at the birth of
//! the connection if [`Open::from_start`], else at the first call we saw. It is the position of the first byte of this
//! piece, whether or not anything before it was captured.
//!
//! One call (`send`, `writev`, `recv`, …) makes one record or several, its *pieces*, in order: `call_start` is set on
//! the first. `left` is the number of bytes from `offset` to the end of the call, so that the bytes
//! `offset .. offset + left` are accounted for by this call, and the first `bytes.len()` of them are here. A piece is
//! at most [`PIECE`] bytes long. When `bytes` is shorter than `left`, either the next piece of the same call goes on
//! where this one ends, or the rest was left out on purpose (it is beyond the limit of a head, or could not be read:
//! sendfile, io_uring). Calls whose bytes nobody asked for make no record at all.
//!
//! So a reader keeps one number for each direction, the offset it expects next, and three things can happen:
//!
//! - `offset == expected`: nothing is missing.
//! - `offset > expected`: the bytes between were sent or received and are not here. They are a body that was skipped
//!   as asked (see [`Verdict`]), a body sent by sendfile, or records that were [`Lost`]. What was being parsed ends in
//!   the unknown, unless its length is known by other means (Content-Length, a frame's length).
//! - `offset < expected`: a send that took fewer bytes than it was offered is repeated for the rest. The newer record
//!   is right, also about `left`.
//!
//! Sends are seen *before* the kernel takes the bytes (hook set `Trampoline`; `left` is what was offered) or after
//! (the others; `left` is what was taken). A send that fails wholly is followed by another at the same offset.
//! Receives are always seen after; `left` is what the application got. Peeking makes no record.
//!
//! `time` of a send is when it began; `time` of a receive is when it returned. With the sets that see sends after the
//! fact it is taken when the call ends.
//!
//! `turn` is set on the first call in one direction after calls in the other one (and on the first call of the stream):
//! in half-duplex protocols a new message begins here. The kernel captures up to the head limit (8 KiB) from there, and
//! from later calls in the same direction the first [`MORE`] bytes each, unless the stream has [`Mode::Frames`], where
//! it captures up to the head limit of each call.
//!
//! `sequence` is the TCP sequence number of the first byte (0 where there is none): both ends of a connection on one
//! machine carry the same one, whatever their addresses look like from either side (proxies, network namespaces).
//!
//! ## TLS
//!
//! Where OpenSSL is observed, the plaintext has a stream of its own: `Data` with [`Data::tls`] set and a stream number
//! that had no `Open`. Its offsets count plaintext. A [`Tls`] record joins it to the connection that carries it; it
//! comes after the first bytes where the library works on memory buffers (asyncio, Node), and before them otherwise.
//! The connection itself has its `Open`, with [`Open::encrypted`] set as soon as its first bytes are a TLS handshake,
//! and no `Data` from then on (unless the kernel itself does the encryption: then its
//! `Data` has `tls` set and offsets that count plaintext). If nothing carries the plaintext any more (no `Tls` comes), what was parsed is still
//! right, without addresses.
//!
//! ## Processes
//!
//! [`Exec`], [`Exit`] and [`Fork`] come for every process of the machine, [`Listen`] for every TCP port that begins or
//! ends to be listened on. `Exit` is of a whole process, not of a thread.
//!
//! ## Loss
//!
//! [`Lost`] counts records that could not be written, by reason, since the last such record. [`Throttled`] counts the
//! exchanges that were left out on purpose because their process exceeded its budget. An exchange that is
//! left out is left out from its first byte to the last, in both directions: its `Data` is missing, offsets jump, and
//! the next exchange on the connection begins with `turn`.

mod codec;
#[cfg(test)]
mod tests;

pub use codec::{DecodeError, decode};

/// The most bytes one `Data` record carries.
pub const PIECE: usize = 4096;
/// The most bytes that are captured of one message from its `turn` on, and of each call in [`Mode::Frames`].
pub const HEAD: usize = 8192;
/// The most bytes that are captured of a later call in the same direction.
pub const MORE: usize = 256;

/// What all records begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Nanoseconds since boot, suspended time included.
    pub time: u64,
    /// Process (thread group) in the initial pid namespace; 0 where the record is about none.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// The stream; 0 for records that are about none.
    pub stream: u64,
}

/// One record: where it belongs, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// When, who, which stream.
    pub head: Head,
    /// What happened.
    pub event: Event<'a>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stream is seen for the first time.
    Open(Open<'a>),
    /// Bytes went one way.
    Data(Data<'a>),
    /// A stream ends.
    Close(Close),
    /// A plaintext stream is carried by a connection.
    Tls(Tls),
    /// A process runs another program.
    Exec(Exec<'a>),
    /// A process has ended.
    Exit(Exit),
    /// A process was made.
    Fork(Fork),
    /// A port is listened on, or no more.
    Listen(Listen),
    /// Records are missing.
    Lost(Lost),
    /// Exchanges were left out on purpose.
    Throttled(Throttled),
}

/// Which side of a connection the observed process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Role {
    /// Joined midway, and nobody listens on its port: the first request or response tells.
    #[default]
    Unknown,
    /// It accepted: requests are what it receives.
    Server,
    /// It connected: requests are what it sends.
    Client,
}

/// What kind of socket carries a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Family {
    /// TCP over IPv4.
    #[default]
    V4,
    /// TCP over IPv6 (IPv4-mapped addresses included, as the process sees them).
    V6,
    /// A Unix stream socket; there are no ports, addresses are zero.
    Unix,
}

/// A stream is seen for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Open<'a> {
    /// What carries it.
    pub family: Family,
    /// Which side the process is.
    pub role: Role,
    /// Offsets count from the birth of the connection; else from the first call we saw.
    pub from_start: bool,
    /// Its first bytes were a TLS handshake or record: there is no `Data` with this stream number.
    pub encrypted: bool,
    /// Address of the process's side; IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// Address of the other side.
    pub remote: [u8; 16],
    /// Port of the process's side.
    pub local_port: u16,
    /// Port of the other side.
    pub remote_port: u16,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Where a Unix socket is bound, on the server's side of it; else empty. An abstract name begins with a zero byte.
    pub path: &'a [u8],
}

/// Which way bytes went, as the observed process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Direction {
    /// It sent them.
    #[default]
    Send,
    /// It received them.
    Receive,
}

/// Bytes went one way. The module's page says how pieces, calls and offsets fit together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Data<'a> {
    /// Which way.
    pub direction: Direction,
    /// The first piece of its call.
    pub call_start: bool,
    /// The first call after calls in the other direction.
    pub turn: bool,
    /// Plaintext out of a TLS library.
    pub tls: bool,
    /// Position of the first byte in this direction of the stream.
    pub offset: u64,
    /// Bytes from `offset` to the end of the call, captured or not.
    pub left: u32,
    /// TCP sequence number of the first byte; 0 where there is none.
    pub sequence: u32,
    /// What was captured, at most [`PIECE`] bytes.
    pub bytes: &'a [u8],
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum End {
    /// The observed side sends no more; it may still receive.
    LocalFin,
    /// The other side sends no more.
    RemoteFin,
    /// It is over; the stream's number does not come again.
    #[default]
    Gone,
}

/// A stream ends, in one direction or both. Its `pid` and `tid` may be those of a bystander.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Close {
    /// How.
    pub end: End,
    /// Offset behind the last byte sent, as far as it is known.
    pub sent: u64,
    /// Offset behind the last byte received.
    pub received: u64,
}

/// The head's stream is plaintext that this connection carries. A later record for the same stream replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tls {
    /// Stream number of the connection.
    pub connection: u64,
}

/// A process runs another program from now on. The head's `pid` is that process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exec<'a> {
    /// Process that made it.
    pub parent: u32,
    /// When the process (not the program) began, since boot.
    pub started: u64,
    /// The kernel's short name, without zeros.
    pub comm: &'a [u8],
    /// The file as it was named in the call; may be relative, may be cut at 255 bytes.
    pub file: &'a [u8],
}

/// A process has ended: its last thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exit {
    /// As `wait` reports it.
    pub status: u32,
}

/// A process was made. The head's `pid` is the new one; it runs its parent's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fork {
    /// Process that made it.
    pub parent: u32,
    /// When it began, since boot.
    pub started: u64,
}

/// A TCP port of the head's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listen {
    /// Listened on from now on, or no more (then `pid` may be a bystander).
    pub open: bool,
    /// V4 or V6.
    pub family: Family,
    /// The port; 0 while the kernel has not chosen one.
    pub port: u16,
    /// Inode number of the network namespace.
    pub netns: u32,
}

/// Why a record is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Loss {
    /// The ring was full: user space did not keep up.
    #[default]
    RingFull,
    /// The kernel had no memory, or no free place, for the state of a stream.
    NoState,
    /// The bytes could not be read (paged out, or gone); the record came without them.
    Unreadable,
    /// A hook was interrupted by the same one on that processor, for another thread; what it had noted was gone. (Where
    /// the kernel itself skips the second one, nobody counts it.)
    Missed,
    /// A record came that could not be decoded.
    Malformed,
    /// The interpreter's queue was full.
    QueueFull,
}

/// Records are missing. Of the machine as a whole: which stream it hit shows in the offsets of its next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Why.
    pub reason: Loss,
    /// How many since the last record with this reason.
    pub count: u64,
}

/// What budgets of processes left out since the last such record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttled {
    /// Exchanges, a request with its response each.
    pub exchanges: u64,
}

/// How the kernel goes on with a stream: the way back, from *interpret* to *capture*.
///
/// It takes effect some milliseconds after it was given, and only saves work: whoever interprets has to be right
/// without it. To give none is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Which stream.
    pub stream: u64,
    /// What to capture from now on.
    pub mode: Mode,
    /// Bytes below this offset need not be captured, for sends and for receives.
    pub skip: [u64; 2],
}

/// What is captured of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Mode {
    /// Heads after each turn, and a little of what follows. What every stream begins with.
    #[default]
    Messages,
    /// Up to the head limit of every call: framed protocols that have no turns. Streams that begin with the HTTP/2
    /// preface have it from their first byte.
    Frames,
    /// Nothing more, not even that bytes went.
    Nothing,
}
