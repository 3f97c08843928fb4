//! YAML text and values, with the scalar rules of go-yaml v3: YAML 1.2 plus octal `0777`, `_` in numbers, timestamps
//! and merge keys; `yes` and `on` are text.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::args::{CallResult, exactly, text};
use super::json::MAX_DEPTH;
use super::timestamp;
use crate::quote;
use crate::value::{CallError, Number, Object, Value};

/// What aliases may blow a document up to, in values.
const MOST_EXPANDED: usize = 1_000_000;

pub(super) fn from_yaml(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    parse(&text(args, 0)?).map_err(|message| CallError::Callee(format!("yaml: {message}")))
}

/// A finished value.
#[derive(Clone)]
struct Node {
    value: Value,
    /// For scalars, their text: what a key becomes.
    key: Option<Arc<str>>,
    /// Whether it is a plain `<<`.
    merge: bool,
    /// How many values it holds, itself and repetitions included.
    weight: usize,
    /// How deep it nests, repetitions included.
    height: usize,
    line: usize,
}

/// A collection under construction.
struct Frame {
    anchor: usize,
    weight: usize,
    height: usize,
    line: usize,
    kind: Kind,
}

enum Kind {
    Sequence(Vec<Value>),
    Mapping { fields: Object, lines: HashMap<Arc<str>, usize>, key: Option<Node>, merged: Vec<Value> },
}

fn parse(text: &str) -> Result<Value, String> {
    let mut stack: Vec<Frame> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let line = span.start.line();
        let node = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let node = Node {
                    value: scalar(&text, plain, tag.as_deref()).map_err(|e| format!("line {line}: {e}"))?,
                    merge: plain && text == "<<",
                    key: Some(text.into()),
                    weight: 1,
                    height: 0,
                    line,
                };
                if anchor > 0 {
                    anchors.insert(anchor, node.clone());
                }
                node
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => Node { line, ..node.clone() },
                None => return Err(format!("line {line}: anchor value contains itself")),
            },
            Event::SequenceStart(anchor, _) => {
                open(&mut stack, anchor, line, Kind::Sequence(Vec::new()))?;
                continue;
            }
            Event::MappingStart(anchor, _) => {
                let (fields, lines) = (Object::new(), HashMap::new());
                open(&mut stack, anchor, line, Kind::Mapping { fields, lines, key: None, merged: Vec::new() })?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(frame) => close(frame, &mut anchors)?,
                None => continue,
            },
            Event::StreamEnd | Event::DocumentEnd => return Ok(Value::Null),
            _ => continue,
        };
        match stack.last_mut() {
            Some(frame) => add(frame, node)?,
            // Only the first document counts.
            None => return Ok(node.value),
        }
    }
    Ok(Value::Null)
}

fn open(stack: &mut Vec<Frame>, anchor: usize, line: usize, kind: Kind) -> Result<(), String> {
    if stack.len() >= MAX_DEPTH {
        return Err("exceeded max depth".to_owned());
    }
    stack.push(Frame { anchor, weight: 1, height: 1, line, kind });
    Ok(())
}

fn add(frame: &mut Frame, node: Node) -> Result<(), String> {
    frame.weight += node.weight;
    frame.height = frame.height.max(node.height + 1);
    if frame.weight > MOST_EXPANDED {
        return Err("document contains excessive aliasing".to_owned());
    }
    if frame.height > MAX_DEPTH {
        return Err("exceeded max depth".to_owned());
    }
    match &mut frame.kind {
        Kind::Sequence(elements) => elements.push(node.value),
        Kind::Mapping { fields, lines, key, merged } => match key.take() {
            None if node.key.is_none() => {
                return Err(format!("line {}: invalid map key: {}", node.line, node.value.to_source()));
            }
            None => *key = Some(node),
            Some(key) if key.merge => match node.value {
                Value::Array(elements) => merged.extend(elements.iter().cloned()),
                other => merged.push(other),
            },
            Some(key) => {
                let name = key.key.unwrap_or_default();
                if let Some(first) = lines.insert(name.clone(), key.line) {
                    let name = quote(&name);
                    return Err(format!(
                        "unmarshal errors:\n  line {}: mapping key {name} already defined at line {first}",
                        key.line
                    ));
                }
                fields.insert(name, node.value);
            }
        },
    }
    Ok(())
}

fn close(frame: Frame, anchors: &mut HashMap<usize, Node>) -> Result<Node, String> {
    let value = match frame.kind {
        Kind::Sequence(elements) => Value::array(elements),
        Kind::Mapping { mut fields, merged, .. } => {
            // What is written wins over what is merged, what is merged first over what comes later.
            for source in merged {
                let Value::Object(source) = source else {
                    return Err("map merge requires map or sequence of maps as the value".to_owned());
                };
                for (name, value) in source.iter() {
                    fields.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            Value::Object(Arc::new(fields))
        }
    };
    let node = Node { value, key: None, merge: false, weight: frame.weight, height: frame.height, line: frame.line };
    if frame.anchor > 0 {
        anchors.insert(frame.anchor, node.clone());
    }
    Ok(node)
}

fn scalar(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let string = || Value::string(text);
    let Some(tag) = tag else { return Ok(if plain { resolve(text, true).1 } else { string() }) };
    if tag.handle != "tag:yaml.org,2002:" && tag.handle != "!!" {
        // A tag of somebody's own says nothing of the value.
        return Ok(string());
    }
    let (kind, value) = match (&*tag.suffix, resolve(text, tag.suffix == "timestamp")) {
        ("str", _) => return Ok(string()),
        ("binary", _) => {
            let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(digits)
                .map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
            return Ok(String::from_utf8(bytes).map_or_else(|e| Value::Bytes(e.into_bytes().into()), Value::string));
        }
        ("float", ("int", Value::Number(n))) => ("float", Value::Number(Number::Float(n.as_f64()))),
        ("null" | "bool" | "int" | "float" | "timestamp", resolved) => resolved,
        _ => return Ok(string()),
    };
    if kind == tag.suffix { Ok(value) } else { Err(format!("cannot decode !!{kind} `{text}` as a !!{}", tag.suffix)) }
}

/// The type and value of a plain scalar.
fn resolve(text: &str, timestamps: bool) -> (&'static str, Value) {
    let float = |n: f64| ("float", Value::Number(Number::Float(n)));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ("null", Value::Null),
        "true" | "True" | "TRUE" => return ("bool", Value::Bool(true)),
        "false" | "False" | "FALSE" => return ("bool", Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return float(f64::NEG_INFINITY),
        _ => {}
    }
    if text.starts_with('.') {
        if let Some(n) = decimal(text) {
            return float(n);
        }
    } else if text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') {
        if let Some(time) = timestamp::rfc3339(text).filter(|_| timestamps) {
            return ("timestamp", Value::string(time));
        }
        let digits = text.replace('_', "");
        if let Some(n) = integer(&digits) {
            return ("int", Value::Number(n));
        }
        if let Some(n) = decimal(&digits) {
            return float(n);
        }
    }
    ("str", Value::string(text))
}

/// A whole number: decimal, `0x`, `0o`, `0b`, or octal after a plain zero.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (base, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Number::Int);
    }
    match i64::try_from(magnitude) {
        Ok(n) => Some(Number::Int(n)),
        // With a sign only what is signed fits.
        Err(_) => (!text.starts_with('+')).then_some(Number::Uint(magnitude)),
    }
}

/// A decimal with point or exponent.
fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let only_number = unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let starts = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|n: &f64| only_number && starts && n.is_finite())
}
