//! Finds the end of a chunked body, in bytes that may come in any pieces.
//!
//! Only the sizes are read; the chunks are skipped. Source: RFC 9112, section 7.1.

/// Where in a chunked body one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the hexadecimal digits of a size.
    Size { size: u64, digits: u8 },
    /// After the digits, before the end of the line.
    Extension { size: u64 },
    /// In the data of a chunk, or in the line end after it.
    Data { left: u64 },
    /// After the last chunk: lines up to an empty one. Whether the present line has something in it.
    Trailer { used: bool },
}

/// Follows a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    state: State,
    data: u64,
    /// The size of the last chunk.
    last: u64,
}

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The body goes on.
    More,
    /// It ended after so many of the bytes.
    End(usize),
    /// This is no chunked body.
    Broken,
}

/// Goes over so many bytes of a chunk and the line end behind it; how many of them are data.
fn pass(left: &mut u64, step: u64) -> u64 {
    const LINE_END: u64 = 2;
    let before = left.saturating_sub(LINE_END);
    *left -= step;
    before - left.saturating_sub(LINE_END)
}

/// The digits of a size, and the line ends behind them and behind the data.
fn around(size: u64) -> u64 {
    u64::from((u64::BITS - size.leading_zeros()).div_ceil(4).max(1)) + 4
}

/// How much data bytes hold that begin with a size, if their chunks are like the last one; and where they lead.
fn like(last: u64, bytes: u64) -> (u64, Skipped) {
    const END: u64 = b"0\r\n\r\n".len() as u64;
    let whole = last.saturating_add(around(last));
    let (chunks, rest) = if last == 0 { (0, bytes) } else { (bytes / whole, bytes % whole) };
    match rest {
        0 => (chunks * last, Skipped::Inside),
        END => (chunks * last, Skipped::End),
        rest => {
            // A shorter one and the end, most likely; but that is not known.
            let mut shorter = (1..=16).filter_map(|digits| rest.checked_sub(END + 4 + digits));
            let size = shorter.find(|size| *size > 0 && *size + around(*size) + END == rest);
            (chunks * last + size.unwrap_or(rest), Skipped::Lost)
        }
    }
}

/// Where bytes that were not captured have led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// The body goes on, at a known place.
    Inside,
    /// The body has ended.
    End,
    /// It is not known where one is.
    Lost,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size { size: 0, digits: 0 }, data: 0, last: 0 }
    }
}

impl Chunks {
    /// The bytes of data so far, without what frames them.
    pub fn data(&self) -> u64 {
        self.data
    }

    /// Goes over `len` bytes that were not captured, up to the end of a call. What is behind the data of the present
    /// chunk is taken for more chunks of the same size, as far as it has the length of such, and for the end of the body
    /// if it has the length of an end: servers write equal chunks, the last one and the end in one call.
    pub fn skip(&mut self, len: u64) -> Skipped {
        let over = match &mut self.state {
            State::Data { left } => {
                let step = len.min(*left);
                self.data += pass(left, step);
                if *left > 0 {
                    return Skipped::Inside;
                }
                len - step
            }
            State::Size { digits: 0, .. } => len,
            _ if len == 0 => return Skipped::Inside,
            _ => return Skipped::Lost,
        };
        self.state = State::Size { size: 0, digits: 0 };
        let (data, skipped) = like(self.last, over);
        self.data = self.data.saturating_add(data);
        skipped
    }

    /// Goes over captured bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match &mut self.state {
                State::Size { size, digits } => match (byte as char).to_digit(16) {
                    Some(digit) if *digits < 16 => {
                        *size = *size << 4 | u64::from(digit);
                        *digits += 1;
                    }
                    Some(_) => return Progress::Broken,
                    None if *digits == 0 => return Progress::Broken,
                    None => {
                        self.state = State::Extension { size: *size };
                        continue;
                    }
                },
                State::Extension { size } => {
                    if byte == b'\n' {
                        self.state = match *size {
                            0 => State::Trailer { used: false },
                            // The line end after the data is skipped with it.
                            size => {
                                self.last = size;
                                State::Data { left: size.saturating_add(2) }
                            }
                        };
                    }
                }
                State::Data { left } => {
                    let step = (*left).min((bytes.len() - at) as u64);
                    self.data += pass(left, step);
                    at += step as usize;
                    if *left == 0 {
                        self.state = State::Size { size: 0, digits: 0 };
                    }
                    continue;
                }
                State::Trailer { used } => match byte {
                    b'\n' if !*used => return Progress::End(at + 1),
                    b'\n' => *used = false,
                    b'\r' => {}
                    _ => *used = true,
                },
            }
            at += 1;
        }
        Progress::More
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_is_found_with_extensions_and_trailers() {
        let body = b"4;a=b\r\nWiki\r\n5\r\npedia\r\n0\r\nDigest: x\r\n\r\nHTTP/1.1";
        let mut chunks = Chunks::default();
        assert_eq!(chunks.feed(body), Progress::End(body.len() - 8));
        assert_eq!(chunks.data(), 9);
        assert_eq!(Chunks::default().feed(b"xyz"), Progress::Broken);
        assert_eq!(Chunks::default().feed(b"11111111111111111\r\n"), Progress::Broken);
    }

    #[test]
    fn data_that_was_not_captured_is_skipped() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.feed(b"10\r\nabcd"), Progress::More);
        assert_eq!(chunks.skip(12), Skipped::Inside);
        assert_eq!(chunks.feed(b"\r\n0\r\n\r\n"), Progress::End(7));
        assert_eq!(chunks.data(), 16);
        let mut chunks = Chunks::default();
        assert_eq!(chunks.feed(b"3\r\nab"), Progress::More);
        assert_eq!(chunks.skip(100), Skipped::Lost);
        let mut chunks = Chunks::default();
        assert_eq!(chunks.feed(b"3e8\r\nab"), Progress::More);
        assert_eq!(chunks.skip(998 + 2 + 5), Skipped::End);
        assert_eq!(chunks.data(), 1000);
    }

    #[test]
    fn chunks_that_were_not_captured_are_taken_for_equal_ones() {
        let begin = |more: u64| {
            let mut chunks = Chunks::default();
            assert_eq!(chunks.feed(b"3e8\r\nab"), Progress::More);
            (chunks.skip(998 + 2 + more), chunks.data())
        };
        assert_eq!(begin(3 * 1007), (Skipped::Inside, 4000));
        assert_eq!(begin(3 * 1007 + 5), (Skipped::End, 4000));
        // A shorter one before the end: 1f4 is 500.
        assert_eq!(begin(3 * 1007 + 507 + 5), (Skipped::Lost, 4500));
        assert_eq!(begin(3), (Skipped::Lost, 1003));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            sizes in prop::collection::vec(1usize..300, 0..5),
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let mut body = Vec::new();
            for size in &sizes {
                body.extend_from_slice(format!("{size:x}\r\n").as_bytes());
                body.extend(std::iter::repeat_n(b'0', *size));
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let mut chunks = Chunks::default();
            let (mut rest, mut cuts) = (body.as_slice(), cuts.iter().cycle());
            loop {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                match chunks.feed(piece) {
                    Progress::More => prop_assert!(!after.is_empty()),
                    Progress::End(at) => {
                        prop_assert!(after.is_empty() && at == piece.len());
                        break;
                    }
                    Progress::Broken => prop_assert!(false),
                }
                rest = after;
            }
            prop_assert_eq!(chunks.data(), sizes.iter().sum::<usize>() as u64);
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), skip in any::<u64>()) {
            let mut chunks = Chunks::default();
            chunks.feed(&bytes);
            chunks.skip(skip);
            chunks.feed(&bytes);
        }
    }
}
