//! Header compression of HTTP/2, read. Source: RFC 7541.
//!
//! A connection may have been joined midway: then the entries that came before are not known, and a field that refers
//! to them is told without its name or value. Everything that came since is right, since entries are counted from the
//! newest. Where only a part of the stream was missed, the earlier ones are kept aside: a request that makes sense with
//! just one number of missed entries shows how many there were.

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
    /// What was there before a part of the stream was missed, until it is known how many entries came meanwhile.
    before: Vec<Entry>,
    size: usize,
    capacity: usize,
    /// Entries may have come that were not seen.
    joined: bool,
}

/// How many entries may have been missed at once for the earlier ones to be found again.
const MISSED: usize = 24;

/// A representation of a field, or a change of the table's size.
enum Piece {
    Indexed(usize),
    Capacity(usize),
    Literal {
        /// It becomes an entry.
        keeps: bool,
        /// The entry whose name it has; 0 if it brings its own.
        index: usize,
        name: (Option<String>, usize),
        value: (Option<String>, usize),
    },
}

impl Decoder {
    /// The table at a connection's begin, or of one that was joined midway.
    pub fn new(joined: bool) -> Self {
        Self { entries: VecDeque::new(), before: Vec::new(), size: 0, capacity: 4096, joined }
    }

    /// Entries may have been missed: what is there cannot be counted on.
    pub fn miss(&mut self) {
        self.before.clear();
        self.entries.clear();
        self.size = 0;
        self.joined = true;
    }

    /// Entries may have been missed, and those that are there are right: a later block may show how many were.
    pub fn doubt(&mut self) {
        if !self.entries.is_empty() {
            self.before = std::mem::take(&mut self.entries).into();
        }
        self.size = 0;
        self.joined = true;
    }

    /// Reads a header block.
    ///
    /// # Errors
    /// If the block is none. The table then is as after [`Self::miss`].
    pub fn decode(&mut self, block: &[u8], mut field: impl FnMut(Field<'_>)) -> Result<(), Damaged> {
        self.find_place(block);
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

    /// Reads what there is of a header block whose end was not seen.
    pub fn decode_begin(&mut self, block: &[u8], mut field: impl FnMut(Field<'_>)) {
        let mut rest = block;
        while let Some(after) = self.step(rest, &mut field) {
            rest = after;
        }
        self.doubt();
    }

    /// Finds out how many entries were missed: only with the right number does a block that refers to the earlier ones
    /// make sense.
    fn find_place(&mut self, block: &[u8]) {
        if self.before.is_empty() {
            return;
        }
        let mut fitting = (0..=MISSED).filter(|missed| self.fits(block, *missed));
        if let (Some(missed), None) = (fitting.next(), fitting.next()) {
            let unknown = || Entry { name: None, value: None, size: 0 };
            self.entries.extend(std::iter::repeat_with(unknown).take(missed));
            self.entries.extend(std::mem::take(&mut self.before));
            self.size = self.entries.iter().map(|entry| entry.size).sum();
            self.evict();
        }
    }

    /// Whether a block's names are those of a request or a response if so many entries were missed, and whether it
    /// refers to any from before.
    fn fits(&self, block: &[u8], missed: usize) -> bool {
        let (mut rest, mut inserted, mut used) = (block, VecDeque::new(), false);
        let (mut pseudo, mut regular) = (Vec::new(), false);
        while !rest.is_empty() {
            let Some((piece, after)) = piece(rest) else { return false };
            rest = after;
            let (index, own, keeps) = match piece {
                Piece::Capacity(_) => continue,
                Piece::Indexed(index) => (index, None, false),
                Piece::Literal { keeps, index, name, .. } => (index, name.0, keeps),
            };
            let name: Option<String> = match index.checked_sub(1) {
                None => own,
                Some(index) => match TABLE.get(index) {
                    Some((name, _)) => Some((*name).to_owned()),
                    None => {
                        let at = index - TABLE.len();
                        let known = inserted.len() + self.entries.len();
                        let earlier = at.checked_sub(known + missed);
                        used |= earlier.is_some();
                        let entry = match earlier {
                            Some(earlier) => self.before.get(earlier),
                            None if at >= known => return false,
                            None => at.checked_sub(inserted.len()).and_then(|at| self.entries.get(at)),
                        };
                        match (entry, inserted.get(at)) {
                            (Some(entry), _) => entry.name.as_deref().map(str::to_owned),
                            (None, Some(name)) if earlier.is_none() => Option::clone(name),
                            _ => return false,
                        }
                    }
                },
            };
            if keeps {
                inserted.push_front(name.clone());
            }
            match name {
                Some(name) if name.starts_with(':') => {
                    if regular || pseudo.contains(&name) {
                        return false;
                    }
                    pseudo.push(name);
                }
                _ => regular = true,
            }
        }
        let has = |name: &str| pseudo.iter().any(|known| known == name);
        let is_request = has(":method") && has(":path") && !has(":status");
        used && (is_request || (has(":status") && pseudo.len() == 1))
    }

    fn step<'a>(&mut self, block: &'a [u8], field: &mut impl FnMut(Field<'_>)) -> Option<&'a [u8]> {
        let (piece, rest) = piece(block)?;
        match piece {
            Piece::Indexed(index) => {
                let (name, value) = self.entry(index)?;
                field(Field { name, value });
            }
            Piece::Capacity(capacity) => {
                self.capacity = capacity;
                self.evict();
                return (capacity <= LARGEST).then_some(rest);
            }
            Piece::Literal { keeps, index, name, value } => {
                let (name, name_len) = match index {
                    0 => (name.0.map(String::into_boxed_str), name.1),
                    index => {
                        let (name, _) = self.entry(index)?;
                        (name.map(Box::from), name.map_or(0, str::len))
                    }
                };
                field(Field { name: name.as_deref(), value: value.0.as_deref() });
                if keeps {
                    let size = name_len + value.1 + 32;
                    self.size += size;
                    self.entries.push_front(Entry { name, value: value.0.map(String::into_boxed_str), size });
                    self.evict();
                }
            }
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

/// The first piece of a block, and what follows.
fn piece(block: &[u8]) -> Option<(Piece, &[u8])> {
    let first = *block.first()?;
    if first & 0x80 != 0 {
        let (index, rest) = integer(block, 7)?;
        return Some((Piece::Indexed(index), rest));
    }
    if first & 0xe0 == 0x20 {
        let (capacity, rest) = integer(block, 5)?;
        return Some((Piece::Capacity(capacity), rest));
    }
    let keeps = first & 0xc0 == 0x40;
    let (index, mut rest) = integer(block, if keeps { 6 } else { 4 })?;
    let mut name = (None, 0);
    if index == 0 {
        let (text, len, after) = string(rest)?;
        (name, rest) = ((text, len), after);
    }
    let (value, len, rest) = string(rest)?;
    Some((Piece::Literal { keeps, index, name, value: (value, len) }, rest))
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

    /// A request that refers to entries by their place, the newest being 62.
    fn request(path: u8, more: &[u8]) -> Vec<u8> {
        [&[0x83u8, 0x86, 0x80 | path][..], more].concat()
    }

    #[test]
    fn after_a_doubt_a_request_shows_what_was_missed() {
        let path = |path: &str| [&[0x44u8, path.len() as u8][..], path.as_bytes()].concat();
        let more = [0x41, 1, b'h', 0x5f, 2, b'c', b't', 0x40, 2, b't', b'e', 1, b't'];
        let first = [&[0x83u8, 0x86][..], &path("/a/B"), &more].concat();
        let expected = pairs(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/a/B"),
            (":authority", "h"),
            ("content-type", "ct"),
            ("te", "t"),
        ]);
        for missed in [0, 1, 3] {
            let mut decoder = Decoder::new(false);
            assert_eq!(read(&mut decoder, &first).unwrap(), expected);
            decoder.doubt();
            decoder.doubt();
            let again = request(65 + missed, &[0xc0 + missed, 0xbf + missed, 0xbe + missed]);
            assert_eq!(read(&mut decoder, &again).unwrap(), expected, "{missed}");
        }
    }

    #[test]
    fn a_doubt_that_stays_tells_nothing_wrong() {
        let mut decoder = Decoder::new(false);
        for name in ["/a", "/b", "/c"] {
            let block = [&[0x83u8, 0x86, 0x44, 2][..], name.as_bytes()].concat();
            read(&mut decoder, &block).unwrap();
        }
        decoder.doubt();
        // Any of the three may be meant.
        assert_eq!(read(&mut decoder, &request(63, &[])).unwrap()[2], ("?".to_owned(), "?".to_owned()));
        // A block whose end was not seen: what came before it stands.
        let mut decoder = Decoder::new(false);
        read(&mut decoder, &[0x83, 0x86, 0x44, 2, b'/', b'x', 0x41, 1, b'h']).unwrap();
        let mut seen = 0;
        decoder.decode_begin(&[0x83, 0x86, 0xbf, 0xbe, 0x40, 9, b'c'], |_| seen += 1);
        assert_eq!(seen, 4);
        assert_eq!(read(&mut decoder, &request(64, &[0xbf])).unwrap()[2].1, "/x");
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
            for (at, block) in blocks.iter().enumerate() {
                match at % 3 {
                    2 => decoder.decode_begin(block, |_| {}),
                    _ => drop(decoder.decode(block, |_| {})),
                }
                if at % 2 == 1 {
                    decoder.doubt();
                }
                prop_assert!(decoder.size <= LARGEST);
            }
        }
    }
}
