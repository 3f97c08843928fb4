//! From values to what arguments hold. Errors read on after the text of the offending expression.

use std::sync::Arc;

use super::{Number, OptionalSecret, Secret, Value, duration};

/// `should be EXPECTED, got TYPE`, what is said of a value that does not fit.
pub fn mismatch(expected: &str, got: &Value) -> String {
    format!("should be {expected}, got {}", got.type_name())
}

/// Text for a text slot: numbers in decimal, bytes if they are UTF-8, optional secrets that are none; null is `""`.
/// Secrets refuse.
pub fn to_text(value: &Value) -> Result<Arc<str>, String> {
    const SECRET: &str = "secrets may not be converted into strings";
    match value {
        Value::Null => Ok("".into()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string().into()),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err("should be UTF-8 text, got other bytes".to_owned()),
        },
        Value::OptionalSecret(text) => text.plain().map(Into::into).ok_or_else(|| SECRET.to_owned()),
        Value::Secret(_) => Err(SECRET.to_owned()),
        other => Err(mismatch("string", other)),
    }
}

/// A truth value; nothing else converts. Null is false.
pub fn to_bool(value: &Value) -> Result<bool, String> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        other => Err(mismatch("bool", other)),
    }
}

/// A number, also from text: with a leading `-` a decimal integer, with `.`, `e` or `E` a float, otherwise unsigned
/// decimal digits. Null is zero.
pub fn to_number(value: &Value) -> Result<Number, String> {
    let parsed = match value {
        Value::Null => Some(Number::Int(0)),
        Value::Number(number) => Some(*number),
        Value::String(text) => parse_number(text),
        Value::OptionalSecret(text) => text.plain().and_then(parse_number),
        _ => None,
    };
    parsed.ok_or_else(|| mismatch("number", value))
}

fn parse_number(text: &str) -> Option<Number> {
    if text.starts_with('-') {
        return text.parse().ok().map(Number::Int);
    }
    if text.contains(['.', 'e', 'E']) {
        // Rust also reads names such as "infinite"; only digits, sign, point and exponent may stand here.
        let only_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        return text.parse().ok().filter(|n: &f64| only_number && n.is_finite()).map(Number::Float);
    }
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return None;
    }
    let number: u64 = text.parse().ok()?;
    Some(i64::try_from(number).map_or(Number::Uint(number), Number::Int))
}

/// As [`to_number`], truncated to a signed integer.
pub fn to_i64(value: &Value) -> Result<i64, String> {
    to_number(value).map(Number::as_i64)
}

/// As [`to_number`], truncated to an unsigned integer; negative integers wrap.
pub fn to_u64(value: &Value) -> Result<u64, String> {
    to_number(value).map(Number::as_u64)
}

/// As [`to_number`], as a float.
pub fn to_f64(value: &Value) -> Result<f64, String> {
    to_number(value).map(Number::as_f64)
}

/// Nanoseconds from text such as `1m30s`. A bare number other than 0 lacks its unit; null is zero.
pub fn to_duration_nanos(value: &Value) -> Result<i64, String> {
    if matches!(value, Value::Null) {
        return Ok(0);
    }
    duration::parse_duration(&to_text(value)?)
}

/// A secret from a secret, an optional secret or text. Null is empty.
pub fn to_secret(value: &Value) -> Result<Secret, String> {
    match value {
        Value::Null => Ok(Secret::default()),
        Value::String(text) => Ok(Secret::new(text.clone())),
        Value::Secret(secret) => Ok(secret.clone()),
        Value::OptionalSecret(text) => Ok(text.secret().clone()),
        Value::Capsule(_) => Err(format!(r#"expected capsule("alloytypes.Secret"), got {}"#, value.describe())),
        other => Err(mismatch("capsule", other)),
    }
}

/// An optional secret from one, from a secret (which stays secret) or from text (which is none). Null is empty.
pub fn to_optional_secret(value: &Value) -> Result<OptionalSecret, String> {
    match value {
        Value::Null => Ok(OptionalSecret::new("", false)),
        Value::String(text) => Ok(OptionalSecret::new(text.clone(), false)),
        Value::Secret(secret) => Ok(OptionalSecret::new(secret.expose(), true)),
        Value::OptionalSecret(text) => Ok(text.clone()),
        Value::Capsule(_) => Err(format!(r#"expected capsule("alloytypes.OptionalSecret"), got {}"#, value.describe())),
        other => Err(mismatch("capsule", other)),
    }
}
