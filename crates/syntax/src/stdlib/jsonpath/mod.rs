//! `json_path`: JSONPath in the dialect of ojg, which Alloy uses: the leading `$` is optional, a descent yields inner
//! values before outer ones, `&&` and `||` bind alike.

mod filter;
mod parse;

use super::args::{CallResult, exactly, text};
use super::json;
use crate::value::{CallError, Value};
use filter::Equation;

pub(super) fn json_path(args: &[Value]) -> CallResult {
    exactly::<2>(args)?;
    let (document, path) = (text(args, 0)?, text(args, 1)?);
    let steps = parse::parse(&path).map_err(CallError::Callee)?;
    // No document at all selects nothing, where a broken one is an error.
    let document = match document.trim() {
        "" => Value::Null,
        document => json::parse(document, json::Numbers::Integers).map_err(CallError::Callee)?,
    };
    Ok(Value::array(if steps.is_empty() { Vec::new() } else { select(&steps, &document, &document)? }))
}

/// One fragment of a path.
#[derive(Debug)]
enum Step {
    /// `$`
    Root,
    /// `@`
    Current,
    /// `.name`, `['name']`
    Child(String),
    /// `[3]`, `[-1]`
    Nth(i64),
    /// `*`, `[*]`
    Wildcard,
    /// `..`
    Descent,
    /// `['a', 1]`
    Union(Vec<Step>),
    /// `[1:5:2]`
    Slice { start: i64, end: Option<i64>, step: i64 },
    /// `[?(...)]`
    Filter(Equation),
}

/// More values than this are no selection any more; it bounds what nested descents can ask for.
const MOST: usize = 1_000_000;

/// The values that a path selects, in document order (fields by name).
fn select(steps: &[Step], start: &Value, root: &Value) -> Result<Vec<Value>, CallError> {
    let mut current = vec![start.clone()];
    for (i, step) in steps.iter().enumerate() {
        let last = i + 1 == steps.len();
        let mut next = Vec::new();
        for value in &current {
            apply(step, value, root, last, &mut next)?;
            if next.len() > MOST {
                return Err(CallError::Callee(format!("selects more than {MOST} values")));
            }
        }
        current = next;
    }
    Ok(current)
}

fn apply(step: &Step, value: &Value, root: &Value, last: bool, out: &mut Vec<Value>) -> Result<(), CallError> {
    match step {
        Step::Root => out.push(root.clone()),
        Step::Current => out.push(value.clone()),
        Step::Child(name) => {
            if let Value::Object(fields) = value {
                out.extend(fields.get(&**name).cloned());
            }
        }
        Step::Nth(index) => {
            if let Value::Array(elements) = value {
                out.extend(place(*index, elements.len()).and_then(|at| elements.get(at)).cloned());
            }
        }
        Step::Wildcard => out.extend(children(value)),
        Step::Descent => descend(value, last, true, out),
        Step::Union(members) => {
            for member in members {
                apply(member, value, root, last, out)?;
            }
        }
        Step::Slice { start, end, step } => {
            if let Value::Array(elements) = value {
                slice(elements, *start, *end, *step, out);
            }
        }
        Step::Filter(equation) => {
            for child in children(value) {
                if equation.matches(&child, root)? {
                    out.push(child);
                }
            }
        }
    }
    Ok(())
}

fn children(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(elements) => elements.to_vec(),
        Value::Object(fields) => fields.values().cloned().collect(),
        _ => Vec::new(),
    }
}

/// All collections inside a value, inner ones first, then the value; as the last step, all values inside.
fn descend(value: &Value, last: bool, top: bool, out: &mut Vec<Value>) {
    if !matches!(value, Value::Array(_) | Value::Object(_)) {
        return;
    }
    let inner = children(value);
    if last {
        out.extend(inner.iter().cloned());
    }
    for child in &inner {
        descend(child, last, false, out);
    }
    if !last || top {
        out.push(value.clone());
    }
}

/// An index from the front or, negative, from the back.
fn place(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

fn slice(elements: &[Value], start: i64, end: Option<i64>, step: i64, out: &mut Vec<Value>) {
    // In 128 bits nothing here overflows.
    let length = elements.len() as i128;
    let mut start = i128::from(start);
    if start < 0 {
        start = (start + length).max(0);
    }
    let mut end = end.map_or(length, i128::from);
    if end < 0 {
        end += length;
    }
    end = end.min(length);
    if start >= length || step == 0 {
        return;
    }
    let mut at = start;
    while (step > 0 && at < end) || (step < 0 && at > end.max(-1)) {
        out.extend(usize::try_from(at).ok().and_then(|at| elements.get(at)).cloned());
        at += i128::from(step);
    }
}
