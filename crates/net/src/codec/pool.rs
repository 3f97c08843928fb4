//! Compressors that are kept for the next body.
//!
//! A deflate or zstd state is a few hundred kilobytes. Allocated for each body between records that stay, it leaves
//! holes that the heap fills with records and never gets back: with 500-byte bodies a collector grew by 28 kB a
//! request. So a few states are kept for whoever needs one next, with the scratch buffers that they write into. They
//! belong to no thread: kept by each of the helper threads, they were tens of megabytes that nobody counted.
//!
//! Both want the body in one piece and as much room again for the outcome. Of a very large body that would be more
//! memory than anybody has counted, so such a one goes through a compressor piece by piece.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::Level;

/// A scratch buffer larger than this is given back after use.
const KEPT_BYTES: usize = 1 << 20;

/// So many states are kept.
const KEPT_STATES: usize = 4;

/// Bodies larger than this are compressed piece by piece.
pub(super) const WHOLE_BYTES: usize = 4 << 20;

/// Which wrapper stands around the deflate stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapper {
    Gzip,
    Zlib,
}

#[derive(Default)]
struct Kept {
    deflate: Option<(i32, libdeflater::Compressor)>,
    zstd: Option<(i32, zstd::bulk::Compressor<'static>)>,
    input: Vec<u8>,
    output: Vec<u8>,
}

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The level that stands for "default": telemetry repeats itself so much that the faster level loses few bytes.
const DEFAULT_DEFLATE: i32 = 1;

/// Compresses with deflate.
pub(super) fn deflate<'a>(
    wrapper: Wrapper,
    level: Level,
    parts: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<Vec<u8>, String> {
    let level = match level {
        // Go's "Huffman only" has no counterpart: the fastest is nearest.
        Level::Exact(-2) => 1,
        Level::Exact(level @ 0..=9) => level,
        _ => DEFAULT_DEFLATE,
    };
    if size(parts.clone()) > WHOLE_BYTES {
        let strength = Compression::new(level.unsigned_abs());
        let written = match wrapper {
            Wrapper::Gzip => write_all(GzEncoder::new(Vec::new(), strength), parts, GzEncoder::finish),
            Wrapper::Zlib => write_all(ZlibEncoder::new(Vec::new(), strength), parts, ZlibEncoder::finish),
        };
        return written.map_err(|error| error.to_string());
    }
    with_input(parts, |kept| {
        let Kept { deflate, input, output, .. } = kept;
        if deflate.as_ref().is_none_or(|(has, _)| *has != level) {
            let level_of = libdeflater::CompressionLvl::new(level).map_err(|error| format!("{error:?}"))?;
            *deflate = Some((level, libdeflater::Compressor::new(level_of)));
        }
        let Some((_, compressor)) = deflate else { return Err("no compressor".to_owned()) };
        let bound = match wrapper {
            Wrapper::Gzip => compressor.gzip_compress_bound(input.len()),
            Wrapper::Zlib => compressor.zlib_compress_bound(input.len()),
        };
        output.resize(bound, 0);
        let written = match wrapper {
            Wrapper::Gzip => compressor.gzip_compress(input, output),
            Wrapper::Zlib => compressor.zlib_compress(input, output),
        };
        written.map_err(|error| error.to_string())
    })
}

/// Compresses with zstd.
pub(super) fn zstd<'a>(level: Level, parts: impl Iterator<Item = &'a [u8]> + Clone) -> Result<Vec<u8>, String> {
    let level = match level {
        Level::Default => zstd::DEFAULT_COMPRESSION_LEVEL,
        Level::Exact(level) => level,
    };
    if size(parts.clone()) > WHOLE_BYTES {
        let encoder = zstd::stream::write::Encoder::new(Vec::new(), level);
        let written = encoder.and_then(|encoder| write_all(encoder, parts, zstd::stream::write::Encoder::finish));
        return written.map_err(|error| error.to_string());
    }
    with_input(parts, |kept| {
        let Kept { zstd, input, output, .. } = kept;
        if zstd.as_ref().is_none_or(|(has, _)| *has != level) {
            *zstd = Some((level, zstd::bulk::Compressor::new(level).map_err(|error| error.to_string())?));
        }
        let Some((_, compressor)) = zstd else { return Err("no compressor".to_owned()) };
        output.resize(zstd::zstd_safe::compress_bound(input.len()), 0);
        compressor.compress_to_buffer(input, &mut output[..]).map_err(|error| error.to_string())
    })
}

fn size<'a>(parts: impl Iterator<Item = &'a [u8]>) -> usize {
    parts.map(<[u8]>::len).sum()
}

/// Writes all parts through an encoder and ends it.
pub(super) fn write_all<'a, W: Write>(
    mut writer: W,
    mut parts: impl Iterator<Item = &'a [u8]>,
    finish: impl FnOnce(W) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<Vec<u8>> {
    parts.try_for_each(|part| writer.write_all(part))?;
    finish(writer)
}

/// Gathers the parts, runs `compress`, and returns so many bytes of the output in a buffer of their size.
fn with_input<'a>(
    parts: impl Iterator<Item = &'a [u8]>,
    compress: impl FnOnce(&mut Kept) -> Result<usize, String>,
) -> Result<Vec<u8>, String> {
    // Taken out while it is used: a panic costs this state and no other.
    let taken = kept().pop();
    let mut state = taken.unwrap_or_default();
    state.input.clear();
    parts.for_each(|part| state.input.extend_from_slice(part));
    let body = compress(&mut state).map(|written| state.output.get(..written).unwrap_or_default().to_vec());
    for buffer in [&mut state.input, &mut state.output] {
        if buffer.capacity() > KEPT_BYTES {
            *buffer = Vec::new();
        }
    }
    let mut kept = kept();
    if kept.len() < KEPT_STATES {
        kept.push(state);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_states_are_kept_and_none_with_large_buffers() {
        let threads: Vec<_> = (0..4 * KEPT_STATES)
            .map(|_| {
                std::thread::spawn(|| {
                    let body = vec![7u8; 3 << 20];
                    for size in [100, body.len()] {
                        deflate(Wrapper::Gzip, Level::Default, [&body[..size]].into_iter()).unwrap();
                        zstd(Level::Default, [&body[..size]].into_iter()).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let kept = kept();
        assert!((1..=KEPT_STATES).contains(&kept.len()), "{}", kept.len());
        for state in kept.iter() {
            assert!(state.input.capacity() <= KEPT_BYTES && state.output.capacity() <= KEPT_BYTES);
        }
    }
}
