//! JSON text and values, with the words of Go's decoder.

use std::sync::Arc;

use crate::quote;
use crate::value::{Number, Object, Value};

/// What JSON's numbers become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Always floats.
    Floats,
    /// Integers where the text has neither point nor exponent.
    Integers,
}

/// Deeper nesting than this is refused, so that no later walk over the value can exhaust the stack.
pub(super) const MAX_DEPTH: usize = 512;

/// One JSON value with nothing but blanks around it.
pub(super) fn parse(text: &str, numbers: Numbers) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0, numbers };
    parser.blanks();
    let value = parser.value(0)?;
    parser.blanks();
    match parser.peek() {
        None => Ok(value),
        Some(c) => Err(invalid(c, "after top-level value")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    numbers: Numbers,
}

fn invalid(c: char, context: &str) -> String {
    let shown = match c {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        c => format!("'{}'", quote(&c.to_string()).trim_matches('"')),
    };
    format!("invalid character {shown} {context}")
}

fn cut() -> String {
    "unexpected end of JSON input".to_owned()
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Result<char, String> {
        let c = self.peek().ok_or_else(cut)?;
        self.at += c.len_utf8();
        Ok(c)
    }

    /// The next character of a word or number; for Go such a token ends with a blank where the text ends.
    fn next_or_blank(&mut self) -> char {
        self.next().unwrap_or(' ')
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        match self.peek().ok_or_else(cut)? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => {
                self.at += 1;
                Ok(Value::string(self.string()?))
            }
            't' => self.word("true", Value::Bool(true)),
            'f' => self.word("false", Value::Bool(false)),
            'n' => self.word("null", Value::Null),
            '-' | '0'..='9' => self.number(),
            c => Err(invalid(c, "looking for beginning of value")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, String> {
        for expected in word.chars() {
            let c = self.next_or_blank();
            if c != expected {
                return Err(invalid(c, &format!("in literal {word} (expecting '{expected}')")));
            }
        }
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        self.blanks();
        let mut elements = Vec::new();
        if self.peek() == Some(']') {
            self.at += 1;
            return Ok(Value::array(elements));
        }
        loop {
            self.blanks();
            elements.push(self.value(depth + 1)?);
            self.blanks();
            match self.next()? {
                ',' => {}
                ']' => return Ok(Value::array(elements)),
                c => return Err(invalid(c, "after array element")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        self.blanks();
        let mut fields = Object::new();
        if self.peek() == Some('}') {
            self.at += 1;
            return Ok(Value::Object(Arc::new(fields)));
        }
        loop {
            self.blanks();
            match self.next()? {
                '"' => {}
                c => return Err(invalid(c, "looking for beginning of object key string")),
            }
            let key = self.string()?;
            self.blanks();
            match self.next()? {
                ':' => {}
                c => return Err(invalid(c, "after object key")),
            }
            self.blanks();
            fields.insert(key.into(), self.value(depth + 1)?);
            self.blanks();
            match self.next()? {
                ',' => {}
                '}' => return Ok(Value::Object(Arc::new(fields))),
                c => return Err(invalid(c, "after object key:value pair")),
            }
        }
    }

    /// The rest of a string whose opening quote has been read.
    fn string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(out),
                '\\' => match self.next()? {
                    c @ ('"' | '\\' | '/') => out.push(c),
                    'b' => out.push('\x08'),
                    'f' => out.push('\x0c'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    'u' => out.push(self.unicode()?),
                    c => return Err(invalid(c, "in string escape code")),
                },
                c if (c as u32) < 0x20 => return Err(invalid(c, "in string literal")),
                c => out.push(c),
            }
        }
    }

    /// A character from `\uXXXX`, or from a pair of them; a lone half becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex4()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let c = self.next()?;
            let digit = c.to_digit(16).ok_or_else(|| invalid(c, "in \\u hexadecimal character escape"))?;
            code = code * 16 + digit;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some('-') {
            self.at += 1;
        }
        match self.next_or_blank() {
            '0' => {}
            '1'..='9' => self.digits(),
            c => return Err(invalid(c, "in numeric literal")),
        }
        let mut whole = true;
        if self.peek() == Some('.') {
            whole = false;
            self.at += 1;
            self.first_digit("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            self.first_digit("in exponent of numeric literal")?;
        }
        let text = &self.text[start..self.at];
        if let (true, Numbers::Integers, Ok(n)) = (whole, self.numbers, text.parse()) {
            return Ok(Value::int(n));
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Value::Number(Number::Float(n))),
            _ => Err(format!("json: cannot unmarshal number {text} into Go value of type float64")),
        }
    }

    fn first_digit(&mut self, context: &str) -> Result<(), String> {
        match self.next_or_blank() {
            '0'..='9' => self.digits(),
            c => return Err(invalid(c, context)),
        }
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some('0'..='9')) {
            self.at += 1;
        }
    }
}

/// A JSON string; characters with a meaning in HTML are escaped.
pub(super) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A JSON number: floats with an exponent only from 1e21 on and below 1e-6. `None` for what is no number.
pub(super) fn number(number: Number) -> Option<String> {
    let Number::Float(n) = number else { return Some(number.to_string()) };
    if !n.is_finite() {
        return None;
    }
    if n != 0.0 && (n.abs() < 1e-6 || n.abs() >= 1e21) {
        let text = format!("{n:e}");
        // Positive exponents carry their sign.
        return Some(match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        });
    }
    Some(n.to_string())
}
