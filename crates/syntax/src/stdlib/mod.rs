//! The standard library: what every expression can name besides its scope.

mod array;
mod constants;
mod encoding;
mod format;
mod json;
mod jsonpath;
mod scan;
mod strings;
mod system;
mod table;
mod timestamp;
mod yaml;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

pub use constants::{CONSTANTS, ConstantInfo};
pub use scan::{Notice, NoticeKind, references};
pub use table::{FUNCTIONS, FunctionInfo, Stability};

use crate::value::{Function, Object, Value};

/// The value of a name of the standard library: a function, or a namespace as an object.
pub fn lookup(name: &str) -> Option<Value> {
    GLOBALS.get(name).cloned()
}

/// The function of a full name (`string.join`), deprecated names included.
pub fn function(name: &str) -> Option<&'static FunctionInfo> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The names that stand alone: namespaces, functions without one, deprecated names.
pub fn global_names() -> impl Iterator<Item = &'static str> {
    GLOBALS.keys().copied()
}

static GLOBALS: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    let mut namespaces: BTreeMap<&'static str, Object> = BTreeMap::new();
    let mut globals = BTreeMap::new();
    for function in FUNCTIONS {
        let value = Value::Function(Function { name: function.name, call: function.call });
        match function.name.split_once('.') {
            Some((namespace, name)) => {
                namespaces.entry(namespace).or_default().insert(name.into(), value);
            }
            None => {
                globals.insert(function.name, value);
            }
        }
    }
    namespaces.insert("constants", constants::values());
    globals.extend(namespaces.into_iter().map(|(name, object)| (name, Value::Object(Arc::new(object)))));
    globals
});

/// Reading arguments: the slots of Alloy's functions and what is said of arguments that do not fit.
mod args {
    use std::sync::Arc;

    use crate::value::{CallError, PathElem, Value, mismatch, to_text};

    pub(super) type CallResult = Result<Value, CallError>;

    /// Exactly as many arguments as the function takes.
    pub(super) fn exactly<const N: usize>(args: &[Value]) -> Result<&[Value; N], CallError> {
        args.try_into().map_err(|_| CallError::Callee(format!("expected {N} args, got {}", args.len())))
    }

    /// The argument as text, as a text slot converts it.
    pub(super) fn text(args: &[Value], index: usize) -> Result<Arc<str>, CallError> {
        let value = args.get(index).unwrap_or(&Value::Null);
        to_text(value).map_err(|message| CallError::argument(index, message))
    }

    /// All elements of an argument as text.
    pub(super) fn texts(args: &[Value], index: usize) -> Result<Vec<Arc<str>>, CallError> {
        if matches!(args[index], Value::Null) {
            return Ok(Vec::new());
        }
        elements(args, index)?
            .iter()
            .enumerate()
            .map(|(i, element)| {
                to_text(element).map_err(|message| CallError::inside(index, [PathElem::Index(i)], message))
            })
            .collect()
    }

    /// The elements of an argument that must be an array.
    pub(super) fn elements(args: &[Value], index: usize) -> Result<Arc<[Value]>, CallError> {
        match &args[index] {
            Value::Array(elements) => Ok(elements.clone()),
            Value::Bytes(bytes) => Ok(bytes.iter().map(|byte| Value::int(i64::from(*byte))).collect()),
            other => Err(CallError::argument(index, mismatch("array", other))),
        }
    }
}
