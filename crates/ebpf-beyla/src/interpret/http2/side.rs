//! One side of an HTTP/2 connection: finds frames, and reads header blocks.

use super::body::{Bodies, written};
use super::frame::{self, FrameHeader, HEADER, PREFACE, flag, kind};
use super::hpack::{Decoder, Field};
use crate::interpret::lane::{Moment, Segment};

/// The longest header block that is kept.
const BLOCK: usize = 64 * 1024;

/// How long frames are unless a side has said that it takes longer ones.
const FULL: u32 = 16_384;

/// Who hears of what a side finds.
pub(super) trait Listener {
    /// A header block begins or goes on; its fields follow. `end`: the side sends no more on the stream behind it.
    fn headers(&mut self, stream: u32, begun: Moment);
    /// A field of the block. What is not known of it is `None`.
    fn field(&mut self, stream: u32, field: Field<'_>);
    /// The block has ended; `end` if the side sends no more.
    fn headers_end(&mut self, stream: u32, end: bool);
    /// Bytes of a body; `end` if the side sends no more behind them.
    fn data(&mut self, stream: u32, bytes: u64, end: bool);
    /// The stream ended before its time.
    fn reset(&mut self, stream: u32, code: u32);
}

#[derive(Debug)]
enum State {
    /// In what a client sends first, so many bytes of it seen.
    Preface(usize),
    /// In a frame's header.
    Header { bytes: [u8; HEADER], have: usize },
    /// In a frame, so many bytes before its end; what has been kept of it.
    Payload { header: FrameHeader, left: u64, kept: Vec<u8> },
    /// Somewhere.
    Lost,
}

/// A header block that needs more frames.
#[derive(Debug)]
struct Open {
    stream: u32,
    end: bool,
    bytes: Vec<u8>,
    begun: Moment,
}

/// One side.
#[derive(Debug)]
pub(super) struct Side {
    state: State,
    decoder: Decoder,
    open: Option<Open>,
    begun: Moment,
    lost_at: u64,
    bodies: Bodies,
    /// The last frame of a body, or of a header block before one.
    last: Option<FrameHeader>,
    /// Frames were counted that were not seen: the next one has to be one, or the place was wrong.
    counted: bool,
}

impl Side {
    /// A side at the connection's begin; `preface` if it is the client's.
    pub(super) fn new(preface: bool) -> Self {
        let state = if preface { State::Preface(0) } else { State::Header { bytes: [0; HEADER], have: 0 } };
        Self { state, decoder: Decoder::new(false), ..Self::joined() }
    }

    /// A side of a connection that was joined midway.
    pub(super) fn joined() -> Self {
        Self {
            state: State::Lost,
            decoder: Decoder::new(true),
            open: None,
            begun: Moment::default(),
            lost_at: 0,
            bodies: Bodies::default(),
            last: None,
            counted: false,
        }
    }

    /// When frames were last missed, nanoseconds since boot; 0 for never.
    pub(super) fn lost_at(&self) -> u64 {
        self.lost_at
    }

    /// Goes over a segment.
    pub(super) fn feed(&mut self, segment: Segment<'_>, moment: Moment, listener: &mut impl Listener) {
        match segment {
            Segment::Bytes(bytes) => self.bytes(bytes, moment, listener),
            Segment::Gap { len, .. } => self.gap(len, moment, listener),
        }
    }

    fn bytes(&mut self, mut bytes: &[u8], moment: Moment, listener: &mut impl Listener) {
        let mut fresh = moment.call_start;
        let whole = bytes.len();
        while !bytes.is_empty() {
            let consumed = whole - bytes.len();
            match &mut self.state {
                // The server has spoken first: what looked like a connection joined midway begins here.
                State::Lost if fresh && bytes.starts_with(PREFACE) => {
                    (self.state, self.decoder) = (State::Preface(0), Decoder::new(false));
                }
                State::Lost if fresh && frame::looks_like_frames(bytes) => self.next(),
                State::Lost => return,
                State::Preface(seen) => {
                    let wanted = &PREFACE[*seen..];
                    let step = wanted.len().min(bytes.len());
                    if bytes[..step] != wanted[..step] {
                        self.lose(moment.time);
                        continue;
                    }
                    *seen += step;
                    if *seen == PREFACE.len() {
                        self.next();
                    }
                    bytes = &bytes[step..];
                }
                State::Header { bytes: kept, have } => {
                    if *have == 0 {
                        self.begun = moment.further(consumed);
                    }
                    let step = (HEADER - *have).min(bytes.len());
                    kept[*have..*have + step].copy_from_slice(&bytes[..step]);
                    *have += step;
                    bytes = &bytes[step..];
                    if *have == HEADER {
                        let header = FrameHeader::parse(*kept);
                        if std::mem::take(&mut self.counted) && !header.is_plausible() {
                            self.lose(moment.time);
                            continue;
                        }
                        self.enter(header, listener);
                    }
                }
                State::Payload { header, left, kept } => {
                    let step = (*left).min(bytes.len() as u64) as usize;
                    match header.kind {
                        // What is padding is not told from the body: nothing can be counted.
                        kind::DATA if header.has(flag::PADDED) => self.bodies.end(header.stream),
                        kind::DATA => self.bodies.feed(header.stream, &bytes[..step]),
                        _ => {}
                    }
                    if keeps(header.kind) {
                        let room = BLOCK.saturating_sub(kept.len());
                        kept.extend_from_slice(&bytes[..step.min(room)]);
                    }
                    *left -= step as u64;
                    bytes = &bytes[step..];
                    if *left == 0 {
                        self.leave(true, listener);
                    }
                }
            }
            fresh = false;
        }
    }

    fn next(&mut self) {
        self.state = State::Header { bytes: [0; HEADER], have: 0 };
    }

    fn lose(&mut self, time: u64) {
        self.state = State::Lost;
        self.open = None;
        self.counted = false;
        self.last = None;
        self.decoder.doubt();
        self.lost_at = time;
    }

    fn enter(&mut self, header: FrameHeader, listener: &mut impl Listener) {
        match header.kind {
            kind::DATA => self.last = Some(header),
            // How long the frames of its body are is not known yet: most senders fill them.
            kind::HEADERS => self.last = Some(FrameHeader { length: FULL, ..header }),
            _ => {}
        }
        self.state = State::Payload { header, left: u64::from(header.length), kept: Vec::new() };
        if header.length == 0 {
            self.leave(true, listener);
        }
    }

    /// At the end of a frame, or where what can be had of it ends.
    fn leave(&mut self, whole: bool, listener: &mut impl Listener) {
        let State::Payload { header, left, kept } = std::mem::replace(&mut self.state, State::Lost) else { return };
        match header.kind {
            kind::DATA => {
                let end = header.has(flag::END_STREAM) || (self.counted && self.bodies.is_complete(header.stream));
                if header.has(flag::END_STREAM) {
                    self.bodies.end(header.stream);
                }
                listener.data(header.stream, u64::from(header.length), end);
            }
            kind::HEADERS => {
                let end = header.has(flag::END_STREAM);
                let bytes = frame::block(header, &kept).map(<[u8]>::to_vec).unwrap_or_default();
                self.open = Some(Open { stream: header.stream, end, bytes, begun: self.begun });
            }
            kind::CONTINUATION => {
                if let Some(open) = self.open.as_mut().filter(|open| open.stream == header.stream) {
                    let room = BLOCK.saturating_sub(open.bytes.len());
                    open.bytes.extend_from_slice(&kept[..kept.len().min(room)]);
                }
            }
            // The entries count, the request does not: nobody asked for it.
            kind::PUSH_PROMISE => {
                let read = frame::block(header, &kept).filter(|_| header.has(flag::END_HEADERS));
                if read.is_none_or(|block| self.decoder.decode(block, |_| {}).is_err()) {
                    self.decoder.miss();
                }
            }
            kind::RST_STREAM => {
                self.bodies.end(header.stream);
                let code = kept.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
                listener.reset(header.stream, code);
            }
            _ => {}
        }
        if matches!(header.kind, kind::HEADERS | kind::CONTINUATION) && (header.has(flag::END_HEADERS) || !whole) {
            self.read(whole, listener);
        }
        match left {
            0 => self.next(),
            left => {
                // The rest of the frame was left out, and nobody needs it.
                let header = FrameHeader { kind: u8::MAX, ..header };
                self.state = State::Payload { header, left, kept: Vec::new() };
            }
        }
    }

    fn read(&mut self, whole: bool, listener: &mut impl Listener) {
        let Some(open) = self.open.take() else { return };
        listener.headers(open.stream, open.begun);
        let bodies = &mut self.bodies;
        let field = |field: Field<'_>| {
            match (field.name, field.value) {
                (Some("content-type"), Some(kind)) if kind.starts_with("application/grpc") => {
                    bodies.of_messages(open.stream);
                }
                (Some("content-length"), Some(length)) => {
                    if let Ok(length) = length.parse() {
                        bodies.of_length(open.stream, length);
                    }
                }
                _ => {}
            }
            listener.field(open.stream, field);
        };
        match whole && open.bytes.len() < BLOCK {
            // One that is damaged has spoilt the table, which knows.
            true => drop(self.decoder.decode(&open.bytes, field)),
            false => self.decoder.decode_begin(&open.bytes, field),
        }
        if open.end {
            self.bodies.end(open.stream);
        }
        listener.headers_end(open.stream, open.end);
    }

    fn gap(&mut self, len: u64, moment: Moment, listener: &mut impl Listener) {
        let counted = match &mut self.state {
            State::Payload { header, left, .. } => {
                let header = *header;
                let step = (*left).min(len);
                *left -= step;
                let (needed, done) = (keeps(header.kind), *left == 0);
                if header.kind == kind::DATA {
                    self.bodies.skip(header.stream, step);
                }
                if needed || done {
                    self.leave(!needed, listener);
                }
                len == step || self.count([0; HEADER], 0, len - step, listener)
            }
            State::Header { bytes, have } => {
                let (bytes, have) = (*bytes, *have);
                self.count(bytes, have, len, listener)
            }
            State::Preface(_) | State::Lost => false,
        };
        if !counted {
            self.lose(moment.time);
        }
    }

    /// Goes over frames of a body that were not seen, behind one of its frames or the header block before them.
    /// `begin` are the first bytes of the next header, as far as they were. `false` if there was more than those frames.
    fn count(&mut self, begin: [u8; HEADER], have: usize, mut len: u64, listener: &mut impl Listener) -> bool {
        let Some(last) = self.last else { return false };
        let mut have = have;
        while len > 0 {
            let Some(mut next) = self.bodies.next(last) else { return false };
            if written(next)[..have] != begin[..have] {
                // The length and the kind are enough, if no other stream comes between.
                let known = have.max(5);
                let mut bytes = begin;
                bytes[known..].copy_from_slice(&written(next)[known..]);
                next = FrameHeader::parse(bytes);
                if have < 5 || next.kind != kind::DATA || next.stream != last.stream {
                    return false;
                }
            }
            let rest = (HEADER - have) as u64;
            // Behind the end of a body there may be anything, but for what is as short as its last frame.
            if next.length == 0 && len != rest {
                return false;
            }
            self.counted = true;
            if len < rest {
                self.state = State::Header { bytes: written(next), have: have + len as usize };
                return true;
            }
            len -= rest;
            have = 0;
            let seen = len.min(u64::from(next.length));
            len -= seen;
            self.bodies.skip(next.stream, seen);
            self.state = State::Payload { header: next, left: u64::from(next.length) - seen, kept: Vec::new() };
            if seen == u64::from(next.length) {
                self.leave(true, listener);
            }
        }
        true
    }
}

/// Whether a frame's payload is read.
fn keeps(kind: u8) -> bool {
    matches!(kind, kind::HEADERS | kind::CONTINUATION | kind::PUSH_PROMISE | kind::RST_STREAM)
}
