//! Bodies whose length is said before they come: what of them is missing can be counted without being seen.
//!
//! A message of gRPC begins with its length; a body of HTTP has its length in `content-length`. So where frames of a
//! body were not captured, their number and lengths follow, as long as the sender goes on in frames of the same length.

use std::collections::BTreeMap;

use super::frame::{FrameHeader, HEADER, flag, kind};

/// The most bodies that are followed.
const BODIES: usize = 1024;
/// How long the begin of a message is.
const PREFIX: usize = 5;

/// A body, or one message of it.
#[derive(Debug, Default)]
struct Body {
    /// It is made of messages.
    grpc: bool,
    /// Bytes that are still to come; `None` if that is not known.
    left: Option<u64>,
    /// What there is of the next message's begin.
    prefix: Vec<u8>,
}

impl Body {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(left) = self.left.as_mut() else { return };
            let step = (*left).min(bytes.len() as u64);
            *left -= step;
            bytes = &bytes[step as usize..];
            if bytes.is_empty() || !self.grpc {
                return;
            }
            let taken = bytes.len().min(PREFIX - self.prefix.len());
            self.prefix.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if let [_, length @ ..] = self.prefix.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                self.left = Some(u64::from(u32::from_be_bytes(length)));
                self.prefix.clear();
            }
        }
    }

    fn skip(&mut self, bytes: u64) {
        self.left = self.left.and_then(|left| left.checked_sub(bytes)).filter(|_| self.prefix.is_empty());
    }
}

/// The bodies of one side.
#[derive(Debug, Default)]
pub(super) struct Bodies(BTreeMap<u32, Body>);

impl Bodies {
    /// A body of messages begins.
    pub(super) fn of_messages(&mut self, stream: u32) {
        self.insert(stream, Body { grpc: true, left: Some(0), prefix: Vec::new() });
    }

    /// A body of so many bytes begins.
    pub(super) fn of_length(&mut self, stream: u32, length: u64) {
        if !self.0.get(&stream).is_some_and(|body| body.grpc) {
            self.insert(stream, Body { left: Some(length), ..Body::default() });
        }
    }

    fn insert(&mut self, stream: u32, body: Body) {
        if self.0.len() >= BODIES {
            self.0.pop_first();
        }
        self.0.insert(stream, body);
    }

    /// Bytes of a body came.
    pub(super) fn feed(&mut self, stream: u32, bytes: &[u8]) {
        if let Some(body) = self.0.get_mut(&stream) {
            body.feed(bytes);
        }
    }

    /// So many bytes of a body came that were not seen.
    pub(super) fn skip(&mut self, stream: u32, bytes: u64) {
        if let Some(body) = self.0.get_mut(&stream) {
            body.skip(bytes);
        }
    }

    /// The body has ended.
    pub(super) fn end(&mut self, stream: u32) {
        self.0.remove(&stream);
    }

    /// The frame that follows one of a body, if it is to be foretold: as long as that one, or all that is left; an
    /// empty one behind the last, by which many senders end a body.
    pub(super) fn next(&self, frame: FrameHeader) -> Option<FrameHeader> {
        let body = self.0.get(&frame.stream)?;
        let length = u32::try_from(body.left?.min(u64::from(frame.length))).unwrap_or(frame.length);
        let flags = if length == 0 && !body.grpc { flag::END_STREAM } else { 0 };
        Some(FrameHeader { length, kind: kind::DATA, flags, stream: frame.stream })
    }

    /// Whether a body has come to an end, of those whose whole length is known.
    pub(super) fn is_complete(&self, stream: u32) -> bool {
        self.0.get(&stream).is_some_and(|body| !body.grpc && body.left == Some(0))
    }
}

/// A frame's header as it is sent.
pub(super) fn written(header: FrameHeader) -> [u8; HEADER] {
    let [_, a, b, c] = header.length.to_be_bytes();
    let [s0, s1, s2, s3] = header.stream.to_be_bytes();
    [a, b, c, header.kind, header.flags, s0, s1, s2, s3]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(bodies: &Bodies) -> Option<u64> {
        bodies.0[&1].left
    }

    #[test]
    fn messages_say_how_long_they_are() {
        let mut bodies = Bodies::default();
        bodies.of_messages(1);
        bodies.of_length(1, 7);
        bodies.feed(1, &[0, 0, 0]);
        bodies.feed(1, &[0, 9, b'a', b'b']);
        assert_eq!(left(&bodies), Some(7));
        bodies.skip(1, 6);
        bodies.feed(1, &[b'c', 0, 0, 0, 1, 0, b'd']);
        assert_eq!(left(&bodies), Some(255));
        bodies.skip(1, 256);
        assert_eq!(left(&bodies), None);
        bodies.end(1);
        assert!(bodies.0.is_empty());
    }

    #[test]
    fn the_next_frame_is_as_long_or_the_rest() {
        let mut bodies = Bodies::default();
        bodies.of_length(1, 25);
        let frame = FrameHeader { length: 10, kind: kind::DATA, flags: 0, stream: 1 };
        let mut lengths = Vec::new();
        bodies.feed(1, &[0; 10]);
        while let Some(next) = bodies.next(frame).filter(|next| next.length > 0) {
            assert_eq!(FrameHeader::parse(written(next)), next);
            bodies.skip(1, u64::from(next.length));
            lengths.push(next.length);
        }
        assert_eq!(lengths, [10, 5]);
        assert_eq!(bodies.next(frame).unwrap().flags, flag::END_STREAM);
        assert!(bodies.is_complete(1) && !bodies.is_complete(2));
    }
}
