//! Decoding under a limit.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};

use super::Encoding;
use super::inflate::{KEPT_BYTES, Kept, Wrapper};

/// How much a buffer grows at least before the caller is asked again.
const STEP: usize = 64 << 10;

/// The first bytes of snappy's framing format.
const SNAPPY_FRAMED: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";

/// Asked with the size so far before a buffer grows beyond it: `false` ends the decoding.
pub type Admit<'a> = &'a mut dyn FnMut(usize) -> bool;

/// A body could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It grows beyond the limit.
    #[error("the decompressed body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The caller does not want more.
    #[error("there is no room for the decompressed body")]
    NotAdmitted,
    /// It is broken.
    #[error("the body is not valid {encoding}: {why}")]
    Broken {
        /// The encoding's name.
        encoding: &'static str,
        /// Why, as the library says.
        why: String,
    },
}

/// Decodes a body that came in parts; the parts are let go as they are read.
///
/// `limit` is the largest result. `admit` is asked with the total size before the result grows to it.
///
/// # Errors
/// See [`DecodeError`]; a body that is cut short is broken.
pub fn decode(
    encoding: Encoding,
    parts: impl IntoIterator<Item = Bytes>,
    limit: usize,
    admit: Admit<'_>,
) -> Result<Vec<u8>, DecodeError> {
    decode_with(encoding, parts, limit, admit, |body, _| body.into_owned())
}

/// The same, for who copies the body elsewhere anyway: `take` gets it where it lies, and for gzip how many members it
/// came in (0 for other encodings).
///
/// # Errors
/// As [`decode`].
pub fn decode_with<T>(
    encoding: Encoding,
    parts: impl IntoIterator<Item = Bytes>,
    limit: usize,
    admit: Admit<'_>,
    take: impl FnOnce(Cow<'_, [u8]>, usize) -> T,
) -> Result<T, DecodeError> {
    let mut input = Parts(parts.into_iter().filter(|part| !part.is_empty()).collect());
    if input.is_empty() && encoding != Encoding::Identity {
        // Senders exist that name an encoding and send nothing.
        return Ok(take(Cow::Borrowed(&[]), 0));
    }
    let mut kept = Kept::take();
    let mut members = 0;
    if encoding == Encoding::Gzip {
        let whole = input.concat();
        if let Some(drained) = kept.gunzip(&whole, limit, admit) {
            return hand_over(kept, drained, |body| take(body, 1));
        }
        input = Parts(VecDeque::from([whole]));
    }
    let sink = Sink { limit, admit, encoding, scratch: std::mem::take(&mut kept.scratch) };
    let drained = match encoding {
        Encoding::Identity => sink.drain(input),
        Encoding::Gzip | Encoding::Zlib | Encoding::Deflate => {
            let wrapper = if encoding == Encoding::Gzip { Wrapper::Gzip } else { Wrapper::Zlib };
            let mut inflate = kept.inflate(wrapper, input);
            let drained = sink.drain(&mut inflate);
            members = inflate.members();
            kept.keep_inflate(inflate);
            drained
        }
        Encoding::Zstd => match kept.zstd(input, |reader| sink.drain(reader)) {
            Ok(drained) => drained,
            Err(error) => Err(broken(encoding, &error)),
        },
        Encoding::Snappy if !input.starts_with(&SNAPPY_FRAMED) => {
            return snappy_block(input, sink).map(|body| take(Cow::Owned(body), 0));
        }
        Encoding::Snappy | Encoding::SnappyFramed => sink.drain(snap::read::FrameDecoder::new(input)),
        Encoding::Lz4 => {
            let input = Noticed { parts: input, wanted_more: false };
            sink.drain(Lz4(lz4_flex::frame::FrameDecoder::new(input)))
        }
    };
    hand_over(kept, drained, |body| take(body, members))
}

/// A body in a buffer that may be a thread's scratch.
pub(super) struct Drained {
    pub(super) buffer: Vec<u8>,
    pub(super) len: usize,
}

/// Shows the body to who wants it, and puts the thread's things where they were.
fn hand_over<T>(
    mut kept: Kept,
    drained: Result<Drained, DecodeError>,
    take: impl FnOnce(Cow<'_, [u8]>) -> T,
) -> Result<T, DecodeError> {
    let taken = drained.map(|Drained { mut buffer, len }| {
        if buffer.capacity() > KEPT_BYTES {
            buffer.truncate(len);
            return take(Cow::Owned(buffer));
        }
        let taken = take(Cow::Borrowed(&buffer[..len]));
        kept.scratch = buffer;
        taken
    });
    kept.give();
    taken
}

fn broken(encoding: Encoding, why: &dyn std::fmt::Display) -> DecodeError {
    DecodeError::Broken { encoding: encoding.http_name(), why: why.to_string() }
}

struct Sink<'a> {
    limit: usize,
    admit: Admit<'a>,
    encoding: Encoding,
    scratch: Vec<u8>,
}

impl Sink<'_> {
    fn drain(self, mut input: impl Read) -> Result<Drained, DecodeError> {
        let mut buffer = self.scratch;
        // How much of the buffer may be written, and how much has been.
        let (mut room, mut filled) = (0, 0);
        loop {
            if filled == room {
                // One byte beyond the limit tells a full body from one that is too large.
                let next = (room + STEP.max(room / 2)).min(self.limit.saturating_add(1));
                if next == room {
                    return Err(DecodeError::TooLarge { limit: self.limit });
                }
                if !(self.admit)(next.min(self.limit)) {
                    return Err(DecodeError::NotAdmitted);
                }
                room = next;
                if buffer.len() < room {
                    buffer.reserve_exact(room - buffer.len());
                    buffer.resize(room, 0);
                }
            }
            match input.read(&mut buffer[filled..room]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(self.encoding, &error)),
            }
        }
        if filled > self.limit {
            return Err(DecodeError::TooLarge { limit: self.limit });
        }
        Ok(Drained { buffer, len: filled })
    }
}

/// The block format says its size beforehand, so it is asked for at once.
fn snappy_block(mut input: Parts, sink: Sink<'_>) -> Result<Vec<u8>, DecodeError> {
    let compressed = input.concat();
    let size = snap::raw::decompress_len(&compressed).map_err(|error| broken(sink.encoding, &error))?;
    if size > sink.limit {
        return Err(DecodeError::TooLarge { limit: sink.limit });
    }
    // No element of the format gives more than 64 bytes for three.
    if size > compressed.len().saturating_mul(32) {
        return Err(broken(sink.encoding, &"it announces more than it can hold"));
    }
    if !(sink.admit)(size) {
        return Err(DecodeError::NotAdmitted);
    }
    snap::raw::Decoder::new().decompress_vec(&compressed).map_err(|error| broken(sink.encoding, &error))
}

pub(super) struct Parts(VecDeque<Bytes>);

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn starts_with(&self, magic: &[u8]) -> bool {
        magic.iter().eq(self.0.iter().flatten().take(magic.len()))
    }

    fn concat(&mut self) -> Bytes {
        if self.0.len() == 1 {
            return self.0.pop_front().unwrap_or_default();
        }
        let mut whole = Vec::with_capacity(self.0.iter().map(Bytes::len).sum());
        self.0.drain(..).for_each(|part| whole.extend_from_slice(&part));
        whole.into()
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(first) = self.0.front_mut() else { return Ok(0) };
        let count = first.len().min(buffer.len());
        first.copy_to_slice(&mut buffer[..count]);
        if first.is_empty() {
            self.0.pop_front();
        }
        Ok(count)
    }
}

impl BufRead for Parts {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.0.front().map_or(&[], |first| first))
    }

    fn consume(&mut self, count: usize) {
        if let Some(first) = self.0.front_mut() {
            first.advance(count.min(first.len()));
            if first.is_empty() {
                self.0.pop_front();
            }
        }
    }
}

/// LZ4's reader takes an end of input between blocks for the end of the frame, and stops behind a frame. Here a frame without its end
/// mark is broken, and several frames are one body.
struct Lz4(lz4_flex::frame::FrameDecoder<Noticed>);

/// Remembers that somebody wanted more than there is, which a whole frame never does.
struct Noticed {
    parts: Parts,
    wanted_more: bool,
}

impl Read for Noticed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.parts.read(buffer)?;
        self.wanted_more |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl Read for Lz4 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.0.read(buffer)?;
            let input = self.0.get_ref();
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if input.wanted_more {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if input.parts.is_empty() {
                return Ok(0);
            }
        }
    }
}
