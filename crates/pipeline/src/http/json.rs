//! Components as the web API's JSON.

use std::time::SystemTime;

use corten_component::HealthReport;
use corten_engine::{ComponentInfo, InfoStatement};
use corten_syntax::{Number, Value};
use serde_json::{Map, Value as Json, json};

/// An entry of a list: no arguments.
pub(super) fn summary(info: &ComponentInfo, debugged: bool) -> Json {
    Json::Object(fields(info, debugged))
}

/// Everything about one component.
pub(super) fn detail(info: &ComponentInfo, debugged: bool) -> Json {
    let mut fields = fields(info, debugged);
    fields.insert("arguments".into(), body(&info.arguments));
    fields.insert("exports".into(), body(&info.exports));
    if !info.created_module_ids.is_empty() {
        fields.insert("createdModuleIDs".into(), json!(info.created_module_ids));
    }
    Json::Object(fields)
}

fn fields(info: &ComponentInfo, debugged: bool) -> Map<String, Json> {
    let mut fields = Map::new();
    fields.insert("name".into(), json!(info.name));
    fields.insert("type".into(), json!("block"));
    fields.insert("localID".into(), json!(info.local_id));
    fields.insert("moduleID".into(), json!(info.module_id));
    if let Some(label) = &info.label {
        fields.insert("label".into(), json!(label));
    }
    fields.insert("referencesTo".into(), json!(info.references_to));
    fields.insert("referencedBy".into(), json!(info.referenced_by));
    fields.insert("dataFlowEdgesTo".into(), json!(info.data_flow_edges_to));
    fields.insert("health".into(), health(&info.health));
    fields.insert("original".into(), json!(""));
    fields.insert("liveDebuggingEnabled".into(), json!(debugged));
    fields
}

fn health(report: &HealthReport) -> Json {
    json!({
        "state": report.state.as_str(),
        "message": report.message,
        "updatedTime": time(report.updated),
    })
}

pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time).to_string()
}

fn body(statements: &[InfoStatement]) -> Json {
    statements
        .iter()
        .map(|statement| match statement {
            InfoStatement::Attribute { name, value: v } => json!({ "name": name, "type": "attr", "value": value(v) }),
            InfoStatement::Block { name, label, body: inner } => {
                let mut block = Map::new();
                block.insert("name".into(), json!(name));
                block.insert("type".into(), json!("block"));
                if let Some(label) = label {
                    block.insert("label".into(), json!(label));
                }
                block.insert("body".into(), body(inner));
                Json::Object(block)
            }
        })
        .collect()
}

fn value(value: &Value) -> Json {
    match value {
        Value::Null => json!({ "type": "null", "value": null }),
        Value::Bool(bool) => json!({ "type": "bool", "value": bool }),
        // As text, so that no reader rounds it.
        Value::Number(number) => json!({ "type": "number", "value": text_of(*number) }),
        Value::String(text) => json!({ "type": "string", "value": &**text }),
        Value::Bytes(_) | Value::Array(_) => {
            let elements = (0..value.array_len().unwrap_or(0)).filter_map(|index| value.element(index));
            json!({ "type": "array", "value": elements.map(|element| self::value(&element)).collect::<Vec<_>>() })
        }
        Value::Object(fields) => object(fields),
        Value::Function(_) => json!({ "type": "function", "value": "function" }),
        Value::Secret(_) => capsule("(secret)"),
        Value::OptionalSecret(text) => match text.plain() {
            Some(text) => json!({ "type": "string", "value": text }),
            None => capsule("(secret)"),
        },
        Value::Capsule(inner) => match inner.as_object() {
            Some(fields) => object(&fields),
            None => capsule(&value.describe()),
        },
    }
}

fn capsule(text: &str) -> Json {
    json!({ "type": "capsule", "value": text })
}

fn object(fields: &corten_syntax::Object) -> Json {
    let fields: Vec<Json> = fields.iter().map(|(key, field)| json!({ "key": &**key, "value": value(field) })).collect();
    json!({ "type": "object", "value": fields })
}

fn text_of(number: Number) -> String {
    match number {
        Number::Int(number) => number.to_string(),
        Number::Uint(number) => number.to_string(),
        Number::Float(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use corten_syntax::Secret;

    use super::*;

    #[test]
    fn values_say_their_type_and_secrets_nothing() {
        let object = Value::object([("b", Value::Bool(true)), ("a", Value::int(3))]);
        assert_eq!(
            value(&Value::array([object, Value::string("x"), Value::Null])).to_string(),
            r#"{"type":"array","value":[{"type":"object","value":[{"key":"a","value":{"type":"number","value":"3"}},{"key":"b","value":{"type":"bool","value":true}}]},{"type":"string","value":"x"},{"type":"null","value":null}]}"#
        );
        assert_eq!(
            value(&Value::Secret(Secret::new("canary"))).to_string(),
            r#"{"type":"capsule","value":"(secret)"}"#
        );
    }

    #[test]
    fn blocks_nest() {
        let inner = vec![InfoStatement::Attribute { name: "endpoint".into(), value: Value::string("x:1") }];
        let json = body(&[InfoStatement::Block { name: "client".into(), label: None, body: inner }]);
        assert_eq!(
            json.to_string(),
            r#"[{"body":[{"name":"endpoint","type":"attr","value":{"type":"string","value":"x:1"}}],"name":"client","type":"block"}]"#
        );
    }
}
