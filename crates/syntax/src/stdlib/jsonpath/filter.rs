//! Filters: which elements match.

use std::cmp::Ordering;

use regex::Regex;

use super::{Step, select};
use crate::value::{CallError, Number, Value};

/// A filter's condition, or a part of it.
#[derive(Debug)]
pub(super) enum Equation {
    Constant(Value),
    /// `Nothing`: the value of a path that selects nothing.
    Nothing,
    Regex(Regex),
    Path(Vec<Step>),
    Not(Box<Equation>),
    Length(Box<Equation>),
    Count(Box<Equation>),
    Binary(Operator, Box<Equation>, Box<Equation>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Matches,
    MatchWhole,
    Search,
    Add,
    Subtract,
    Multiply,
    Divide,
    In,
    Empty,
    Exists,
}

impl Operator {
    /// How tightly it binds; small numbers bind tightly.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide => 1,
            Self::Add | Self::Subtract => 2,
            Self::And | Self::Or => 4,
            _ => 3,
        }
    }
}

/// What a part of a condition comes to.
#[derive(Debug, Clone)]
enum Outcome {
    Nothing,
    /// Found by a path: true by being there.
    Found(Value),
    Computed(Value),
}

impl Outcome {
    fn value(&self) -> Option<&Value> {
        match self {
            Self::Nothing => None,
            Self::Found(value) | Self::Computed(value) => Some(value),
        }
    }

    fn holds(&self) -> bool {
        matches!(self, Self::Found(_) | Self::Computed(Value::Bool(true)))
    }

    fn truth(value: bool) -> Self {
        Self::Computed(Value::Bool(value))
    }

    fn text(&self) -> Option<&str> {
        match self.value() {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// More combinations of values than this are not tried.
const MOST_COMBINATIONS: usize = 10_000;

impl Equation {
    /// Whether an element matches. Where paths select several values, any combination that holds will do.
    pub(super) fn matches(&self, element: &Value, root: &Value) -> Result<bool, CallError> {
        let mut paths = Vec::new();
        self.paths(&mut paths);
        let mut found = Vec::with_capacity(paths.len());
        for steps in paths {
            found.push(select(steps, element, root)?);
        }
        let combinations = found.iter().fold(1_usize, |all, values| all.saturating_mul(values.len().max(1)));
        for mut combination in 0..combinations.min(MOST_COMBINATIONS) {
            let mut chosen = Vec::with_capacity(found.len());
            for values in &found {
                let count = values.len().max(1);
                chosen.push(values.get(combination % count));
                combination /= count;
            }
            if self.outcome(&mut chosen.into_iter(), element, root)?.holds() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The paths in it, in reading order; those that are counted are none.
    fn paths<'a>(&'a self, out: &mut Vec<&'a [Step]>) {
        match self {
            Self::Path(steps) => out.push(steps),
            Self::Not(inner) | Self::Length(inner) => inner.paths(out),
            Self::Binary(_, left, right) => {
                left.paths(out);
                right.paths(out);
            }
            Self::Constant(_) | Self::Nothing | Self::Regex(_) | Self::Count(_) => {}
        }
    }

    /// Evaluates with one value for each path, taken in reading order.
    fn outcome<'a>(
        &self,
        chosen: &mut impl Iterator<Item = Option<&'a Value>>,
        element: &Value,
        root: &Value,
    ) -> Result<Outcome, CallError> {
        Ok(match self {
            Self::Constant(value) => Outcome::Computed(value.clone()),
            Self::Nothing | Self::Regex(_) => Outcome::Nothing,
            Self::Path(_) => match chosen.next().flatten() {
                Some(value) => Outcome::Found(value.clone()),
                None => Outcome::Nothing,
            },
            Self::Not(inner) => Outcome::truth(!inner.outcome(chosen, element, root)?.holds()),
            Self::Length(inner) => match inner.outcome(chosen, element, root)?.value() {
                Some(Value::String(text)) => length(text.len()),
                Some(Value::Array(elements)) => length(elements.len()),
                Some(Value::Object(fields)) => length(fields.len()),
                _ => Outcome::Nothing,
            },
            Self::Count(inner) => match &**inner {
                Self::Path(steps) => length(select(steps, element, root)?.len()),
                _ => Outcome::Nothing,
            },
            Self::Binary(operator, left, right) => {
                let left = left.outcome(chosen, element, root)?;
                if let Self::Regex(regex) = &**right {
                    let matches = *operator == Operator::Matches && left.text().is_some_and(|t| regex.is_match(t));
                    return Ok(Outcome::truth(matches));
                }
                let right = right.outcome(chosen, element, root)?;
                binary(*operator, &left, &right)
            }
        })
    }
}

fn length(length: usize) -> Outcome {
    Outcome::Computed(Value::int(length as i64))
}

fn binary(operator: Operator, left: &Outcome, right: &Outcome) -> Outcome {
    let ordered = |accept: fn(Ordering) -> bool| Outcome::truth(order(left, right).is_some_and(accept));
    match operator {
        Operator::Equal => Outcome::truth(left.value() == right.value()),
        Operator::Unequal => Outcome::truth(left.value() != right.value()),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterEqual => ordered(Ordering::is_ge),
        Operator::And => Outcome::truth(left.holds() && right.holds()),
        Operator::Or => Outcome::truth(left.holds() || right.holds()),
        Operator::Exists => Outcome::truth(wanted(right) == Some(left.value().is_some())),
        Operator::Empty => {
            let empty = match left.value() {
                Some(Value::String(text)) => Some(text.is_empty()),
                Some(Value::Array(elements)) => Some(elements.is_empty()),
                Some(Value::Object(fields)) => Some(fields.is_empty()),
                _ => None,
            };
            Outcome::truth(empty.is_some() && empty == wanted(right))
        }
        Operator::In => match (left.value(), right.value()) {
            (Some(value), Some(Value::Array(elements))) => Outcome::truth(elements.contains(value)),
            _ => Outcome::truth(false),
        },
        Operator::Matches => Outcome::truth(search(left, right, str::to_owned).unwrap_or(false)),
        Operator::Search => search(left, right, str::to_owned).map_or(Outcome::Nothing, Outcome::truth),
        Operator::MatchWhole => {
            search(left, right, |pattern| format!("^(?:{pattern})$")).map_or(Outcome::Nothing, Outcome::truth)
        }
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide => {
            arithmetic(operator, left, right).map_or(Outcome::Nothing, Outcome::Computed)
        }
    }
}

fn wanted(outcome: &Outcome) -> Option<bool> {
    match outcome.value() {
        Some(Value::Bool(wanted)) => Some(*wanted),
        _ => None,
    }
}

fn order(left: &Outcome, right: &Outcome) -> Option<Ordering> {
    match (left.value()?, right.value()?) {
        (Value::Number(a), Value::Number(b)) => a.compare(*b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// `None` where either side is no text or the pattern is none.
fn search(left: &Outcome, right: &Outcome, pattern: impl Fn(&str) -> String) -> Option<bool> {
    let (text, raw) = (left.text()?, right.text()?);
    Regex::new(&pattern(raw)).ok().map(|regex| regex.is_match(text))
}

fn arithmetic(operator: Operator, left: &Outcome, right: &Outcome) -> Option<Value> {
    match (left.value()?, right.value()?) {
        (Value::String(a), Value::String(b)) if operator == Operator::Add => Some(Value::string([&**a, b].concat())),
        (Value::Number(Number::Int(a)), Value::Number(Number::Int(b))) => Some(Value::int(match operator {
            Operator::Add => a.wrapping_add(*b),
            Operator::Subtract => a.wrapping_sub(*b),
            Operator::Multiply => a.wrapping_mul(*b),
            _ if *b == 0 => return None,
            _ => a.wrapping_div(*b),
        })),
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64(), b.as_f64());
            Some(Value::Number(Number::Float(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                _ if b == 0.0 => return None,
                _ => a / b,
            })))
        }
        _ => None,
    }
}
