//! OTLP/JSON to protobuf, in one pass.
//!
//! Taken beyond the letter of the specification, because senders do so: names in snake_case, 64-bit numbers as numbers, doubles and
//! enumerations as strings, `null` for an absent field, base64 with either alphabet and with or without padding.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::JsonError;
use super::lexer::{Lexer, number_len};
use crate::otlp::SignalKind;
use crate::otlp::schema::{self, Enum, Field, LEN, Message, Presence, Type};
use crate::otlp::wire;

type Result<T> = std::result::Result<T, JsonError>;

const BASE64: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Decodes an `Export*ServiceRequest` from OTLP/JSON to protobuf.
///
/// The result still has to pass the door: a name that stands twice is written twice.
///
/// # Errors
/// The body is not JSON, is nested more than [`super::MAX_DEPTH`] deep, or a value has a wrong type, with its path.
pub fn decode(kind: SignalKind, body: &[u8]) -> Result<Vec<u8>> {
    let mut lexer = Lexer::new(body)?;
    let mut out = Vec::with_capacity(body.len() / 2);
    message(&mut lexer, schema::request(kind), &mut out, 0)?;
    lexer.finish()?;
    Ok(out)
}

fn message(lexer: &mut Lexer<'_>, message: &'static Message, out: &mut Vec<u8>, depth: u32) -> Result<()> {
    let mut seen = 0;
    let mut guess = 0;
    lexer.object(depth, |lexer, key, depth| {
        // Senders write fields in the same order again and again, mostly that of the specification.
        let matches = |field: &Field| *field.json == *key || *field.name == *key;
        let found = message.fields[guess..].iter().position(matches).map(|found| found + guess);
        let Some(position) = found.or_else(|| message.fields.iter().position(matches)) else {
            return lexer.skip(depth);
        };
        let field = &message.fields[position];
        guess = position;
        if lexer.null() {
            return Ok(());
        }
        if field.repeated() {
            return repeated(lexer, field, out, depth).map_err(|error| error.in_field(field.json));
        }
        // A default that stands second has to be written, or the first value would win.
        let write_default = field.presence != Presence::Implicit || seen & field.once != 0;
        seen |= field.once;
        value(lexer, field, out, depth, write_default).map_err(|error| error.in_field(field.json))
    })
}

fn repeated(lexer: &mut Lexer<'_>, field: &'static Field, out: &mut Vec<u8>, depth: u32) -> Result<()> {
    if field.wire == LEN {
        return lexer.array(depth, |lexer, index, depth| {
            if lexer.null() {
                // In a list of values null is the empty value, so that the others keep their places.
                if let Type::Message(inner) = field.ty
                    && std::ptr::eq(inner, &schema::ANY_VALUE)
                {
                    wire::put_bytes(out, field.number, &[]);
                }
                return Ok(());
            }
            value(lexer, field, out, depth, true).map_err(|error| error.in_element(index))
        });
    }
    let before = out.len();
    wire::put_tag(out, field.number, LEN);
    let start = out.len();
    lexer.array(depth, |lexer, index, _| {
        scalar(lexer, field.ty, out).map(drop).map_err(|error| error.in_element(index))
    })?;
    if out.len() == start {
        out.truncate(before);
    } else {
        wire::close_length(out, start);
    }
    Ok(())
}

/// Writes one value with its tag. A default is left out unless `write_default`.
fn value(
    lexer: &mut Lexer<'_>,
    field: &'static Field,
    out: &mut Vec<u8>,
    depth: u32,
    write_default: bool,
) -> Result<()> {
    let before = out.len();
    wire::put_tag(out, field.number, field.wire);
    let start = out.len();
    let is_default = match field.ty {
        Type::Message(inner) => {
            message(lexer, inner, out, depth)?;
            wire::close_length(out, start);
            false
        }
        Type::String => sized(out, lexer.string("a string")?.as_bytes()),
        Type::Bytes => {
            let at = lexer.pos();
            let text = lexer.string("a string in base64")?;
            let url = text.contains(['-', '_']);
            let engine = GeneralPurpose::new(if url { &URL_SAFE } else { &STANDARD }, BASE64);
            let bytes = engine.decode(text.as_bytes()).map_err(|_| JsonError::new("this is not base64", at))?;
            sized(out, &bytes)
        }
        Type::Id(len) => {
            lexer.peek();
            let at = lexer.pos();
            let text = lexer.string("a string of hexadecimal digits")?;
            let (bytes, used) = id(&text, usize::from(len)).map_err(|message| JsonError::new(message, at))?;
            sized(out, &bytes[..used])
        }
        ty => scalar(lexer, ty, out)?,
    };
    if is_default && !write_default {
        out.truncate(before);
    }
    Ok(())
}

/// Writes length and bytes; gives whether there are none.
fn sized(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    wire::put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    bytes.is_empty()
}

fn id(text: &str, len: usize) -> std::result::Result<([u8; 16], usize), String> {
    let mut id = [0; 16];
    if text.is_empty() {
        return Ok((id, 0));
    }
    let digits = text.as_bytes();
    let mut nibbles = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    if !digits.iter().all(u8::is_ascii_hexdigit) || digits.len() != 2 * len {
        let shown: String = text.chars().take(40).collect();
        let dots = if shown.len() < text.len() { "..." } else { "" };
        return Err(format!("{shown:?}{dots} is not an id of {} hexadecimal digits", 2 * len));
    }
    for byte in &mut id[..len] {
        let (high, low) = (nibbles.next().flatten().unwrap_or(0), nibbles.next().flatten().unwrap_or(0));
        *byte = (high << 4 | low) as u8;
    }
    Ok((id, len))
}

/// Writes a number without tag; gives whether it is the default.
fn scalar(lexer: &mut Lexer<'_>, ty: Type, out: &mut Vec<u8>) -> Result<bool> {
    let varint = |out: &mut Vec<u8>, number: u64| {
        wire::put_varint(out, number);
        Ok(number == 0)
    };
    let signed = |number: i128| number as i64 as u64;
    match ty {
        Type::Bool => {
            let truth = lexer.bool()?;
            varint(out, u64::from(truth))
        }
        Type::Int32 => integer(lexer, i32::MIN.into(), i32::MAX.into()).and_then(|number| varint(out, signed(number))),
        Type::Int64 => integer(lexer, i64::MIN.into(), i64::MAX.into()).and_then(|number| varint(out, signed(number))),
        Type::Uint32 => integer(lexer, 0, u32::MAX.into()).and_then(|number| varint(out, number as u64)),
        Type::Uint64 => integer(lexer, 0, u64::MAX.into()).and_then(|number| varint(out, number as u64)),
        Type::Sint32 => {
            let number = integer(lexer, i32::MIN.into(), i32::MAX.into())? as i32;
            varint(out, u64::from((number << 1 ^ number >> 31) as u32))
        }
        Type::Enum(names) => enumeration(lexer, names).and_then(|number| varint(out, i64::from(number) as u64)),
        Type::Fixed32 => {
            let number = integer(lexer, 0, u32::MAX.into())? as u32;
            out.extend_from_slice(&number.to_le_bytes());
            Ok(number == 0)
        }
        Type::Fixed64 => {
            let number = integer(lexer, 0, u64::MAX.into())? as u64;
            out.extend_from_slice(&number.to_le_bytes());
            Ok(number == 0)
        }
        Type::Sfixed64 => {
            let number = integer(lexer, i64::MIN.into(), i64::MAX.into())? as i64;
            out.extend_from_slice(&number.to_le_bytes());
            Ok(number == 0)
        }
        Type::Double => {
            let number = double(lexer)?;
            out.extend_from_slice(&number.to_le_bytes());
            Ok(number.to_bits() == 0)
        }
        Type::String | Type::Bytes | Type::Id(_) | Type::Message(_) => Err(lexer.error("not a number")),
    }
}

/// A number, or a string that holds one.
fn number<'a>(lexer: &mut Lexer<'a>, what: &str) -> Result<Cow<'a, str>> {
    match lexer.peek() {
        Some(b'"') => lexer.string(what),
        Some(b'-' | b'0'..=b'9') => lexer.number().map(Cow::Borrowed),
        _ => Err(lexer.unexpected(what)),
    }
}

fn integer(lexer: &mut Lexer<'_>, min: i128, max: i128) -> Result<i128> {
    lexer.peek();
    let at = lexer.pos();
    let text = number(lexer, "an integer")?;
    let parsed = whole(&text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        JsonError::new(format!("{shown:?} is not an integer"), at)
    })?;
    if parsed < min || parsed > max {
        return Err(JsonError::new(format!("{parsed} is not between {min} and {max}"), at));
    }
    Ok(parsed)
}

/// An integer as JSON may write it: `1e3` and `2.0` are integers too.
fn whole(text: &str) -> Option<i128> {
    if text.len() > 40 || number_len(text.as_bytes()) != text.len() {
        return None;
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // 2^53: from here on a double does not tell neighbouring integers apart.
    text.parse::<f64>()
        .ok()
        .filter(|number| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0)
        .map(|number| number as i128)
}

fn enumeration(lexer: &mut Lexer<'_>, names: &'static Enum) -> Result<i32> {
    if lexer.peek() != Some(b'"') {
        return integer(lexer, i32::MIN.into(), i32::MAX.into()).map(|number| number as i32);
    }
    let at = lexer.pos();
    let text = lexer.string("a name")?;
    if let Some((_, number)) = names.values.iter().find(|(name, _)| **name == *text) {
        return Ok(*number);
    }
    whole(&text).and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let example = names.values.get(1).map_or("", |(name, _)| name);
        JsonError::new(format!("{shown:?} is not a {}, such as {example:?}", names.name), at)
    })
}

fn double(lexer: &mut Lexer<'_>) -> Result<f64> {
    lexer.peek();
    let at = lexer.pos();
    let text = number(lexer, "a number")?;
    match &*text {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(f64::INFINITY),
        "-Infinity" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    let parsed = if number_len(text.as_bytes()) == text.len() { text.parse::<f64>().ok() } else { None };
    parsed.filter(|number| number.is_finite()).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        JsonError::new(format!("{shown:?} is not a number that a double can hold"), at)
    })
}
