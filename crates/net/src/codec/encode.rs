//! Encoding.

use std::sync::{Arc, LazyLock};
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

/// Kilobytes of bodies that are compressed at once, so that what compressors need of their own stays small whatever comes.
const AT_ONCE: usize = 2 * (pool::WHOLE_BYTES >> 10);

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

/// What a body of that size takes of them: more bodies at a time than there are cores would only share these, and a very
/// large one is compressed piece by piece.
fn share(size: usize, cores: usize) -> u32 {
    let kilobytes = size.min(pool::WHOLE_BYTES).div_ceil(1 << 10);
    u32::try_from(kilobytes.max(AT_ONCE / cores.max(1))).unwrap_or(u32::MAX)
}

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
    // It goes along with the work, which runs to its end even if nobody waits for it any more.
    let permit = Arc::clone(&TURNS).acquire_many_owned(share(size, *CORES)).await;
    let stopped = |_| EncodeError { encoding: encoding.http_name(), why: "the work was given up".to_owned() };
    let work = move || {
        let _permit = permit;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode;
    use super::*;

    #[test]
    fn a_body_of_any_size_gets_its_share() {
        for (size, cores, kilobytes) in [
            (1, 1, 8192),
            (1, 2, 4096),
            (1, 64, 128),
            (200 << 10, 64, 200),
            (4 << 20, 64, 4096),
            (usize::MAX, 64, 4096),
        ] {
            assert_eq!(share(size, cores), kilobytes, "{size} with {cores}");
            assert!(kilobytes as usize <= AT_ONCE, "or it would wait for ever");
        }
    }

    #[tokio::test]
    async fn more_than_is_compressed_at_once_is_compressed_in_turn() {
        let body = Bytes::from(vec![7u8; 5 << 20]);
        let one = || encode_aside(Encoding::Gzip, Level::Default, vec![body.clone()]);
        for encoded in futures_util::future::join_all((0..8).map(|_| one())).await {
            let parts = encoded.unwrap();
            assert!(decode(Encoding::Gzip, parts, body.len(), &mut |_| true).unwrap() == body);
        }
        assert_eq!(TURNS.available_permits(), AT_ONCE);
    }

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
