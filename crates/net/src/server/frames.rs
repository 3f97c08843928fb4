//! Looks at the heads of HTTP/2 frames as their bytes pass, for what the library does not tell: whether a header block
//! is open, what a peer asks, and where a frame ends.

/// Bytes before a client's first frame.
const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A header block has begun, which ends before anything else comes.
    Headers,
    /// It has ended.
    HeadersEnd,
    /// A part of a body.
    Data,
    /// A question whether we are there.
    Ping,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes before the next head.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    ends_headers: bool,
}

impl Frames {
    /// What a client sends: a preface and then frames.
    pub(super) fn of_client() -> Self {
        Self { skip: PREFACE, ..Self::default() }
    }

    /// Whether everything up to here is whole frames.
    pub(super) fn is_between(&self) -> bool {
        self.skip == 0 && self.have == 0
    }

    /// Takes in what comes next.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(Event)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.skip -= skipped;
            if self.skip > 0 {
                return;
            }
            if std::mem::take(&mut self.ends_headers) {
                each(Event::HeadersEnd);
            }
            if bytes.is_empty() {
                return;
            }
            for (to, from) in self.head.iter_mut().skip(self.have).zip(bytes) {
                *to = *from;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            bytes = bytes.get(taken..).unwrap_or_default();
            self.have += taken;
            if self.have == HEAD {
                self.have = 0;
                self.begin(&mut each);
            }
        }
    }

    fn begin(&mut self, each: &mut impl FnMut(Event)) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
        match kind {
            HEADERS => each(Event::Headers),
            DATA => each(Event::Data),
            PING if flags & ACK == 0 => each(Event::Ping),
            _ => {}
        }
        self.ends_headers = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let len = (payload as u32).to_be_bytes();
        [&len[1..], &[kind, flags, 0, 0, 0, 1], &vec![kind; payload]].concat()
    }

    fn events(pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<Event>, bool) {
        let (mut frames, mut events) = (Frames::of_client(), Vec::new());
        pieces.for_each(|piece| frames.pass(&piece, |event| events.push(event)));
        (events, frames.is_between())
    }

    proptest! {
        /// However the bytes are cut.
        #[test]
        fn frames_are_told_apart(size in 1usize..40) {
            let all = [
                vec![b'P'; PREFACE],
                frame(4, 0, 12),
                frame(HEADERS, 0, 30),
                frame(CONTINUATION, 0, 0),
                frame(CONTINUATION, END_HEADERS, 7),
                frame(DATA, 1, 100),
                frame(PING, 0, 8),
                frame(PING, ACK, 8),
                frame(HEADERS, END_HEADERS | 1, 0),
            ];
            let (events, whole) = events(all.concat().chunks(size).map(<[u8]>::to_vec));
            let expected =
                [Event::Headers, Event::HeadersEnd, Event::Data, Event::Ping, Event::Headers, Event::HeadersEnd];
            prop_assert_eq!(&events, &expected);
            prop_assert!(whole);
        }

        #[test]
        fn any_bytes_are_taken(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
            events(pieces.into_iter());
        }
    }

    #[test]
    fn a_block_that_drips_stays_open() {
        let mut drip = frame(HEADERS, END_HEADERS, 20);
        let last = drip.pop().unwrap();
        let first = [vec![0; PREFACE], drip].concat();
        assert_eq!(events([first.clone()].into_iter()), (vec![Event::Headers], false));
        assert_eq!(events([first, vec![last]].into_iter()), (vec![Event::Headers, Event::HeadersEnd], true));
    }
}
