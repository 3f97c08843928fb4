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
