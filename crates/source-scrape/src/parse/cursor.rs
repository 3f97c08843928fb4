//! What the two text formats share: a place in the body, names, quoted strings and labels.

use super::{ParseError, Series};

/// A place in a body.
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
    /// Where the line begins.
    line: usize,
}

/// Labels that are being read, kept to be used again.
pub(super) type Scratch<'a> = Vec<(&'a [u8], &'a [u8])>;

/// How the formats differ between braces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Blanks anywhere, values over several lines, commas at will.
    Text,
    /// None of it.
    OpenMetrics,
    /// The same, and no name of a metric.
    Exemplar,
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn goes_on(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, line: 0 }
    }

    /// The next byte; 0 at the end.
    pub(super) fn peek(&self) -> u8 {
        self.body.get(self.at).copied().unwrap_or_default()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.body.len()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    pub(super) fn begin_line(&mut self) {
        self.line = self.at;
    }

    /// What has been read of the line.
    pub(super) fn read(&self) -> &'a [u8] {
        self.body.get(self.line..self.at).unwrap_or_default()
    }

    /// Skips spaces and tabs.
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') && !self.is_at_end() {
            self.at += 1;
        }
    }

    pub(super) fn take(&mut self, expected: &[u8]) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Up to one of these bytes, or to the end.
    pub(super) fn until(&mut self, stops: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|byte| stops(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Up to the end of the line, which is taken too.
    pub(super) fn line(&mut self) -> (&'a [u8], bool) {
        let rest = self.rest();
        match memchr::memchr(b'\n', rest) {
            Some(length) => {
                self.at += length + 1;
                (&rest[..length], true)
            }
            None => {
                self.at = self.body.len();
                (rest, false)
            }
        }
    }

    /// An error about the line that has been begun.
    pub(super) fn error(&self, expected: &str) -> ParseError {
        const SHOWN: usize = 120;
        let line = self.body[..self.line.min(self.body.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
        let read = self.read();
        let shown = String::from_utf8_lossy(&read[..read.len().min(SHOWN)]).into_owned();
        let got = match self.rest().first() {
            None => "the end of the body".to_owned(),
            Some(byte) => format!("{:?}", char::from(*byte)),
        };
        ParseError(format!("line {line}: expected {expected}, got {got} after {shown:?}"))
    }

    /// A metric's name without quotes; empty if there is none.
    pub(super) fn metric_name(&mut self) -> &'a [u8] {
        let first = self.peek();
        if !starts_name(first) && first != b':' {
            return &[];
        }
        self.until(|byte| !goes_on(byte) && byte != b':')
    }

    /// What stands between quotes, escapes and all; `None` if it does not end.
    pub(super) fn quoted(&mut self, lines: bool) -> Option<&'a [u8]> {
        let rest = self.rest().strip_prefix(b"\"")?;
        let mut from = 0;
        loop {
            let at = from + memchr::memchr2(b'"', b'\\', rest.get(from..)?)?;
            if !lines && memchr::memchr(b'\n', &rest[from..at]).is_some() {
                return None;
            }
            if rest[at] == b'"' {
                self.at += at + 2;
                return Some(&rest[..at]);
            }
            // What is escaped is no line end in either format.
            if matches!(rest.get(at + 1), None | Some(b'\n')) {
                return None;
            }
            from = at + 2;
        }
    }

    /// Labels and perhaps the name, after the opening brace and with the closing one.
    pub(super) fn labels(
        &mut self,
        style: Style,
        name: &mut Option<&'a [u8]>,
        labels: &mut Scratch<'a>,
    ) -> Result<(), ParseError> {
        let blanks = |cursor: &mut Self| {
            if style == Style::Text {
                cursor.skip_blanks();
            }
        };
        loop {
            blanks(self);
            let (label, is_quoted) = match self.peek() {
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                b'"' => match self.quoted(true) {
                    // A byte 0 is allowed in values only.
                    Some(text) if !text.contains(&0) => (text, true),
                    _ => return Err(self.error("a quoted name that ends")),
                },
                first if starts_name(first) => (self.until(|byte| !goes_on(byte)), false),
                _ => return Err(self.error("a label's name")),
            };
            blanks(self);
            match self.peek() {
                b',' | b'}' if is_quoted && style != Style::Exemplar => {
                    if name.replace(label).is_some() {
                        return Err(self.error("one metric name only"));
                    }
                    if self.peek() == b',' {
                        self.at += 1;
                    }
                    continue;
                }
                b'=' => self.at += 1,
                _ => return Err(self.error("'='")),
            }
            blanks(self);
            let value = self.quoted(style == Style::Text);
            let value = value.filter(|value| style != Style::Exemplar || !value.contains(&0));
            let value = value.ok_or_else(|| self.error("a quoted label value"))?;
            if std::str::from_utf8(value).is_err() {
                return Err(self.error("a label value in UTF-8"));
            }
            labels.push((label, value));
            blanks(self);
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {}
                _ if style == Style::Text => {}
                _ => return Err(self.error("',' or '}'")),
            }
        }
    }

    /// The name of a family in a line about it; quotes are taken off and escapes stay.
    pub(super) fn family_name(&mut self) -> Result<&'a str, ParseError> {
        let name = if self.peek() == b'"' { self.quoted(true) } else { Some(self.metric_name()) };
        let name = name.and_then(|name| std::str::from_utf8(name).ok()).filter(|name| !name.is_empty());
        name.ok_or_else(|| self.error("a metric name"))
    }
}

/// A series of a text format.
pub(super) fn series<'a>(name: &'a [u8], labels: &'a [(&'a [u8], &'a [u8])]) -> Series<'a> {
    Series { name, labels, escaped: true }
}
