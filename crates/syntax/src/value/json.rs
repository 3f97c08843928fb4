//! Values as the component API shows them: `{"type": ..., "value": ...}`.

use serde_json::{Number as JsonNumber, Value as Json, json};

use super::{Number, Object, Value};
use crate::quote;

/// A value with its type, as `/api/v0/web/components/...` carries it. An object is a list of `{key, value}`; secrets
/// are `(secret)`; a capsule is its object form, its own text or `capsule("type")`.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => json!({"type": "null", "value": null}),
        Value::Bool(value) => json!({"type": "bool", "value": value}),
        Value::Number(number) => json!({"type": "number", "value": number_to_json(*number)}),
        Value::String(text) => json!({"type": "string", "value": &**text}),
        Value::Bytes(bytes) => {
            let elements: Vec<Json> = bytes.iter().map(|b| json!({"type": "number", "value": b})).collect();
            json!({"type": "array", "value": elements})
        }
        Value::Array(elements) => {
            let elements: Vec<Json> = elements.iter().map(to_json).collect();
            json!({"type": "array", "value": elements})
        }
        Value::Object(fields) => object_to_json(fields),
        Value::Function(_) => json!({"type": "function", "value": "function"}),
        Value::Secret(_) => json!({"type": "capsule", "value": "(secret)"}),
        Value::OptionalSecret(text) => {
            json!({"type": "capsule", "value": text.plain().map_or_else(|| "(secret)".to_owned(), quote)})
        }
        Value::Capsule(capsule) => match capsule.as_object() {
            Some(fields) => object_to_json(&fields),
            None => {
                let text = capsule.text().filter(|text| !text.is_empty()).unwrap_or_else(|| value.describe());
                json!({"type": "capsule", "value": text})
            }
        },
    }
}

fn object_to_json(fields: &Object) -> Json {
    let fields: Vec<Json> = fields.iter().map(|(key, value)| json!({"key": &**key, "value": to_json(value)})).collect();
    json!({"type": "object", "value": fields})
}

/// Whole floats are written without `.0`; what JSON has no number for is null.
fn number_to_json(number: Number) -> Json {
    match number {
        Number::Int(n) => n.into(),
        Number::Uint(n) => n.into(),
        Number::Float(n) if n.fract() == 0.0 && n.abs() < 9e15 => (n as i64).into(),
        Number::Float(n) => JsonNumber::from_f64(n).map_or(Json::Null, Json::Number),
    }
}
