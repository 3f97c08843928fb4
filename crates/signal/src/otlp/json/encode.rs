//! Protobuf to OTLP/JSON: ids in hexadecimal, 64-bit integers as strings, enumerations as numbers, lowerCamelCase.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::lexer::plain_len;
use crate::otlp::schema::{self, Field, LEN, Message, Type};
use crate::otlp::wire::{self, Fields, Value, WireField};
use crate::otlp::{Rope, SignalKind};

/// Encodes requests that passed the door as one OTLP/JSON request. Fields that the specification does not have are left out.
pub fn encode(kind: SignalKind, rope: &Rope) -> Vec<u8> {
    let mut out = Vec::with_capacity(rope.len() * 2);
    let parts: Vec<&[u8]> = rope.chunks().map(|part| &part[..]).collect();
    message(&mut out, schema::request(kind), &parts);
    out
}

/// Writes an object from a message whose bytes lie in `parts`.
fn message(out: &mut Vec<u8>, message: &'static Message, parts: &[&[u8]]) {
    // Looked up before anything is written: to write and then start again would double the work at every level.
    if grouped(message, parts) { streamed(out, message, parts) } else { gathered(out, message, parts) }
}

/// Whether the values of each field stand together, as all encoders write them.
fn grouped(message: &'static Message, parts: &[&[u8]]) -> bool {
    let (mut seen, mut last) = (0u32, 0);
    for wire in parts.iter().flat_map(|part| Fields::new(part)) {
        let Some(field) = message.field(wire.number) else { continue };
        if seen & 1 << field.number != 0 && !(field.number == last && field.repeated()) {
            return false;
        }
        seen |= 1 << field.number;
        last = field.number;
    }
    true
}

/// One pass, for fields whose values stand together.
fn streamed(out: &mut Vec<u8>, message: &'static Message, parts: &[&[u8]]) {
    let mut array = Array { open: 0, empty: true };
    let mut first = true;
    out.push(b'{');
    for wire in parts.iter().flat_map(|part| Fields::new(part)) {
        let Some(field) = message.field(wire.number) else { continue };
        if array.open != field.number {
            array.close(out);
            key(out, field, first);
            first = false;
            if field.repeated() {
                out.push(b'[');
                array = Array { open: field.number, empty: true };
            }
        }
        if field.repeated() {
            array.elements(out, field, &wire);
        } else {
            value(out, field, wire.value);
        }
    }
    array.close(out);
    out.push(b'}');
}

/// The general case: one pass for each field.
fn gathered(out: &mut Vec<u8>, message: &'static Message, parts: &[&[u8]]) {
    let mut first = true;
    out.push(b'{');
    for field in message.fields {
        let mut found =
            parts.iter().flat_map(|part| Fields::new(part)).filter(|wire| wire.number == field.number).peekable();
        if found.peek().is_none() {
            continue;
        }
        key(out, field, first);
        first = false;
        if field.repeated() {
            out.push(b'[');
            let mut array = Array { open: field.number, empty: true };
            found.for_each(|wire| array.elements(out, field, &wire));
            array.close(out);
        } else if let Some(last) = found.last() {
            value(out, field, last.value);
        }
    }
    out.push(b'}');
}

/// An array being written.
struct Array {
    /// Its field number; 0 if there is none.
    open: u32,
    empty: bool,
}

impl Array {
    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open != 0 {
            out.push(b']');
            self.open = 0;
        }
    }

    fn elements(&mut self, out: &mut Vec<u8>, field: &'static Field, wire: &WireField<'_>) {
        match wire.value {
            Value::Len(packed) if field.wire != LEN => {
                let mut pos = 0;
                while let Some((number, next)) = packed_number(packed, pos, field.wire) {
                    self.element(out, field, number);
                    pos = next;
                }
            }
            single => self.element(out, field, single),
        }
    }

    fn element(&mut self, out: &mut Vec<u8>, field: &'static Field, one: Value<'_>) {
        if !self.empty {
            out.push(b',');
        }
        self.empty = false;
        value(out, field, one);
    }
}

fn packed_number(bytes: &[u8], pos: usize, wire: u8) -> Option<(Value<'static>, usize)> {
    match wire {
        schema::I64 => Some((Value::I64(u64::from_le_bytes(*bytes.get(pos..)?.first_chunk()?)), pos + 8)),
        schema::I32 => Some((Value::I32(u32::from_le_bytes(*bytes.get(pos..)?.first_chunk()?)), pos + 4)),
        _ => wire::varint(bytes, pos).map(|(value, next)| (Value::Varint(value), next)),
    }
}

fn key(out: &mut Vec<u8>, field: &Field, first: bool) {
    if !first {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(field.json.as_bytes());
    out.extend_from_slice(b"\":");
}

fn value(out: &mut Vec<u8>, field: &'static Field, value: Value<'_>) {
    let number = value.number();
    match field.ty {
        Type::Message(inner) => message(out, inner, &[value.bytes()]),
        Type::String => write_string(out, &String::from_utf8_lossy(value.bytes())),
        Type::Bytes => print(out, format_args!("\"{}\"", STANDARD.encode(value.bytes()))),
        Type::Id(_) => write_hex(out, value.bytes()),
        Type::Bool => out.extend_from_slice(if number != 0 { b"true" } else { b"false" }),
        Type::Int32 | Type::Enum(_) => print(out, format_args!("{}", number as i32)),
        Type::Uint32 | Type::Fixed32 => print(out, format_args!("{}", number as u32)),
        Type::Sint32 => {
            let number = number as u32;
            print(out, format_args!("{}", (number >> 1) as i32 ^ -((number & 1) as i32)));
        }
        Type::Int64 | Type::Sfixed64 => print(out, format_args!("\"{}\"", number as i64)),
        Type::Uint64 | Type::Fixed64 => print(out, format_args!("\"{number}\"")),
        Type::Double => {
            let number = f64::from_bits(number);
            if number.is_finite() {
                print(out, format_args!("{number:?}"));
            } else if number.is_nan() {
                out.extend_from_slice(b"\"NaN\"");
            } else {
                out.extend_from_slice(if number > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
            }
        }
    }
}

/// Writes bytes in lower-case hexadecimal.
fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    out.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
    out.push(b'"');
}

fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    struct Sink<'a>(&'a mut Vec<u8>);
    impl std::fmt::Write for Sink<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    // Writing to a vector does not fail.
    let _ = Sink(out).write_fmt(text);
}

/// Writes a string in quotes, escaped.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let position = plain_len(rest);
        out.extend_from_slice(&rest[..position]);
        let Some(special) = rest.get(position) else { break };
        match *special {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => print(out, format_args!("\\u{byte:04x}")),
        }
        rest = &rest[position + 1..];
    }
    out.push(b'"');
}
