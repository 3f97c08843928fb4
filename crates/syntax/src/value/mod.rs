//! Values: what expressions evaluate to and what arguments are decoded from.

mod capsule;
mod convert;
mod duration;
mod json;
mod number;
mod path;
mod secret;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use capsule::{Capsule, CapsuleValue};
pub use convert::{
    mismatch, to_bool, to_duration_nanos, to_f64, to_i64, to_number, to_optional_secret, to_secret, to_text, to_u64,
};
pub use duration::{format_duration, parse_duration};
pub use json::to_json;
pub use number::Number;
pub use path::{CallError, PathElem};
pub use secret::{OptionalSecret, Secret};

use crate::quote;

/// The fields of an object, sorted by name.
pub type Object = BTreeMap<Arc<str>, Value>;

/// A value of the language. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true`, `false`
    Bool(bool),
    /// One number type with three representations.
    Number(Number),
    /// UTF-8 text.
    String(Arc<str>),
    /// Bytes from the Base64 decoders: an array for `+`, `==` and exports, text when the slot is text.
    Bytes(Arc<[u8]>),
    /// `[...]`
    Array(Arc<[Value]>),
    /// `{...}`
    Object(Arc<Object>),
    /// A function of the standard library.
    Function(Function),
    /// A secret; never printed.
    Secret(Secret),
    /// A string that may be a secret (`local.file.content`).
    OptionalSecret(OptionalSecret),
    /// An opaque handle: receivers, handlers, rules.
    Capsule(Capsule),
}

/// A standard library function; equal to nothing.
#[derive(Clone, Copy)]
pub struct Function {
    /// Its full name (`string.join`).
    pub name: &'static str,
    /// What it does; errors come without the callee's or argument's text.
    pub call: fn(&[Value]) -> Result<Value, CallError>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "function({})", self.name)
    }
}

impl Value {
    /// The type's name in the language: null, number, string, bool, array, object, function, capsule.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Bytes(_) | Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Function(_) => "function",
            Self::Secret(_) | Self::OptionalSecret(_) | Self::Capsule(_) => "capsule",
        }
    }

    /// The type as mismatch messages name it: capsules with their own type, `capsule("x")`.
    pub fn describe(&self) -> String {
        match self {
            Self::Secret(_) => r#"capsule("alloytypes.Secret")"#.to_owned(),
            Self::OptionalSecret(_) => r#"capsule("alloytypes.OptionalSecret")"#.to_owned(),
            Self::Capsule(capsule) => format!("capsule({})", quote(capsule.type_name())),
            other => other.type_name().to_owned(),
        }
    }

    /// Text as a value.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// A signed integer as a value.
    pub fn int(number: i64) -> Self {
        Self::Number(Number::Int(number))
    }

    /// An array of values.
    pub fn array(elements: impl IntoIterator<Item = Value>) -> Self {
        Self::Array(elements.into_iter().collect())
    }

    /// An object of fields; of equal names the last holds.
    pub fn object<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Object(Arc::new(fields.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// The fields of an object, or of a capsule that presents itself as one.
    pub fn as_object(&self) -> Option<Arc<Object>> {
        match self {
            Self::Object(fields) => Some(fields.clone()),
            Self::Capsule(capsule) => capsule.as_object(),
            _ => None,
        }
    }

    /// The number of elements of an array; `None` for other types.
    pub fn array_len(&self) -> Option<usize> {
        match self {
            Self::Array(elements) => Some(elements.len()),
            Self::Bytes(bytes) => Some(bytes.len()),
            _ => None,
        }
    }

    /// An element of an array; bytes are numbers.
    pub fn element(&self, index: usize) -> Option<Value> {
        match self {
            Self::Array(elements) => elements.get(index).cloned(),
            Self::Bytes(bytes) => bytes.get(index).map(|byte| Self::int(i64::from(*byte))),
            _ => None,
        }
    }

    /// Whether a change from `self` to `other` can be seen by anyone: as `==`, but functions compare by name and
    /// a number that is not a number is the same as itself.
    pub fn same(&self, other: &Value) -> bool {
        self.compare(other, true)
    }

    fn compare(&self, other: &Value, identity: bool) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b || (identity && a.as_f64().is_nan() && b.as_f64().is_nan()),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => {
                (identity && Arc::ptr_eq(a, b))
                    || (a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.compare(b, identity)))
            }
            (Self::Array(a), Self::Bytes(b)) | (Self::Bytes(b), Self::Array(a)) => {
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|(a, b)| a.compare(&Self::int(i64::from(*b)), identity))
            }
            (Self::Object(a), Self::Object(b)) => {
                (identity && Arc::ptr_eq(a, b))
                    || (a.len() == b.len()
                        && a.iter().zip(b.iter()).all(|((ka, va), (kb, vb))| ka == kb && va.compare(vb, identity)))
            }
            (Self::Function(a), Self::Function(b)) => identity && a.name == b.name,
            (Self::Secret(a), Self::Secret(b)) => a == b,
            (Self::OptionalSecret(a), Self::OptionalSecret(b)) => a == b,
            (Self::Capsule(a), Self::Capsule(b)) => a == b,
            _ => false,
        }
    }
}

/// The language's `==` between values inside arrays and objects: types must agree, numbers compare across
/// representations, functions equal nothing.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other, false)
    }
}
