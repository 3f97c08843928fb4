//! Operators on values.

use std::cmp::Ordering;

use crate::ast::{BinaryOp, UnaryOp};
use crate::value::{Number, OptionalSecret, Secret, Value, mismatch};

/// Which operand an error is said of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

type OpResult = Result<Value, (Side, String)>;

/// Applies a binary operator. Both operands are values by now: there is no short circuit.
pub(super) fn binary(left: &Value, op: BinaryOp, right: &Value) -> OpResult {
    let (left, right) = unwrap_secrets(left, right);
    match op {
        BinaryOp::Eq => return Ok(Value::Bool(left == right)),
        BinaryOp::Ne => return Ok(Value::Bool(left != right)),
        _ => {}
    }
    let allowed = allowed(op);
    for (side, value) in [(Side::Left, &left), (Side::Right, &right)] {
        if !allowed.contains(&value.type_name()) {
            let message = format!(
                "should be one of [{}] for binop {}, got {}",
                allowed.join(" "),
                op.symbol(),
                value.type_name()
            );
            return Err((side, message));
        }
    }
    if left.type_name() != right.type_name() {
        return Err((Side::Right, mismatch(left.type_name(), &right)));
    }
    match (&left, &right) {
        (Value::Bool(a), Value::Bool(b)) => Ok(Value::Bool(if op == BinaryOp::Or { *a || *b } else { *a && *b })),
        (Value::String(a), Value::String(b)) if op == BinaryOp::Add => Ok(Value::String([&**a, &**b].concat().into())),
        (Value::String(a), Value::String(b)) => Ok(Value::Bool(ordered(op, Some(a.as_bytes().cmp(b.as_bytes()))))),
        (Value::Number(a), Value::Number(b)) => number(*a, op, *b),
        (Value::Secret(a), Value::Secret(b)) => Ok(Value::Secret(Secret::new([a.expose(), b.expose()].concat()))),
        (Value::OptionalSecret(a), Value::OptionalSecret(b)) => {
            let text = [a.secret().expose(), b.secret().expose()].concat();
            Ok(Value::OptionalSecret(OptionalSecret::new(text, a.is_secret || b.is_secret)))
        }
        _ => {
            let message = format!(
                "could not perform binop {} for unknown types lhs {} rhs {}",
                op.symbol(),
                left.type_name(),
                right.type_name()
            );
            Err((Side::Left, message))
        }
    }
}

/// Applies a unary operator.
pub(super) fn unary(op: UnaryOp, operand: &Value) -> Result<Value, String> {
    match (op, operand) {
        (UnaryOp::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
        (UnaryOp::Not, other) => Err(mismatch("bool", other)),
        (UnaryOp::Neg, Value::Number(Number::Float(n))) => Ok(Value::Number(Number::Float(-n))),
        (UnaryOp::Neg, Value::Number(n)) => Ok(Value::int(n.as_i64().wrapping_neg())),
        (UnaryOp::Neg, other) => Err(mismatch("number", other)),
    }
}

fn allowed(op: BinaryOp) -> &'static [&'static str] {
    match op {
        BinaryOp::Or | BinaryOp::And => &["bool"],
        BinaryOp::Add => &["number", "string", "capsule"],
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => &["number", "string"],
        _ => &["number"],
    }
}

/// Text meets a secret as a secret, an optional secret meets it as a secret, and an optional secret that is none
/// meets text as text.
fn unwrap_secrets(left: &Value, right: &Value) -> (Value, Value) {
    use Value::{OptionalSecret as Optional, Secret as Hidden, String as Text};
    let (mut l, mut r) = (left.clone(), right.clone());
    match (left, right) {
        (Optional(a), Hidden(_)) => l = Hidden(a.secret().clone()),
        (Hidden(_), Optional(b)) => r = Hidden(b.secret().clone()),
        (Hidden(_), Text(b)) => r = Hidden(Secret::new(b.clone())),
        (Text(a), Hidden(_)) => l = Hidden(Secret::new(a.clone())),
        (Optional(a), Text(b)) => match a.plain() {
            Some(a) => l = Text(a.into()),
            None => r = Optional(OptionalSecret::new(b.clone(), true)),
        },
        (Text(a), Optional(b)) => match b.plain() {
            Some(b) => r = Text(b.into()),
            None => l = Optional(OptionalSecret::new(a.clone(), true)),
        },
        _ => {}
    }
    (l, r)
}

fn ordered(op: BinaryOp, ordering: Option<Ordering>) -> bool {
    ordering.is_some_and(|ordering| match op {
        BinaryOp::Lt => ordering.is_lt(),
        BinaryOp::Le => ordering.is_le(),
        BinaryOp::Gt => ordering.is_gt(),
        _ => ordering.is_ge(),
    })
}

fn number(a: Number, op: BinaryOp, b: Number) -> OpResult {
    if matches!(op, BinaryOp::Div | BinaryOp::Mod) && b == Number::Int(0) {
        return Err((Side::Right, "divide by zero error".to_owned()));
    }
    if matches!(op, BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge) {
        return Ok(Value::Bool(ordered(op, a.compare(b))));
    }
    let result = match (a, b) {
        (Number::Float(_), _) | (_, Number::Float(_)) => Number::Float(floats(a.as_f64(), op, b.as_f64())),
        (Number::Uint(a), Number::Uint(b)) => {
            // Two unsigned numbers stay unsigned; Number keeps what fits as signed, so the small ones change their
            // representation here, which no operator can tell.
            let n = unsigned(a, op, b);
            i64::try_from(n).map_or(Number::Uint(n), Number::Int)
        }
        (a, b) => Number::Int(signed(a.as_i64(), op, b.as_i64())),
    };
    Ok(Value::Number(result))
}

fn floats(a: f64, op: BinaryOp, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        _ => a.powf(b),
    }
}

fn signed(a: i64, op: BinaryOp, b: i64) -> i64 {
    match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => a.wrapping_div(b),
        BinaryOp::Mod => a.wrapping_rem(b),
        // A negative exponent multiplies no times and leaves the base, as Alloy does.
        _ if b < 0 => a,
        _ => power(a as u64, b as u64) as i64,
    }
}

fn unsigned(a: u64, op: BinaryOp, b: u64) -> u64 {
    match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => a.wrapping_div(b),
        BinaryOp::Mod => a.wrapping_rem(b),
        _ => power(a, b),
    }
}

/// Wrapping power; the same bits for signed and unsigned numbers.
fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut result: u64 = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    result
}
