//! Values: from the language, as text, converted, hashed.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_proto::otlp::common::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value};
use corten_syntax::{Number, Value as Literal};
use sha2::{Digest, Sha256};

/// A value of the language as an attribute value. Numbers keep their type.
///
/// # Errors
/// The type, if no attribute can have it.
pub(super) fn from_literal(literal: &Literal) -> Result<Value, &'static str> {
    let list = |values: Vec<AnyValue>| Value::ArrayValue(ArrayValue { values });
    let any = |literal: &Literal| match literal {
        Literal::Null => Ok(AnyValue::default()),
        literal => from_literal(literal).map(|value| AnyValue { value: Some(value) }),
    };
    Ok(match literal {
        Literal::Bool(value) => Value::BoolValue(*value),
        Literal::Number(Number::Int(value)) => Value::IntValue(*value),
        Literal::Number(Number::Uint(value)) => match i64::try_from(*value) {
            Ok(value) => Value::IntValue(value),
            Err(_) => Value::DoubleValue(*value as f64),
        },
        Literal::Number(Number::Float(value)) => Value::DoubleValue(*value),
        Literal::String(text) => Value::StringValue(text.to_string()),
        Literal::Bytes(bytes) => Value::BytesValue(bytes.to_vec()),
        Literal::Array(items) => list(items.iter().map(any).collect::<Result<_, _>>()?),
        Literal::Object(fields) => {
            let pair = |(key, value): (&std::sync::Arc<str>, &Literal)| {
                any(value).map(|value| KeyValue { key: key.to_string(), value: Some(value), key_strindex: 0 })
            };
            Value::KvlistValue(KeyValueList { values: fields.iter().map(pair).collect::<Result<_, _>>()? })
        }
        Literal::OptionalSecret(text) if !text.is_secret => Value::StringValue(text.secret().expose().to_owned()),
        Literal::Secret(_) | Literal::OptionalSecret(_) => {
            return Err("a secret, which must not travel as an attribute (convert.nonsensitive(...) makes it text)");
        }
        Literal::Null => return Err("null"),
        Literal::Function(_) => return Err("a function"),
        Literal::Capsule(_) => return Err("a capsule"),
    })
}

/// A value as text: what `convert` to string and matching of bodies use.
pub(super) fn as_text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => double_as_text(*value),
        Some(Value::BytesValue(bytes)) => STANDARD.encode(bytes),
        Some(Value::StringValueStrindex(index)) => index.to_string(),
        Some(value @ (Value::ArrayValue(_) | Value::KvlistValue(_))) => as_json(Some(value)).to_string(),
    }
}

/// As JSON writes numbers: exponents only for very small and very large ones.
fn double_as_text(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() || (1e-6..1e21).contains(&magnitude) {
        return value.to_string();
    }
    let mut text = String::new();
    let _ = write!(text, "{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

fn as_json(value: Option<&Value>) -> serde_json::Value {
    use serde_json::Value as Json;
    let inner = |value: &Option<AnyValue>| as_json(value.as_ref().and_then(|value| value.value.as_ref()));
    match value {
        None => Json::Null,
        Some(Value::BoolValue(value)) => Json::Bool(*value),
        Some(Value::IntValue(value)) => Json::from(*value),
        Some(Value::DoubleValue(value)) => Json::from(*value),
        Some(Value::ArrayValue(list)) => list.values.iter().map(|value| as_json(value.value.as_ref())).collect(),
        Some(Value::KvlistValue(map)) => {
            Json::Object(map.values.iter().map(|pair| (pair.key.clone(), inner(&pair.value))).collect())
        }
        text => Json::String(as_text(text)),
    }
}

/// The text that a regular expression for an attribute sees; lists, maps and bytes have none.
pub(super) fn matchable(value: &Value) -> Option<String> {
    match value {
        Value::StringValue(_) | Value::BoolValue(_) | Value::IntValue(_) => Some(as_text(Some(value))),
        // Never with an exponent.
        Value::DoubleValue(value) => Some(value.to_string()),
        _ => None,
    }
}

/// What a value can be converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Int,
    Double,
    String,
}

/// The converted value; `None` if it has the type already or cannot be converted, and stays as it is.
pub(super) fn convert(value: &Value, to: Target) -> Option<Value> {
    match (to, value) {
        (Target::String, Value::StringValue(_)) | (Target::Int, Value::IntValue(_)) => None,
        (Target::Double, Value::DoubleValue(_)) => None,
        (Target::String, value) => Some(Value::StringValue(as_text(Some(value)))),
        (Target::Int, Value::DoubleValue(value)) => Some(Value::IntValue(*value as i64)),
        (Target::Int, Value::BoolValue(value)) => Some(Value::IntValue((*value).into())),
        (Target::Int, Value::StringValue(text)) => text.parse().ok().map(Value::IntValue),
        (Target::Double, Value::IntValue(value)) => Some(Value::DoubleValue(*value as f64)),
        (Target::Double, Value::BoolValue(value)) => Some(Value::DoubleValue(f64::from(u8::from(*value)))),
        (Target::Double, Value::StringValue(text)) => text.parse().ok().map(Value::DoubleValue),
        _ => None,
    }
}

/// The SHA-256 of a value in hexadecimal. Numbers are hashed as eight bytes, little endian; an empty text, and types
/// without a hash, give an empty text.
pub(super) fn hash(value: Option<&Value>) -> Value {
    let digest = match value {
        Some(Value::StringValue(text)) if !text.is_empty() => Sha256::digest(text.as_bytes()),
        Some(Value::BoolValue(value)) => Sha256::digest([u8::from(*value)]),
        Some(Value::IntValue(value)) => Sha256::digest(value.to_le_bytes()),
        Some(Value::DoubleValue(value)) => Sha256::digest(value.to_bits().to_le_bytes()),
        _ => return Value::StringValue(String::new()),
    };
    let mut text = String::with_capacity(64);
    digest.iter().for_each(|byte| {
        let _ = write!(text, "{byte:02x}");
    });
    Value::StringValue(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{pair, text};

    #[test]
    fn hashes_are_sha256_of_the_bytes() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(Some(&text("abc"))), text(abc));
        assert_eq!(hash(Some(&text(""))), text(""));
        // The published digest of one zero byte is that of `false`.
        let zero = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(hash(Some(&Value::BoolValue(false))), text(zero));
    }

    #[test]
    fn conversions() {
        assert_eq!(convert(&text("12"), Target::Int), Some(Value::IntValue(12)));
        assert_eq!(convert(&text("1.5"), Target::Int), None);
        assert_eq!(convert(&text("1.5"), Target::Double), Some(Value::DoubleValue(1.5)));
        assert_eq!(convert(&Value::DoubleValue(2.9), Target::Int), Some(Value::IntValue(2)));
        assert_eq!(convert(&Value::DoubleValue(1e21), Target::String), Some(text("1e+21")));
        assert_eq!(convert(&Value::DoubleValue(2.0), Target::String), Some(text("2")));
        assert_eq!(convert(&Value::BytesValue(vec![1, 2]), Target::String), Some(text("AQI=")));
        let map = Value::KvlistValue(KeyValueList { values: vec![pair("a", Value::IntValue(1))] });
        assert_eq!(convert(&map, Target::String), Some(text("{\"a\":1}")));
        assert_eq!(convert(&map, Target::Int), None);
    }

    #[test]
    fn numbers_of_the_language_keep_their_type() {
        assert_eq!(from_literal(&Literal::int(5)), Ok(Value::IntValue(5)));
        assert_eq!(from_literal(&Literal::Number(Number::Float(5.0))), Ok(Value::DoubleValue(5.0)));
        assert!(from_literal(&Literal::Secret(corten_syntax::Secret::new("canary"))).is_err());
    }
}
