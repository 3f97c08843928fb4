//! `encoding.*`.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::args::{CallResult, exactly, text};
use super::json;
use crate::quote;
use crate::value::{CallError, Object, PathElem, Value};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

pub(super) fn from_base64(args: &[Value]) -> CallResult {
    decode(args, &STANDARD, &alphabet::STANDARD)
}

pub(super) fn from_urlbase64(args: &[Value]) -> CallResult {
    decode(args, &URL_SAFE, &alphabet::URL_SAFE)
}

fn decode(args: &[Value], engine: &GeneralPurpose, alphabet: &alphabet::Alphabet) -> CallResult {
    exactly::<1>(args)?;
    let text = text(args, 0)?;
    // Line ends may stand anywhere.
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    match engine.decode(&digits) {
        Ok(bytes) => Ok(Value::Bytes(bytes.into())),
        Err(_) => {
            let offset = first_fault(text.as_bytes(), alphabet.as_str().as_bytes());
            Err(CallError::Callee(format!("illegal base64 data at input byte {offset}")))
        }
    }
}

/// Where Go's decoder gives up: at the bad byte, or at the start of a group of four that is cut short.
fn first_fault(text: &[u8], alphabet: &[u8]) -> usize {
    let mut bytes = text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let mut in_group = 0;
    while let Some((at, byte)) = bytes.next() {
        if alphabet.contains(&byte) {
            in_group = (in_group + 1) % 4;
            continue;
        }
        if byte != b'=' || in_group < 2 {
            return at;
        }
        if in_group == 2 {
            match bytes.next() {
                None => return text.len(),
                Some((_, b'=')) => {}
                Some((after, _)) => return after - 1,
            }
        }
        return bytes.next().map_or(text.len(), |(after, _)| after);
    }
    text.len() - in_group
}

pub(super) fn to_base64(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    Ok(Value::string(STANDARD.encode(&*bytes(args)?)))
}

pub(super) fn to_urlbase64(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    Ok(Value::string(URL_SAFE.encode(&*bytes(args)?)))
}

/// The argument's bytes: the decoders' output goes back in whether or not it is text.
fn bytes(args: &[Value]) -> Result<Arc<[u8]>, CallError> {
    match &args[0] {
        Value::Bytes(bytes) => Ok(bytes.clone()),
        _ => Ok(text(args, 0)?.as_bytes().into()),
    }
}

pub(super) fn url_encode(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    let mut out = String::new();
    for byte in bytes(args)?.iter() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(*byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(Value::string(out))
}

pub(super) fn url_decode(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    let text = text(args, 0)?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    let bad = String::from_utf8_lossy(&after[..after.len().min(2)]);
                    return Err(CallError::Callee(format!("invalid URL escape {}", quote(&format!("%{bad}")))));
                };
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            byte => out.push(*byte),
        }
    }
    String::from_utf8(out).map(Value::string).map_err(|_| "decoded text is not valid UTF-8".into())
}

pub(super) fn from_json(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    json::parse(&text(args, 0)?, json::Numbers::Floats).map_err(CallError::Callee)
}

pub(super) fn to_json(args: &[Value]) -> CallResult {
    let [value] = exactly(args)?;
    if !matches!(value, Value::Object(_)) {
        return Err("jsonEncode only supports map".into());
    }
    let mut out = String::new();
    write_json(value, &mut Vec::new(), &mut out)?;
    Ok(Value::string(out))
}

fn write_json(value: &Value, path: &mut Vec<PathElem>, out: &mut String) -> Result<(), CallError> {
    let refuse = |path: &[PathElem], message: String| Err(CallError::inside(0, path, message));
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match json::number(*number) {
            Some(text) => out.push_str(&text),
            None => return refuse(path, format!("json: unsupported value: {number}")),
        },
        Value::String(text) => json::write_string(text, out),
        Value::Bytes(_) | Value::Array(_) => {
            out.push('[');
            for index in 0..value.array_len().unwrap_or(0) {
                out.push_str(if index > 0 { "," } else { "" });
                path.push(PathElem::Index(index));
                write_json(&value.element(index).unwrap_or_default(), path, out)?;
                path.pop();
            }
            out.push(']');
        }
        Value::Object(fields) => write_object(fields, path, out)?,
        Value::OptionalSecret(text) => match text.plain() {
            Some(text) => json::write_string(text, out),
            None => return refuse(path, SECRET.to_owned()),
        },
        Value::Secret(_) => return refuse(path, SECRET.to_owned()),
        Value::Function(_) => return refuse(path, "cannot be written as JSON: it is a function".to_owned()),
        Value::Capsule(capsule) => match capsule.as_object() {
            Some(fields) => write_object(&fields, path, out)?,
            None => return refuse(path, format!("cannot be written as JSON: it is a {}", value.describe())),
        },
    }
    Ok(())
}

fn write_object(fields: &Object, path: &mut Vec<PathElem>, out: &mut String) -> Result<(), CallError> {
    out.push('{');
    for (i, (key, value)) in fields.iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        json::write_string(key, out);
        out.push(':');
        path.push(PathElem::Field(key.clone()));
        write_json(value, path, out)?;
        path.pop();
    }
    out.push('}');
    Ok(())
}

/// Said of a secret that would be readable in the result.
pub(super) const SECRET: &str =
    "is a secret and would be readable in the result; convert.nonsensitive(...) makes it plain text if that is meant";
