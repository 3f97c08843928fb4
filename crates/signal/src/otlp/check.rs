//! The door's check: one pass over a request that refuses what any back end might refuse, and counts its items.

use std::{error, fmt};

use super::SignalKind;
use super::schema::{self, END_GROUP, Field, I32, I64, LEN, Message, Role, Type, VARINT};
use super::wire::{self, MAX_NESTING};

/// The deepest `AnyValue` within an `AnyValue`.
pub const MAX_VALUE_DEPTH: u32 = 64;

/// What the check found in a request that it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Spans, data points, log records, or samples of profiles.
    pub items: usize,
    /// False if a singular field or a oneof is written more than once. Decoders then merge or keep the last; a request that is to be
    /// split or read field by field must be decoded and encoded again first.
    pub canonical: bool,
    /// Fields that the specification as Corten knows it does not have.
    pub unknown_fields: usize,
    /// The bytes of those fields, tags included.
    pub unknown_bytes: usize,
}

/// Why a body is not an acceptable request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckError {
    /// For people: which field, and what is wrong with it.
    pub message: String,
    /// The byte at which the field begins.
    pub offset: usize,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.offset)
    }
}

impl error::Error for CheckError {}

/// Checks one `Export*ServiceRequest` at every level.
///
/// Refused are: anything cut short, field number 0, wire types 6 and 7, a wire type that a known field cannot have, varints above 64
/// bits, groups that do not balance, strings that are not UTF-8, ids of a wrong length (16 or 8 bytes, or none), `AnyValue` nested
/// deeper than [`MAX_VALUE_DEPTH`], and more than 99 messages within each other (protobuf libraries stop at 100). Unknown fields pass.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn check(kind: SignalKind, bytes: &[u8]) -> Result<Checked, CheckError> {
    let mut walk = Walk { bytes, found: Checked { items: 0, canonical: true, unknown_fields: 0, unknown_bytes: 0 } };
    match walk.message(schema::request(kind), 0, bytes.len(), 0, 0) {
        Ok(()) => Ok(walk.found),
        Err(fault) => Err(fault.explain()),
    }
}

/// A problem, small enough to return by value on the fast path.
struct Fault {
    offset: usize,
    message: &'static Message,
    field: Option<&'static Field>,
    problem: Problem,
}

enum Problem {
    Tag,
    Truncated,
    Varint,
    WireType(u8),
    Utf8,
    IdLength(usize),
    Group,
    Packed,
    ValueDepth,
    Nesting,
}

impl Fault {
    #[cold]
    fn explain(&self) -> CheckError {
        let place = match self.field {
            Some(field) => format!("{}.{}", self.message.name, field.name),
            None => self.message.name.to_owned(),
        };
        let message = match self.problem {
            Problem::Tag => format!("{place}: not a valid field tag; is the body protobuf?"),
            Problem::Truncated => format!("{place}: the data ends within the field"),
            Problem::Varint => format!("{place}: a number is cut short or does not fit in 64 bits"),
            Problem::WireType(wire) => format!("{place}: wire type {wire} where {} is expected", self.expected()),
            Problem::Utf8 => format!("{place}: the text is not UTF-8"),
            Problem::IdLength(len) => {
                format!("{place}: the id has {len} bytes; it must have {} or none", self.expected())
            }
            Problem::Group => format!("{place}: an unknown field is cut short, or a group does not end"),
            Problem::Packed => format!("{place}: packed numbers do not fill the field"),
            Problem::ValueDepth => format!("{place}: values nested more than {MAX_VALUE_DEPTH} deep"),
            Problem::Nesting => format!("{place}: messages nested more than {MAX_NESTING} deep"),
        };
        CheckError { message, offset: self.offset }
    }

    fn expected(&self) -> String {
        match self.field {
            Some(Field { ty: Type::Id(len), .. }) if matches!(self.problem, Problem::IdLength(_)) => len.to_string(),
            Some(field) => field.wire.to_string(),
            None => String::new(),
        }
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    found: Checked,
}

impl Walk<'_> {
    /// Checks the message in `pos..end`. `depth` counts messages around it, `values` the `AnyValue`s among them.
    fn message(
        &mut self,
        message: &'static Message,
        mut pos: usize,
        end: usize,
        depth: u32,
        values: u32,
    ) -> Result<(), Fault> {
        let bytes = &self.bytes[..end];
        let mut seen = 0;
        while pos < end {
            let offset = pos;
            let fault = |field, problem| Fault { offset, message, field, problem };
            let Some((number, wire, next)) = wire::tag(bytes, pos) else { return Err(fault(None, Problem::Tag)) };
            let Some(field) = message.field(number) else {
                let after = if wire == END_GROUP { None } else { wire::skip(bytes, next, number, wire, depth) };
                let Some(after) = after else { return Err(fault(None, Problem::Group)) };
                self.found.unknown_fields += 1;
                self.found.unknown_bytes += after - offset;
                pos = after;
                continue;
            };
            self.found.canonical &= seen & field.once == 0;
            seen |= field.once;
            if wire != field.wire {
                if !(wire == LEN && field.repeated() && field.wire != LEN) {
                    return Err(fault(Some(field), Problem::WireType(wire)));
                }
                let Some((start, stop)) = wire::length(bytes, next) else {
                    return Err(fault(Some(field), Problem::Truncated));
                };
                if !packed(&bytes[start..stop], field.wire) {
                    return Err(fault(Some(field), Problem::Packed));
                }
                pos = stop;
                continue;
            }
            pos = match wire {
                VARINT => match wire::varint(bytes, next) {
                    Some((_, after)) => after,
                    None => return Err(fault(Some(field), Problem::Varint)),
                },
                I64 => next + 8,
                I32 => next + 4,
                _ => {
                    let Some((start, stop)) = wire::length(bytes, next) else {
                        return Err(fault(Some(field), Problem::Truncated));
                    };
                    match field.ty {
                        Type::Message(inner) => {
                            let (depth, mut values) = (depth + 1, values);
                            match inner.role {
                                Role::Item => self.found.items += 1,
                                Role::Plain
                                    if std::ptr::eq(inner, &schema::KEY_VALUE)
                                        && depth < MAX_NESTING
                                        && plain_attribute(&bytes[start..stop]) =>
                                {
                                    pos = stop;
                                    continue;
                                }
                                Role::Plain if std::ptr::eq(inner, &schema::ANY_VALUE) => values += 1,
                                _ => {}
                            }
                            if values > MAX_VALUE_DEPTH {
                                return Err(fault(Some(field), Problem::ValueDepth));
                            }
                            if depth > MAX_NESTING {
                                return Err(fault(Some(field), Problem::Nesting));
                            }
                            self.message(inner, start, stop, depth, values)?;
                        }
                        Type::String if !utf8(&bytes[start..stop]) => return Err(fault(Some(field), Problem::Utf8)),
                        Type::Id(len) if stop != start && stop - start != usize::from(len) => {
                            return Err(fault(Some(field), Problem::IdLength(stop - start)));
                        }
                        _ => {}
                    }
                    stop
                }
            };
            if pos > end {
                return Err(fault(Some(field), Problem::Truncated));
            }
        }
        Ok(())
    }
}

/// Whether a body of packed numbers is whole.
fn packed(bytes: &[u8], wire: u8) -> bool {
    match wire {
        I64 => bytes.len().is_multiple_of(8),
        I32 => bytes.len().is_multiple_of(4),
        _ => {
            let mut pos = 0;
            while pos < bytes.len() {
                match wire::varint(bytes, pos) {
                    Some((_, next)) => pos = next,
                    None => return false,
                }
            }
            true
        }
    }
}

/// Recognises the form in which nearly all attributes come: a key, then one value that is text, a truth value or a number, in that
/// order, each once, with lengths below 128. What it refuses is not wrong, the tables decide.
#[inline]
fn plain_attribute(bytes: &[u8]) -> bool {
    const KEY: u8 = 1 << 3 | LEN;
    const VALUE: u8 = 2 << 3 | LEN;
    const STRING: u8 = 1 << 3 | LEN;
    const BOOL: u8 = 2 << 3 | VARINT;
    const INT: u8 = 3 << 3 | VARINT;
    const DOUBLE: u8 = 4 << 3 | I64;
    let [KEY, key_len @ 0..0x80, rest @ ..] = bytes else { return false };
    let Some((key, [VALUE, value_len @ 0..0x80, value @ ..])) = rest.split_at_checked(usize::from(*key_len)) else {
        return false;
    };
    if value.len() != usize::from(*value_len) || !utf8(key) {
        return false;
    }
    match value {
        [STRING, len @ 0..0x80, text @ ..] => text.len() == usize::from(*len) && utf8(text),
        [BOOL, 0..0x80] => true,
        [INT, ..] => wire::varint(value, 1).is_some_and(|(_, end)| end == value.len()),
        [DOUBLE, number @ ..] => number.len() == 8,
        _ => false,
    }
}

/// Whether the bytes are UTF-8. Most strings are short and ASCII, which is decided eight bytes at a time without a call.
#[inline]
fn utf8(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if bytes.len() >= 128 {
        return simdutf8::basic::from_utf8(bytes).is_ok();
    }
    let ascii = match bytes.last_chunk::<8>() {
        // The last eight bytes may overlap the word before them.
        Some(last) => {
            let words = bytes.as_chunks::<8>().0.iter().fold(0, |high, word| high | u64::from_ne_bytes(*word));
            (words | u64::from_ne_bytes(*last)) & HIGH == 0
        }
        None => bytes.iter().fold(0, |high, byte| high | byte) < 0x80,
    };
    ascii || std::str::from_utf8(bytes).is_ok()
}
