//! Header compression of HTTP/2, read. Source: RFC 7541.
//!
//! A connection may have been joined midway: then the entries that came before are not known, and a field that refers
//! to them is told without its name or value. Everything that came since is right, since entries are counted from the
//! newest.

use std::collections::VecDeque;

use super::huffman;
use super::static_table::TABLE;

/// The longest text that is kept; what is longer is cut, and cut the same wherever it is referred to.
const LONGEST: usize = 4096;
/// The largest table that is followed.
const LARGEST: usize = 64 * 1024;

/// A field of a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name; `None` if it stands in a part of the table that was not seen.
    pub name: Option<&'a str>,
    /// Its value; `None` likewise.
    pub value: Option<&'a str>,
}

/// The header block is damaged: the table cannot be trusted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

#[derive(Debug)]
struct Entry {
    name: Option<Box<str>>,
    value: Option<Box<str>>,
    /// What the entry counts, whatever was kept of it.
    size: usize,
}

/// The table of one direction.
#[derive(Debug)]
pub struct Decoder {
    entries: VecDeque<Entry>,
    size: usize,
    capacity: usize,
    /// Entries may have come that were not seen.
    joined: bool,
}

impl Decoder {
    /// The table at a connection's begin, or of one that was joined midway.
    pub fn new(joined: bool) -> Self {
        Self { entries: VecDeque::new(), size: 0, capacity: 4096, joined }
    }

    /// Entries may have been missed: what is there cannot be counted on.
    pub fn miss(&mut self) {
        self.entries.clear();
        self.size = 0;
        self.joined = true;
    }

    /// Reads a header block.
    ///
    /// # Errors
    /// If the block is none. The table then is as after [`Self::miss`].
    pub fn decode(&mut self, block: &[u8], mut field: impl FnMut(Field<'_>)) -> Result<(), Damaged> {
        let mut rest = block;
        while !rest.is_empty() {
            match self.step(rest, &mut field) {
                Some(after) => rest = after,
                None => {
                    self.miss();
                    return Err(Damaged);
                }
            }
        }
        Ok(())
    }

    fn step<'a>(&mut self, block: &'a [u8], field: &mut impl FnMut(Field<'_>)) -> Option<&'a [u8]> {
        let first = *block.first()?;
        if first & 0x80 != 0 {
            let (index, rest) = integer(block, 7)?;
            let (name, value) = self.entry(index)?;
            field(Field { name, value });
            return Some(rest);
        }
        if first & 0xe0 == 0x20 {
            let (capacity, rest) = integer(block, 5)?;
            self.capacity = capacity;
            self.evict();
            return (capacity <= LARGEST).then_some(rest);
        }
        let keeps = first & 0xc0 == 0x40;
        let (index, rest) = integer(block, if keeps { 6 } else { 4 })?;
        let mut rest = rest;
        let (name, name_len) = match index {
            0 => {
                let (text, len, after) = string(rest)?;
                rest = after;
                (text.map(String::into_boxed_str), len)
            }
            index => {
                let (name, _) = self.entry(index)?;
                (name.map(Box::from), name.map_or(0, str::len))
            }
        };
        let (value, value_len, rest) = string(rest)?;
        field(Field { name: name.as_deref(), value: value.as_deref() });
        if keeps {
            let size = name_len + value_len + 32;
            self.size += size;
            self.entries.push_front(Entry { name, value: value.map(String::into_boxed_str), size });
            self.evict();
        }
        Some(rest)
    }

    fn evict(&mut self) {
        while self.size > self.capacity {
            let Some(entry) = self.entries.pop_back() else { break };
            self.size -= entry.size;
        }
    }

    /// Name and value at an index; `None` if there can be none.
    fn entry(&self, index: usize) -> Option<(Option<&str>, Option<&str>)> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = TABLE.get(index) {
            return Some((Some(name), Some(value)));
        }
        match self.entries.get(index - TABLE.len()) {
            Some(entry) => Some((entry.name.as_deref(), entry.value.as_deref())),
            None => self.joined.then_some((None, None)),
        }
    }
}

/// A number whose first part has so many bits.
fn integer(bytes: &[u8], bits: u32) -> Option<(usize, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let most = (1usize << bits) - 1;
    let mut number = usize::from(first) & most;
    if number < most {
        return Some((number, rest));
    }
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        number += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number, rest));
        }
    }
    None
}

type Text<'a> = (Option<String>, usize, &'a [u8]);

/// A text, its length before it was cut, and what follows. What is not UTF-8 is told as not known.
fn string(bytes: &[u8]) -> Option<Text<'_>> {
    let huffman = bytes.first()? & 0x80 != 0;
    let (length, rest) = integer(bytes, 7)?;
    let (raw, rest) = rest.split_at_checked(length)?;
    let (mut bytes, length) = match huffman {
        true => {
            let whole = huffman::decode(raw, LONGEST * 4)?;
            let length = whole.len();
            (whole, length)
        }
        false => (raw.to_vec(), length),
    };
    bytes.truncate(LONGEST);
    let text = match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            String::from_utf8(bytes).ok()
        }
    };
    Some((text, length, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, Damaged> {
        let mut fields = Vec::new();
        decoder.decode(block, |field| {
            fields.push((field.name.unwrap_or("?").to_owned(), field.value.unwrap_or("?").to_owned()));
        })?;
        Ok(fields)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn examples_of_the_specification() {
        // RFC 7541, C.4: three requests on one connection.
        let mut decoder = Decoder::new(false);
        let first =
            [0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        let base = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        assert_eq!(read(&mut decoder, &first).unwrap(), pairs(&base));
        let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        let mut expected = base.to_vec();
        expected.push(("cache-control", "no-cache"));
        assert_eq!(read(&mut decoder, &second).unwrap(), pairs(&expected));
        assert_eq!(decoder.size, 57 + 53);
        let third = [
            0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25, 0xa8, 0x49,
            0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf,
        ];
        assert_eq!(
            read(&mut decoder, &third).unwrap(),
            pairs(&[
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/index.html"),
                (":authority", "www.example.com"),
                ("custom-key", "custom-value"),
            ])
        );
    }

    #[test]
    fn what_was_before_the_join_is_not_known_and_what_came_after_is() {
        let mut decoder = Decoder::new(true);
        assert_eq!(read(&mut decoder, &[0x82, 0xc0]).unwrap(), pairs(&[(":method", "GET"), ("?", "?")]));
        // A new entry whose name is not known, then one that is.
        assert_eq!(
            read(&mut decoder, &[0x7e, 1, b'x', 0x40, 1, b'a', 1, b'b']).unwrap(),
            pairs(&[("?", "x"), ("a", "b")])
        );
        assert_eq!(read(&mut decoder, &[0xbe, 0xbf]).unwrap(), pairs(&[("a", "b"), ("?", "x")]));
        let mut strict = Decoder::new(false);
        assert_eq!(read(&mut strict, &[0xc0]), Err(Damaged));
        assert_eq!(read(&mut strict, &[0xc0]).unwrap(), pairs(&[("?", "?")]), "as after a loss");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut decoder = Decoder::new(false);
        for n in 0..500u16 {
            let value = format!("{n:04}");
            let mut block = vec![0x40, 1, b'k', 4];
            block.extend_from_slice(value.as_bytes());
            read(&mut decoder, &block).unwrap();
        }
        assert!(decoder.size <= 4096 && decoder.entries.len() == 4096 / 37);
        read(&mut decoder, &[0x20]).unwrap();
        assert!(decoder.entries.is_empty());
        assert_eq!(read(&mut decoder, &[0x3f, 0xff, 0xff, 0x7f]), Err(Damaged), "a table of two million bytes");
    }

    proptest! {
        #[test]
        fn noise_never_panics(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)) {
            let mut decoder = Decoder::new(false);
            for block in blocks {
                let _ = decoder.decode(&block, |_| {});
                prop_assert!(decoder.size <= LARGEST);
            }
        }
    }
}
