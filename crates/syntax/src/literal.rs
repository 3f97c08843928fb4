//! What literals mean.

use std::sync::Arc;

use crate::Number;
use crate::ast::LiteralValue;
use crate::token::TokenKind;

/// Why a literal has no meaning, relative to its start.
pub(crate) struct Problem {
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) message: &'static str,
    pub(crate) help: &'static str,
}

/// The meaning of a literal token as written, quotes included.
pub(crate) fn decode(kind: TokenKind, raw: &str) -> Result<LiteralValue, Problem> {
    match kind {
        TokenKind::Number | TokenKind::Float => number(kind, raw).map(LiteralValue::Number).ok_or(Problem {
            offset: 0,
            len: raw.len(),
            message: "number is out of range",
            help: "the largest number is about 1.8e308",
        }),
        TokenKind::String => string(raw).map(LiteralValue::String),
        TokenKind::Bool => Ok(LiteralValue::Bool(raw == "true")),
        _ => Ok(LiteralValue::Null),
    }
}

/// Digits are a signed, then an unsigned integer, then a float; a leading zero means octal where all digits are octal.
fn number(kind: TokenKind, raw: &str) -> Option<Number> {
    if kind == TokenKind::Number {
        let (digits, base) = match raw.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => (octal, 8),
            _ => (raw, 10),
        };
        if let Ok(int) = i64::from_str_radix(digits, base) {
            return Some(Number::Int(int));
        }
        if let Ok(uint) = u64::from_str_radix(digits, base) {
            return Some(Number::Uint(uint));
        }
    }
    raw.parse::<f64>().ok().filter(|float| float.is_finite()).map(Number::Float)
}

fn string(raw: &str) -> Result<Arc<str>, Problem> {
    if let Some(inside) = raw.strip_prefix('`').and_then(|r| r.strip_suffix('`')) {
        return Ok(if inside.contains('\r') { inside.replace('\r', "").into() } else { inside.into() });
    }
    let malformed = || Problem { offset: 0, len: raw.len(), message: "invalid string literal", help: "" };
    let inside = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).ok_or_else(malformed)?;
    if !inside.contains('\\') {
        return Ok(inside.into());
    }
    let mut bytes = Vec::with_capacity(inside.len());
    // Where the escapes that gave a raw byte stand: (index into `bytes`, offset in `raw`, length).
    let mut raw_bytes = Vec::new();
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at..];
        let offset = raw.len() - 1 - escape.len();
        let (len, meaning) = unescape(escape).ok_or_else(malformed)?;
        match meaning {
            Meaning::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Meaning::Byte(byte) => {
                raw_bytes.push((bytes.len(), offset, len));
                bytes.push(byte);
            }
        }
        rest = &escape[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map(Into::into).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        // What is not an escape was text already: the first byte at or behind the fault that an escape gave is at fault.
        let (offset, len) = raw_bytes
            .iter()
            .find(|(index, ..)| *index >= at)
            .map_or((0, raw.len()), |(_, offset, len)| (*offset, *len));
        Problem {
            offset,
            len,
            message: "escape sequence does not yield valid UTF-8",
            help: "strings are UTF-8 text: write the character itself, or its code point as \\uNNNN",
        }
    })
}

enum Meaning {
    Char(char),
    Byte(u8),
}

/// The escape at the start of `text`: its length and what it stands for.
fn unescape(text: &str) -> Option<(usize, Meaning)> {
    let of = |from: usize, len: usize, base: u32| -> Option<u32> {
        u32::from_str_radix(text.get(from..from + len)?, base).ok()
    };
    let plain = |c: char| Some((2, Meaning::Char(c)));
    match *text.as_bytes().get(1)? {
        b'a' => plain('\x07'),
        b'b' => plain('\x08'),
        b'f' => plain('\x0c'),
        b'n' => plain('\n'),
        b'r' => plain('\r'),
        b't' => plain('\t'),
        b'v' => plain('\x0b'),
        b'\\' => plain('\\'),
        b'"' => plain('"'),
        b'0'..=b'7' => Some((4, Meaning::Byte(u8::try_from(of(1, 3, 8)?).ok()?))),
        b'x' => Some((4, Meaning::Byte(u8::try_from(of(2, 2, 16)?).ok()?))),
        b'u' => Some((6, Meaning::Char(char::from_u32(of(2, 4, 16)?)?))),
        b'U' => Some((10, Meaning::Char(char::from_u32(of(2, 8, 16)?)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> String {
        match decode(TokenKind::String, raw) {
            Ok(LiteralValue::String(text)) => text.to_string(),
            Ok(other) => panic!("{other:?}"),
            Err(problem) => format!("{}+{}: {}", problem.offset, problem.len, problem.message),
        }
    }

    #[test]
    fn numbers_fall_through_from_signed_to_float() {
        let show = |raw: &str| {
            let kind = if raw.contains(['.', 'e', 'E']) { TokenKind::Float } else { TokenKind::Number };
            format!("{:?}", number(kind, raw))
        };
        assert_eq!(show("0755"), "Some(Int(493))");
        assert_eq!(show("08"), "Some(Float(8.0))");
        assert_eq!(show("0"), "Some(Int(0))");
        assert_eq!(show("00"), "Some(Int(0))");
        assert_eq!(show("9223372036854775807"), "Some(Int(9223372036854775807))");
        assert_eq!(show("9223372036854775808"), "Some(Uint(9223372036854775808))");
        assert_eq!(show("18446744073709551616"), "Some(Float(1.8446744073709552e19))");
        assert_eq!(show("1."), "Some(Float(1.0))");
        assert_eq!(show(".5"), "Some(Float(0.5))");
        assert_eq!(show("1.e2"), "Some(Float(100.0))");
        assert_eq!(show("1.5E-7"), "Some(Float(1.5e-7))");
        assert_eq!(show("1e999"), "None");
        assert_eq!(show(&"9".repeat(400)), "None");
    }

    #[test]
    fn escapes() {
        assert_eq!(text(r#""\a\b\f\n\r\t\v\\\"""#), "\x07\x08\x0c\n\r\t\x0b\\\"");
        assert_eq!(text(r#""\101\x41\u00e9\U0001F600""#), "AAé😀");
        assert_eq!(text(r#""\xc3\xa9""#), "é");
        assert_eq!(text(r#""\303é""#), "1+4: escape sequence does not yield valid UTF-8");
        assert_eq!(text(r#""é\xff""#), "3+4: escape sequence does not yield valid UTF-8");
        assert_eq!(text("`a\r\n\\n`"), "a\n\\n");
        assert_eq!(text("\"a\tb\""), "a\tb");
    }
}
