//! `array.*` and `coalesce`.

use std::sync::Arc;

use super::args::{CallResult, elements};
use crate::value::{CallError, Number, Object, PathElem, Value, mismatch};

pub(super) fn concat(args: &[Value]) -> CallResult {
    let mut all = Vec::new();
    for index in 0..args.len() {
        all.extend_from_slice(&elements(args, index)?);
    }
    match args {
        // A single argument stays what it is: bytes remain convertible to text.
        [only] => Ok(only.clone()),
        _ => Ok(Value::array(all)),
    }
}

pub(super) fn coalesce(args: &[Value]) -> CallResult {
    Ok(args.iter().find(|arg| !is_empty(arg)).or(args.last()).cloned().unwrap_or_default())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        // Minus zero is not the zero value.
        Value::Number(Number::Float(n)) => n.to_bits() == 0,
        Value::Number(n) => *n == Number::Int(0),
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Function(_) => false,
        Value::Secret(secret) => secret.is_empty(),
        Value::OptionalSecret(text) => !text.is_secret && text.secret().is_empty(),
        Value::Capsule(capsule) => capsule.as_object().is_some_and(|fields| fields.is_empty()),
    }
}

/// The elements of an argument that must be an array of objects (or of capsules that present themselves as such).
fn objects(args: &[Value], index: usize) -> Result<Vec<Arc<Object>>, CallError> {
    elements(args, index)?
        .iter()
        .enumerate()
        .map(|(i, element)| {
            element
                .as_object()
                .ok_or_else(|| CallError::inside(index, [PathElem::Index(i)], mismatch("object", element)))
        })
        .collect()
}

pub(super) fn combine_maps(args: &[Value]) -> CallResult {
    if args.len() != 3 && args.len() != 4 {
        return Err(CallError::Whole(format!("combine_maps: expected 3 or 4 arguments, got {}", args.len())));
    }
    let left = objects(args, 0)?;
    let right = objects(args, 1)?;
    let mut keys = Vec::new();
    for (i, key) in elements(args, 2)?.iter().enumerate() {
        match key {
            Value::String(key) => keys.push(key.clone()),
            other => return Err(CallError::inside(2, [PathElem::Index(i)], mismatch("string", other))),
        }
    }
    if keys.is_empty() {
        return Err(CallError::argument(2, "combine_maps: merge conditions must not be empty"));
    }
    let keep_left = match args.get(3) {
        None => false,
        Some(Value::Bool(keep)) => *keep,
        Some(other) => return Err(CallError::argument(3, mismatch("bool", other))),
    };

    let originals = elements(args, 0)?;
    let mut joined = Vec::new();
    for (original, l) in originals.iter().zip(&left) {
        for r in &right {
            let matches = keys.iter().all(|key| match (l.get(key), r.get(key)) {
                (Some(a), Some(b)) => identical(a, b),
                _ => false,
            });
            if matches {
                let mut merged = Object::clone(l);
                merged.extend(r.iter().map(|(key, value)| (key.clone(), value.clone())));
                joined.push(Value::Object(Arc::new(merged)));
            } else if keep_left {
                joined.push(original.clone());
            }
        }
    }
    Ok(Value::array(joined))
}

/// Equality of join keys: a float never equals an integer.
fn identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(Number::Float(a)), Value::Number(Number::Float(b))) => a == b,
        (Value::Number(Number::Float(_)), Value::Number(_)) | (Value::Number(_), Value::Number(Number::Float(_))) => {
            false
        }
        _ => a == b,
    }
}

pub(super) fn group_by(args: &[Value]) -> CallResult {
    let [items, key, drop_missing] = args else {
        return Err(CallError::Whole(format!("group_by: expected 3 arguments, got {}", args.len())));
    };
    if items.array_len().is_none() {
        return Err(CallError::argument(0, mismatch("array", items)));
    }
    let Value::String(key) = key else { return Err(CallError::argument(1, mismatch("string", key))) };
    let Value::Bool(drop_missing) = drop_missing else {
        return Err(CallError::argument(2, mismatch("bool", drop_missing)));
    };

    // In the order in which each group first appears, so that equal input gives equal output.
    let mut groups: Vec<(Arc<str>, Vec<Value>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (i, item) in objects(args, 0)?.into_iter().enumerate() {
        let name = match item.get(key) {
            Some(Value::String(name)) => name.clone(),
            Some(other) => {
                let path = [PathElem::Index(i), PathElem::Field(key.clone())];
                return Err(CallError::inside(0, path, mismatch("string", other)));
            }
            None if *drop_missing => continue,
            None => "".into(),
        };
        let place = *places.entry(name.clone()).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(Value::Object(item));
    }
    Ok(Value::array(groups.into_iter().map(|(name, items)| {
        Value::object([(key.clone(), Value::String(name)), ("items".into(), Value::array(items))])
    })))
}
