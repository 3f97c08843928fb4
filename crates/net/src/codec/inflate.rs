//! Decompressors that are kept for the next body, for the reason that compressors are: a state of tens or hundreds of
//! kilobytes, allocated for each small body between records that stay, leaves holes in the heap that never close.
//!
//! What comes out is written into a scratch buffer that is kept too, and copied into a buffer of its size.

use std::cell::RefCell;
use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;
use zstd::zstd_safe::{DCtx, ResetDirective};

use super::decode::{DecodeError, Drained, Parts};

/// What is larger than this after use is given back: scratch, and the windows of zstd.
pub(super) const KEPT_BYTES: usize = 512 << 10;

/// No deflate stream gives more for each of its bytes.
const DEFLATE_AT_MOST: usize = 1032;

/// The largest window of zstd, as a power of two (8 MiB): it is asked for before a byte has come out.
const ZSTD_WINDOW: u32 = 23;

/// What a thread keeps.
#[derive(Default)]
pub(super) struct Kept {
    inflate: Option<Decompress>,
    whole: Option<Decompressor>,
    zstd: Option<DCtx<'static>>,
    /// As long as it has been written to; its content means nothing.
    pub(super) scratch: Vec<u8>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl Kept {
    /// Takes what this thread keeps. A second taker, should there ever be one, gets something new.
    pub(super) fn take() -> Self {
        KEPT.take()
    }

    /// Puts it back.
    pub(super) fn give(mut self) {
        if self.scratch.capacity() > KEPT_BYTES {
            self.scratch = Vec::new();
        }
        if self.zstd.as_ref().is_some_and(|context| context.sizeof() > KEPT_BYTES) {
            self.zstd = None;
        }
        KEPT.set(self);
    }

    /// Decodes a gzip body of one plain member at once, which takes half the time: as clients send it that know all of
    /// it beforehand. `None`: it has to be read piece by piece, which says what it is.
    pub(super) fn gunzip(
        &mut self,
        body: &[u8],
        limit: usize,
        admit: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Result<Drained, DecodeError>> {
        // A header without options; checksum and size at the end.
        let [0x1f, 0x8b, 8, 0, _, _, _, _, _, _, rest @ ..] = body else { return None };
        let (deflated, [a, b, c, d, size @ ..]) = rest.split_last_chunk::<8>()?;
        let (sum, size) = (u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes(*size) as usize);
        // The end may be that of another member, whose first bytes are then somewhere; where they stand by chance, nothing
        // is lost but time. And it may lie.
        let can_be = size <= limit && size <= deflated.len().saturating_mul(DEFLATE_AT_MOST);
        if !can_be || memchr::memmem::find(deflated, &[0x1f, 0x8b, 8]).is_some() {
            return None;
        }
        if !admit(size) {
            return Some(Err(DecodeError::NotAdmitted));
        }
        let mut buffer = std::mem::take(&mut self.scratch);
        if buffer.len() < size {
            match size > KEPT_BYTES {
                true => buffer = vec![0; size],
                false => buffer.resize(size, 0),
            }
        }
        let decoder = self.whole.get_or_insert_with(Decompressor::new);
        let written = decoder.deflate_decompress(deflated, &mut buffer[..size]);
        if written == Ok(size) && libdeflater::crc32(&buffer[..size]) == sum {
            return Some(Ok(Drained { buffer, len: size }));
        }
        self.scratch = buffer;
        None
    }

    /// A state for a deflate stream.
    pub(super) fn inflate(&mut self, wrapper: Wrapper, input: Parts) -> Inflate {
        let state = match self.inflate.take() {
            Some(mut state) => {
                state.reset(wrapper == Wrapper::Zlib);
                state
            }
            None => Decompress::new(wrapper == Wrapper::Zlib),
        };
        let stage = if wrapper == Wrapper::Gzip { Stage::Head } else { Stage::Body };
        Inflate { input, state, wrapper, stage, crc: Crc::new(), members: 0 }
    }

    /// The state comes back.
    pub(super) fn keep_inflate(&mut self, used: Inflate) {
        self.inflate = Some(used.state);
    }

    /// Runs `read` with a reader of zstd frames.
    pub(super) fn zstd<T>(&mut self, input: Parts, read: impl FnOnce(&mut dyn Read) -> T) -> io::Result<T> {
        let mut context = self.zstd.take().unwrap_or_else(DCtx::create);
        let failed = |code| io::Error::other(zstd::zstd_safe::get_error_name(code));
        // A body that broke leaves the state in the middle of a frame.
        context.reset(ResetDirective::SessionOnly).map_err(failed)?;
        let answer = {
            let mut decoder = zstd::stream::read::Decoder::with_context(input, &mut context);
            decoder.window_log_max(ZSTD_WINDOW)?;
            read(&mut decoder)
        };
        self.zstd = Some(context);
        Ok(answer)
    }
}

/// Which wrapper stands around a deflate stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapper {
    Gzip,
    Zlib,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Body,
    Tail,
    Done,
}

/// Reads gzip (RFC 1952: one member or several) and zlib (RFC 1950).
pub(super) struct Inflate {
    input: Parts,
    state: Decompress,
    wrapper: Wrapper,
    stage: Stage,
    /// Of the member so far.
    crc: Crc,
    members: usize,
}

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Inflate {
    /// How many members have ended.
    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// The next bytes of a member's header.
    fn header<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    fn skip_text(&mut self) -> io::Result<()> {
        while self.header::<1>()? != [0] {}
        Ok(())
    }

    fn head(&mut self) -> io::Result<()> {
        self.crc.reset();
        let [magic, more, method, flags, ..] = self.header::<10>()?;
        if [magic, more] != [0x1f, 0x8b] {
            return Err(invalid("invalid gzip header"));
        }
        if method != 8 || flags & RESERVED != 0 {
            return Err(invalid("unknown gzip method or flags"));
        }
        if flags & EXTRA != 0 {
            for _ in 0..u16::from_le_bytes(self.header()?) {
                self.header::<1>()?;
            }
        }
        if flags & NAME != 0 {
            self.skip_text()?;
        }
        if flags & COMMENT != 0 {
            self.skip_text()?;
        }
        if flags & HEADER_CRC != 0 {
            let sum = self.crc.sum() as u16;
            if u16::from_le_bytes(self.header()?) != sum {
                return Err(invalid("the gzip header does not match its checksum"));
            }
        }
        self.crc.reset();
        self.state.reset(false);
        Ok(())
    }

    fn tail(&mut self) -> io::Result<()> {
        let mut bytes = [0; 8];
        self.input.read_exact(&mut bytes)?;
        let [a, b, c, d, e, f, g, h] = bytes;
        if u32::from_le_bytes([a, b, c, d]) != self.crc.sum() || u32::from_le_bytes([e, f, g, h]) != self.crc.amount() {
            return Err(invalid("the data does not match its checksum"));
        }
        self.members += 1;
        Ok(())
    }

    /// Some of the body; 0 at its end.
    fn body(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let available = self.input.fill_buf()?;
            let is_end = available.is_empty();
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(available, buffer, FlushDecompress::None);
            let status = status.map_err(|error| invalid(&error.to_string()))?;
            let read = (self.state.total_in() - before_in) as usize;
            let written = (self.state.total_out() - before_out) as usize;
            self.input.consume(read);
            if status == Status::StreamEnd {
                self.stage = if self.wrapper == Wrapper::Gzip { Stage::Tail } else { Stage::Done };
                return Ok(written);
            }
            if written > 0 {
                return Ok(written);
            }
            if is_end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if read == 0 {
                return Err(invalid("corrupt deflate stream"));
            }
        }
    }
}

impl Read for Inflate {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.stage {
                Stage::Head => {
                    self.head()?;
                    self.stage = Stage::Body;
                }
                Stage::Body => {
                    let count = self.body(buffer)?;
                    if self.wrapper == Wrapper::Gzip {
                        self.crc.update(&buffer[..count]);
                    }
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Stage::Tail => {
                    self.tail()?;
                    self.stage = if self.input.is_empty() { Stage::Done } else { Stage::Head };
                }
                Stage::Done => return Ok(0),
            }
        }
    }
}
