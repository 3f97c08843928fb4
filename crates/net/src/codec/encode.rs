//! Encoding.

use std::sync::LazyLock;
use std::thread::available_parallelism;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{Encoding, pool};

/// How hard to compress; each encoding has its own scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// The encoding's usual level.
    #[default]
    Default,
    /// A number of the encoding's scale.
    Exact(i32),
}

/// A body could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("compressing with {encoding}: {why}")]
pub struct EncodeError {
    encoding: &'static str,
    why: String,
}

impl Encoding {
    /// Whether a level is on the encoding's scale.
    pub fn has_level(self, level: i32) -> bool {
        match self {
            Self::Gzip | Self::Zlib | Self::Deflate => (-2..=9).contains(&level),
            // The names that Go's library gives to its speeds are 1, 3, 6 and 11; all of zstd's own are taken.
            Self::Zstd => (1..=22).contains(&level),
            Self::Identity | Self::Snappy | Self::SnappyFramed | Self::Lz4 => level == 0,
        }
    }
}

/// Compresses a body that stands in parts.
///
/// # Errors
/// Only if a library fails; memory is the one thing they need.
pub fn encode<'a>(
    encoding: Encoding,
    level: Level,
    parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
) -> Result<Bytes, EncodeError> {
    let fail = |error: &dyn std::fmt::Display| EncodeError { encoding: encoding.http_name(), why: error.to_string() };
    let parts = parts.into_iter();
    let out = match encoding {
        Encoding::Identity => parts.fold(Vec::new(), |mut out, part| {
            out.extend_from_slice(part);
            out
        }),
        Encoding::Gzip => pool::deflate(pool::Wrapper::Gzip, level, parts).map_err(|error| fail(&error))?,
        Encoding::Zlib | Encoding::Deflate => {
            pool::deflate(pool::Wrapper::Zlib, level, parts).map_err(|error| fail(&error))?
        }
        Encoding::Zstd => pool::zstd(level, parts).map_err(|error| fail(&error))?,
        Encoding::SnappyFramed => {
            let writer = snap::write::FrameEncoder::new(Vec::new());
            pool::write_all(writer, parts, |writer| {
                writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
            })
            .map_err(|error| fail(&error))?
        }
        Encoding::Snappy => {
            let whole = parts.fold(Vec::new(), |mut whole, part| {
                whole.extend_from_slice(part);
                whole
            });
            snap::raw::Encoder::new().compress_vec(&whole).map_err(|error| fail(&error))?
        }
        Encoding::Lz4 => {
            let writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
            pool::write_all(writer, parts, |writer| writer.finish().map_err(std::io::Error::other))
                .map_err(|error| fail(&error))?
        }
    };
    Ok(out.into())
}

/// Bodies up to this size are compressed where they are: about 100 µs of work.
const ASIDE_ABOVE: usize = 16 << 10;

/// As many bodies at a time as there are cores: more would only share them, each with a compressor's memory of its own.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// The same, away from the event loop if the body is large. With [`Encoding::Identity`] the parts come back as they are.
///
/// # Errors
/// As [`encode`].
pub async fn encode_aside(encoding: Encoding, level: Level, parts: Vec<Bytes>) -> Result<Vec<Bytes>, EncodeError> {
    if encoding == Encoding::Identity {
        return Ok(parts);
    }
    let size: usize = parts.iter().map(Bytes::len).sum();
    let work = move || encode(encoding, level, parts.iter().map(|part| &part[..])).map(|body| vec![body]);
    if size <= ASIDE_ABOVE {
        return work();
    }
    // It is never closed.
    let _turn = TURNS.acquire().await;
    let stopped = |_| EncodeError { encoding: encoding.http_name(), why: "the work was given up".to_owned() };
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode;
    use super::*;

    #[test]
    fn a_body_too_large_to_be_copied_comes_back_whole() {
        let byte = |at: u32| (at.wrapping_mul(2_654_435_761) >> 27) as u8;
        let parts: Vec<Vec<u8>> = (0..9).map(|part| (0..600_000).map(|at| byte(at + part)).collect()).collect();
        let whole = parts.concat();
        for (encoding, level) in [
            (Encoding::Gzip, Level::Default),
            (Encoding::Gzip, Level::Exact(0)),
            (Encoding::Gzip, Level::Exact(9)),
            (Encoding::Zlib, Level::Default),
            (Encoding::Zstd, Level::Default),
        ] {
            let body = encode(encoding, level, parts.iter().map(Vec::as_slice)).unwrap();
            assert!(decode(encoding, [body], whole.len(), &mut |_| true).unwrap() == whole, "{encoding:?} {level:?}");
        }
    }
}
