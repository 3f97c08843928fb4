//! HPACK's Huffman code. It is canonical: the lengths of the codes say all. Source: RFC 7541, appendix B.

use std::sync::OnceLock;

/// How many bits each byte takes; the last is the end of the text, which must not occur.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

const END: u16 = 256;
const LONGEST: usize = 30;

/// The codes by length: of each length the first code, how many there are, and where their symbols stand.
struct Code {
    first: [u32; LONGEST + 1],
    count: [u32; LONGEST + 1],
    start: [usize; LONGEST + 1],
    symbols: [u16; 257],
}

fn code() -> &'static Code {
    static CODE: OnceLock<Code> = OnceLock::new();
    CODE.get_or_init(|| {
        let mut code =
            Code { first: [0; LONGEST + 1], count: [0; LONGEST + 1], start: [0; LONGEST + 1], symbols: [0; 257] };
        let (mut next, mut placed) = (0, 0);
        for length in 1..=LONGEST {
            next <<= 1;
            (code.first[length], code.start[length]) = (next, placed);
            for symbol in (0..=END).filter(|symbol| usize::from(LENGTHS[usize::from(*symbol)]) == length) {
                code.symbols[placed] = symbol;
                placed += 1;
                code.count[length] += 1;
                next += 1;
            }
        }
        code
    })
}

/// The text behind a code; `None` if it is none. What is longer than `most` bytes is cut.
pub fn decode(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let table = code();
    let mut out = Vec::with_capacity((bytes.len() * 8 / 5).min(most));
    let (mut code, mut length) = (0u32, 0usize);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            if length > LONGEST {
                return None;
            }
            let Some(at) = code.checked_sub(table.first[length]).filter(|at| *at < table.count[length]) else {
                continue;
            };
            let symbol = table.symbols[table.start[length] + at as usize];
            let byte = u8::try_from(symbol).ok()?;
            if out.len() < most {
                out.push(byte);
            }
            (code, length) = (0, 0);
        }
    }
    // Filled up with the begin of the end's code: ones, less than a byte of them.
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The reverse, for tests.
    pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
        let table = code();
        let mut bits = Vec::new();
        for byte in text {
            let length = usize::from(LENGTHS[usize::from(*byte)]);
            let place = table.symbols.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap();
            let code = table.first[length] + (place - table.start[length]) as u32;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
        }
        bits.resize(bits.len().next_multiple_of(8), true);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | u8::from(*bit))).collect()
    }

    #[test]
    fn examples_of_the_specification() {
        let host = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&host, 100).unwrap(), b"www.example.com");
        assert_eq!(decode(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], 100).unwrap(), b"no-cache");
        assert_eq!(decode(&[0xff, 0xff], 100), None);
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff], 100), None, "the end");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read(text in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(decode(&encode(&text), 1000), Some(text));
        }

        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&bytes, 20);
        }
    }
}
