//! One side of an HTTP/1 connection: finds heads, and goes over the bodies between them.

use super::chunks::{Chunks, Progress, Skipped};
use super::head::{self, Body};
use crate::interpret::lane::{Moment, Segment};

/// Where in its messages a side is.
#[derive(Debug, Default)]
enum State {
    /// Before the first byte of a head.
    #[default]
    Between,
    /// In a head, whose bytes so far are kept.
    Head(Vec<u8>),
    /// In a body, so many bytes before its end.
    Length(u64),
    /// In a body of chunks.
    Chunked(Chunks),
    /// In a body without an end, or somewhere: what looks like a head at the begin of a call is one.
    Unknown,
    /// The same behind a head whose end was not seen: how long the body is was said, or is not known.
    Behind,
    /// In another protocol.
    Tunnel,
}

/// Which heads a side has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Requests.
    Request,
    /// Responses.
    Response,
}

/// Who hears of what a side finds.
pub(super) trait Listener {
    /// A head; the answer is how the body goes on, or that another head follows.
    fn head(&mut self, bytes: &[u8], whole: bool, begun: Moment) -> Option<Body>;
    /// So many bytes of a body went.
    fn body(&mut self, bytes: u64);
    /// The message has ended.
    fn end(&mut self);
}

/// One side.
#[derive(Debug)]
pub(super) struct Side {
    kind: Kind,
    state: State,
    begun: Moment,
}

impl Side {
    /// Before its first head.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, state: State::Between, begun: Moment::default() }
    }

    /// Whether it is not known where its message ends.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.state, State::Unknown | State::Behind)
    }

    /// Whether another protocol is spoken.
    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.state, State::Tunnel)
    }

    /// Bytes of a body that need not be captured.
    pub(super) fn skippable(&self) -> u64 {
        match self.state {
            State::Length(left) => left,
            _ => 0,
        }
    }

    /// Nothing more is a message.
    pub(super) fn tunnel(&mut self) {
        self.state = State::Tunnel;
    }

    /// Goes over a segment.
    pub(super) fn feed(&mut self, segment: Segment<'_>, moment: Moment, listener: &mut impl Listener) {
        match segment {
            Segment::Bytes(bytes) => self.bytes(bytes, moment, listener),
            Segment::Gap { len, call_end } => self.gap(len, call_end, listener),
        }
    }

    fn bytes(&mut self, mut bytes: &[u8], moment: Moment, listener: &mut impl Listener) {
        let mut fresh = moment.call_start;
        let whole = bytes.len();
        while !bytes.is_empty() {
            let consumed = whole - bytes.len();
            bytes = match &mut self.state {
                State::Between => {
                    // Servers are to overlook empty lines before a request.
                    let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    let rest = &bytes[skipped..];
                    if rest.is_empty() {
                        return;
                    }
                    match self.is_head(rest) {
                        true => self.begin(moment, consumed + skipped),
                        false => self.state = State::Unknown,
                    }
                    rest
                }
                State::Unknown | State::Behind => {
                    if fresh && self.is_head(bytes) {
                        self.begin(moment, consumed);
                        continue;
                    }
                    if matches!(self.state, State::Unknown) {
                        listener.body(bytes.len() as u64);
                    }
                    return;
                }
                State::Head(_) => self.in_head(bytes, listener),
                State::Length(left) => {
                    let step = (*left).min(bytes.len() as u64);
                    *left -= step;
                    let done = *left == 0;
                    listener.body(step);
                    if done {
                        self.finish(listener);
                    }
                    &bytes[step as usize..]
                }
                State::Chunked(chunks) => {
                    let before = chunks.data();
                    let progress = chunks.feed(bytes);
                    listener.body(chunks.data().saturating_sub(before));
                    match progress {
                        Progress::More => return,
                        Progress::End(at) => {
                            self.finish(listener);
                            &bytes[at..]
                        }
                        Progress::Broken => {
                            self.state = State::Unknown;
                            bytes
                        }
                    }
                }
                State::Tunnel => return,
            };
            fresh = false;
        }
    }

    fn is_head(&self, bytes: &[u8]) -> bool {
        match self.kind {
            Kind::Request => head::looks_like_request(bytes),
            Kind::Response => head::looks_like_response(bytes),
        }
    }

    /// A head begins, so many bytes into the segment.
    fn begin(&mut self, moment: Moment, at: usize) {
        self.begun = moment.further(at);
        self.state = State::Head(Vec::new());
    }

    /// Adds to the head; what follows it is returned.
    fn in_head<'a>(&mut self, bytes: &'a [u8], listener: &mut impl Listener) -> &'a [u8] {
        let State::Head(kept) = &mut self.state else { return bytes };
        let before = kept.len();
        let taken = bytes.len().min(head::LONGEST.saturating_sub(before));
        kept.extend_from_slice(&bytes[..taken]);
        // The empty line may have begun in what was there already.
        let from = before.saturating_sub(3);
        match head::end(&kept[from..]).map(|end| from + end) {
            Some(end) => {
                let kept = std::mem::take(kept);
                self.read(&kept[..end], true, listener);
                &bytes[end - before..]
            }
            None if kept.len() >= head::LONGEST => {
                self.cut(listener);
                &bytes[taken..]
            }
            None => &[],
        }
    }

    /// The head goes on, but not for us.
    fn cut(&mut self, listener: &mut impl Listener) {
        if let State::Head(kept) = std::mem::take(&mut self.state) {
            self.read(&kept, false, listener);
        }
    }

    fn read(&mut self, bytes: &[u8], whole: bool, listener: &mut impl Listener) {
        let body = listener.head(bytes, whole, self.begun);
        self.state = match body {
            // An interim response: the next head follows.
            None if whole => State::Between,
            None => State::Unknown,
            Some(body) if !whole => {
                // Where the body begins was not seen: its length is what the head says.
                if let Body::Length(length) = body {
                    listener.body(length);
                }
                State::Behind
            }
            Some(Body::Length(0)) => return self.finish(listener),
            Some(Body::Length(length)) => State::Length(length),
            Some(Body::Chunked) => State::Chunked(Chunks::default()),
            Some(Body::UntilClose) => State::Unknown,
            Some(Body::Tunnel) => {
                listener.end();
                State::Tunnel
            }
        };
    }

    fn finish(&mut self, listener: &mut impl Listener) {
        self.state = State::Between;
        listener.end();
    }

    fn gap(&mut self, len: u64, call_end: bool, listener: &mut impl Listener) {
        match &mut self.state {
            State::Head(_) => self.cut(listener),
            State::Length(left) => {
                let step = (*left).min(len);
                *left -= step;
                let (done, over) = (*left == 0, len > step);
                listener.body(step);
                if done {
                    self.finish(listener);
                }
                if over {
                    self.state = State::Unknown;
                }
            }
            State::Chunked(chunks) => {
                let before = chunks.data();
                let skipped = chunks.skip(len);
                listener.body(chunks.data().saturating_sub(before));
                match skipped {
                    Skipped::Inside => {}
                    Skipped::End if call_end => self.finish(listener),
                    Skipped::End | Skipped::Lost => self.state = State::Unknown,
                }
            }
            State::Between => self.state = State::Unknown,
            State::Unknown => listener.body(len),
            State::Behind | State::Tunnel => {}
        }
    }
}
