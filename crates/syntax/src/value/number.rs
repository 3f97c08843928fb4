//! The one number type: signed, unsigned or float inside.

/// A number.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// Signed.
    Int(i64),
    /// Unsigned beyond `i64`.
    Uint(u64),
    /// Floating point.
    Float(f64),
}

impl Number {
    /// As a float.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Uint(n) => n as f64,
            Self::Float(n) => n,
        }
    }

    /// Truncated to a signed integer.
    pub fn as_i64(self) -> i64 {
        match self {
            Self::Int(n) => n,
            Self::Uint(n) => n as i64,
            Self::Float(n) => n as i64,
        }
    }

    /// Truncated to an unsigned integer; a negative integer wraps, a negative float becomes zero.
    pub fn as_u64(self) -> u64 {
        match self {
            Self::Int(n) => n as u64,
            Self::Uint(n) => n,
            Self::Float(n) => n as u64,
        }
    }

    /// How two numbers are ordered; `None` if one of them is not a number.
    pub fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Uint(a), Self::Uint(b)) => Some(a.cmp(&b)),
            (Self::Int(a), Self::Uint(b)) => Some(i128::from(a).cmp(&i128::from(b))),
            (Self::Uint(a), Self::Int(b)) => Some(i128::from(a).cmp(&i128::from(b))),
            (a, b) => a.as_f64().partial_cmp(&b.as_f64()),
        }
    }
}

/// In decimal, never with an exponent.
impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Uint(n) => write!(f, "{n}"),
            Self::Float(n) if n.is_nan() => f.write_str("NaN"),
            Self::Float(n) if n.is_infinite() => f.write_str(if *n > 0.0 { "+Inf" } else { "-Inf" }),
            Self::Float(n) => write!(f, "{n}"),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Uint(a), Self::Uint(b)) => a == b,
            (Self::Int(a), Self::Uint(b)) | (Self::Uint(b), Self::Int(a)) => u64::try_from(a) == Ok(b),
            (a, b) => a.as_f64() == b.as_f64(),
        }
    }
}
