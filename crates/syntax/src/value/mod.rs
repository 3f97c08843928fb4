//! Values: what expressions evaluate to and what arguments are decoded from.

mod capsule;
mod number;
mod secret;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use capsule::{Capsule, CapsuleValue};
pub use number::Number;
pub use secret::{OptionalSecret, Secret};

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
    /// What it does; errors are finished sentences without the callee's name.
    pub call: fn(&[Value]) -> Result<Value, String>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "function({})", self.name)
    }
}
