//! The tokens of JSON (RFC 8259), read in place.

use std::borrow::Cow;

use super::{JsonError, MAX_DEPTH};

type Result<T> = std::result::Result<T, JsonError>;

/// A position in a document.
pub(super) struct Lexer<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Lexer<'a> {
    /// Starts reading; the document must be UTF-8.
    pub(super) fn new(document: &'a [u8]) -> Result<Self> {
        match simdutf8::compat::from_utf8(document) {
            Ok(text) => Ok(Self { text, pos: 0 }),
            Err(error) => Err(JsonError::new("the text is not UTF-8", error.valid_up_to())),
        }
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    pub(super) fn error(&self, message: impl Into<String>) -> JsonError {
        JsonError::new(message, self.pos)
    }

    /// The first byte of the next token; `None` at the end.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.pos) {
            self.pos += 1;
        }
        bytes.get(self.pos).copied()
    }

    /// Takes a one-byte token if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    /// Takes a one-byte token that must be next.
    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(what)) }
    }

    /// An error that says what stands here instead of what was expected.
    pub(super) fn unexpected(&mut self, expected: &str) -> JsonError {
        let found = match self.peek() {
            None => "the end of the document",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b't' | b'f') => "a truth value",
            Some(b'n') => "null",
            Some(_) => {
                let rest = &self.text[self.pos..];
                let found: String = rest.chars().take(1).collect();
                return self.error(format!("expected {expected}, found {found:?}"));
            }
        };
        self.error(format!("expected {expected}, found {found}"))
    }

    /// Only white space may be left.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.error("there is something after the end of the document")) }
    }

    /// Takes `null` if it is next.
    pub(super) fn null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.word("null")
    }

    /// A truth value.
    pub(super) fn bool(&mut self) -> Result<bool> {
        self.peek();
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(self.unexpected("true or false"))
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = &self.text.as_bytes()[self.pos..];
        let found =
            rest.starts_with(word.as_bytes()) && !rest.get(word.len()).is_some_and(|byte| byte.is_ascii_alphanumeric());
        self.pos += if found { word.len() } else { 0 };
        found
    }

    /// A number, as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        self.peek();
        let rest = &self.text[self.pos..];
        let len = number_len(rest.as_bytes());
        match rest.as_bytes().get(len) {
            _ if len == 0 => Err(self.unexpected("a number")),
            Some(b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'_') => {
                Err(self.error("this is not a number that JSON allows"))
            }
            _ => {
                self.pos += len;
                Ok(&rest[..len])
            }
        }
    }

    /// A string. One without escapes is borrowed.
    pub(super) fn string(&mut self, what: &str) -> Result<Cow<'a, str>> {
        self.expect(b'"', what)?;
        let rest = &self.text[self.pos..];
        let end = plain_len(rest.as_bytes());
        if rest.as_bytes().get(end) == Some(&b'"') {
            self.pos += end + 1;
            return Ok(Cow::Borrowed(&rest[..end]));
        }
        let mut out = String::new();
        loop {
            let rest = &self.text[self.pos..];
            let end = plain_len(rest.as_bytes());
            out.push_str(&rest[..end]);
            self.pos += end;
            match rest.as_bytes().get(end) {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error("a control character in a string must be escaped")),
                None => return Err(self.error("the document ends within a string")),
            }
        }
    }

    /// An escape; the backslash is next. A lone surrogate becomes U+FFFD.
    fn escape(&mut self) -> Result<char> {
        let byte = self.text.as_bytes().get(self.pos + 1).copied();
        let plain = match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let Some(first) = self.hex(self.pos + 2) else {
                    return Err(self.error("\\u must be followed by four hexadecimal digits"));
                };
                self.pos += 6;
                if (0xd800..0xdc00).contains(&first)
                    && self.text.as_bytes()[self.pos..].starts_with(b"\\u")
                    && let Some(second) = self.hex(self.pos + 2).filter(|second| (0xdc00..0xe000).contains(second))
                {
                    self.pos += 6;
                    let scalar = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return Err(self.error("this escape is not one that JSON has")),
        };
        self.pos += 2;
        Ok(plain)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(digits, 16).ok()
    }

    /// Goes past a value of any type. `depth` is the nesting around it.
    pub(super) fn skip(&mut self, depth: u32) -> Result<()> {
        match self.peek() {
            Some(b'"') => self.string("a string").map(drop),
            Some(b'{') => self.object(depth, |lexer, _, depth| lexer.skip(depth)),
            Some(b'[') => self.array(depth, |lexer, _, depth| lexer.skip(depth)),
            Some(b't' | b'f') => self.bool().map(drop),
            Some(b'n') if self.null() => Ok(()),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Reads an object; `member` reads each value.
    pub(super) fn object(
        &mut self,
        depth: u32,
        mut member: impl FnMut(&mut Self, Cow<'a, str>, u32) -> Result<()>,
    ) -> Result<()> {
        self.expect(b'{', "an object")?;
        let depth = self.deeper(depth)?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string("a name in quotes")?;
            self.expect(b':', "\":\"")?;
            member(self, key, depth)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "\",\" or \"}\"")?;
        }
    }

    /// Reads an array; `element` reads each value and is given its index.
    pub(super) fn array(
        &mut self,
        depth: u32,
        mut element: impl FnMut(&mut Self, usize, u32) -> Result<()>,
    ) -> Result<()> {
        self.expect(b'[', "an array")?;
        let depth = self.deeper(depth)?;
        if self.take(b']') {
            return Ok(());
        }
        for index in 0.. {
            element(self, index, depth)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',', "\",\" or \"]\"")?;
        }
        Ok(())
    }

    fn deeper(&self, depth: u32) -> Result<u32> {
        if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(self.error(format!("nested more than {MAX_DEPTH} deep"))) }
    }
}

/// The number of bytes up to a quote, a backslash or a control character.
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // Sets the high bit of the lowest byte that is zero (and maybe of bytes above it).
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// The length of the number at the start, 0 if there is none.
pub(super) fn number_len(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut pos = usize::from(bytes.first() == Some(&b'-'));
    match bytes.get(pos) {
        Some(b'0') => pos += 1,
        Some(b'1'..=b'9') => pos += digits(pos),
        _ => return 0,
    }
    if bytes.get(pos) == Some(&b'.') {
        match digits(pos + 1) {
            0 => return pos,
            count => pos += 1 + count,
        }
    }
    if let Some(b'e' | b'E') = bytes.get(pos) {
        let sign = usize::from(matches!(bytes.get(pos + 1), Some(b'+' | b'-')));
        match digits(pos + 1 + sign) {
            0 => return pos,
            count => pos += 1 + sign + count,
        }
    }
    pos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_bytes_are_found_wherever_they_stand() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for before in 0..20 {
                for other in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut bytes = vec![other; 24];
                    assert_eq!(plain_len(&bytes), 24);
                    bytes[before] = special;
                    bytes[22] = special;
                    assert_eq!(plain_len(&bytes), before, "{special} after {other}");
                }
            }
        }
    }
}
