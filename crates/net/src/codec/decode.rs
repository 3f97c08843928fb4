//! Decoding under a limit.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};

use super::Encoding;

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

/// A decoded body.
pub type Decoded = Vec<u8>;

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
) -> Result<Decoded, DecodeError> {
    let input = Parts(parts.into_iter().filter(|part| !part.is_empty()).collect());
    let sink = Sink { limit, admit, encoding };
    if input.0.is_empty() && encoding != Encoding::Identity {
        // Senders exist that name an encoding and send nothing.
        return Ok(Vec::new());
    }
    match encoding {
        Encoding::Identity => sink.drain(input),
        Encoding::Gzip => sink.drain(flate2::bufread::MultiGzDecoder::new(io::BufReader::new(input))),
        Encoding::Zlib | Encoding::Deflate => sink.drain(flate2::bufread::ZlibDecoder::new(io::BufReader::new(input))),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(input).map_err(|error| sink.broken(&error))?;
            // A window above 8 MiB is refused: the memory is asked for before a byte has come out.
            decoder.window_log_max(23).map_err(|error| sink.broken(&error))?;
            sink.drain(decoder)
        }
        Encoding::Snappy if !input.starts_with(&SNAPPY_FRAMED) => snappy_block(input, sink),
        Encoding::Snappy | Encoding::SnappyFramed => sink.drain(snap::read::FrameDecoder::new(input)),
        Encoding::Lz4 => {
            let input = Noticed { parts: input, wanted_more: false };
            sink.drain(Lz4(lz4_flex::frame::FrameDecoder::new(input)))
        }
    }
}

struct Sink<'a> {
    limit: usize,
    admit: Admit<'a>,
    encoding: Encoding,
}

impl Sink<'_> {
    fn broken(&self, why: &dyn std::fmt::Display) -> DecodeError {
        DecodeError::Broken { encoding: self.encoding.http_name(), why: why.to_string() }
    }

    fn drain(self, mut input: impl Read) -> Result<Decoded, DecodeError> {
        let mut out = Vec::new();
        let mut filled = 0;
        loop {
            if filled == out.len() {
                // One byte beyond the limit tells a full body from one that is too large.
                let next = (out.len() + STEP.max(out.len() / 2)).min(self.limit.saturating_add(1));
                if next == out.len() {
                    return Err(DecodeError::TooLarge { limit: self.limit });
                }
                if !(self.admit)(next.min(self.limit)) {
                    return Err(DecodeError::NotAdmitted);
                }
                out.reserve_exact(next - out.len());
                out.resize(next, 0);
            }
            match input.read(&mut out[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
        if filled > self.limit {
            return Err(DecodeError::TooLarge { limit: self.limit });
        }
        out.truncate(filled);
        Ok(out)
    }
}

/// The block format says its size beforehand, so it is asked for at once.
fn snappy_block(mut input: Parts, sink: Sink<'_>) -> Result<Decoded, DecodeError> {
    let compressed = input.concat();
    let size = snap::raw::decompress_len(&compressed).map_err(|error| sink.broken(&error))?;
    if size > sink.limit {
        return Err(DecodeError::TooLarge { limit: sink.limit });
    }
    // No element of the format gives more than 64 bytes for three.
    if size > compressed.len().saturating_mul(32) {
        return Err(sink.broken(&"it announces more than it can hold"));
    }
    if !(sink.admit)(size) {
        return Err(DecodeError::NotAdmitted);
    }
    snap::raw::Decoder::new().decompress_vec(&compressed).map_err(|error| sink.broken(&error))
}

struct Parts(VecDeque<Bytes>);

impl Parts {
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
            if input.parts.0.is_empty() {
                return Ok(0);
            }
        }
    }
}
