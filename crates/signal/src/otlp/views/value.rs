//! Attributes and the values that they may have.

use std::fmt;

use super::{Body, text};
use crate::otlp::json;
use crate::otlp::wire::{Fields, Value};

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttributeView<'a>(Body<'a>);

impl<'a> AttributeView<'a> {
    pub(super) fn new(body: Body<'a>) -> Self {
        Self(body)
    }

    /// Its name.
    pub fn key(&self) -> &'a str {
        self.0.text(1)
    }

    /// Its value.
    pub fn value(&self) -> ValueView<'a> {
        self.0.message(2).map_or(ValueView::Empty, ValueView::new)
    }
}

/// A value.
///
/// Prints as the Collector turns values into strings: text as it is, lists and maps as JSON, bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueView<'a> {
    /// No value.
    Empty,
    /// Text.
    Str(&'a str),
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating point number.
    Double(f64),
    /// A list: [`items`](Self::items).
    Array(ArrayView<'a>),
    /// A map: [`entries`](Self::entries).
    Map(MapView<'a>),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text by index in the dictionary of a profiles request.
    StrIndex(i32),
}

/// The message of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArrayView<'a>(Body<'a>);

/// The message of a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapView<'a>(Body<'a>);

impl<'a> ValueView<'a> {
    pub(super) fn new(body: Body<'a>) -> Self {
        let Some(field) = Fields::new(body.0).find(|field| (1..=8).contains(&field.number)) else { return Self::Empty };
        match (field.number, field.value) {
            (1, Value::Len(bytes)) => Self::Str(text(bytes)),
            (2, value) => Self::Bool(value.number() != 0),
            (3, value) => Self::Int(value.number() as i64),
            (4, value) => Self::Double(f64::from_bits(value.number())),
            (5, Value::Len(bytes)) => Self::Array(ArrayView(Body(bytes))),
            (6, Value::Len(bytes)) => Self::Map(MapView(Body(bytes))),
            (7, Value::Len(bytes)) => Self::Bytes(bytes),
            (8, value) => Self::StrIndex(value.number() as i32),
            _ => Self::Empty,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&'a str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// The values of a list; none of anything else.
    pub fn items(&self) -> impl Iterator<Item = ValueView<'a>> + use<'a> {
        let body = if let Self::Array(list) = self { list.0 } else { Body(&[]) };
        body.each(1).map(ValueView::new)
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> impl Iterator<Item = AttributeView<'a>> + Clone + use<'a> {
        let body = if let Self::Map(map) = self { map.0 } else { Body(&[]) };
        body.attributes(1)
    }

    /// Writes it as plain JSON: `"text"`, `3`, `[1,2]`, `{"a":true}`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => out.extend_from_slice(b"null"),
            Self::Str(text) => json::write_string(out, text),
            Self::Double(number) if !number.is_finite() => json::write_string(out, &number.to_string()),
            Self::Bytes(_) => json::write_string(out, &self.to_string()),
            Self::Bool(_) | Self::Int(_) | Self::Double(_) | Self::StrIndex(_) => {
                out.extend_from_slice(self.to_string().as_bytes());
            }
            Self::Array(_) => {
                out.push(b'[');
                for (index, item) in self.items().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
            Self::Map(_) => {
                out.push(b'{');
                for (index, entry) in self.entries().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    json::write_string(out, entry.key());
                    out.push(b':');
                    entry.value().write_json(out);
                }
                out.push(b'}');
            }
        }
    }
}

impl fmt::Display for ValueView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use base64::Engine as _;
        match self {
            Self::Empty => Ok(()),
            Self::Str(text) => f.write_str(text),
            Self::Bool(truth) => truth.fmt(f),
            Self::Int(number) => number.fmt(f),
            // Whole numbers without ".0", very large and small ones with an exponent.
            Self::Double(number) if number.is_finite() => {
                let text = format!("{number:?}");
                f.write_str(text.strip_suffix(".0").unwrap_or(&text))
            }
            Self::Double(number) => number.fmt(f),
            Self::Bytes(bytes) => f.write_str(&base64::engine::general_purpose::STANDARD.encode(bytes)),
            Self::StrIndex(index) => index.fmt(f),
            Self::Array(_) | Self::Map(_) => {
                let mut out = Vec::new();
                self.write_json(&mut out);
                f.write_str(&String::from_utf8_lossy(&out))
            }
        }
    }
}

/// An id: 16 or 8 bytes, or none. Prints in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hex<'a>(pub &'a [u8]);

impl<'a> Hex<'a> {
    /// The bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no id, or one of zeros only, which counts as none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
