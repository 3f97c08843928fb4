//! The way from a value to something inside it, and what a function says when a call fails.

use std::fmt;
use std::sync::Arc;

use crate::{is_identifier, quote};

/// One step from a value into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathElem {
    /// A field of an object.
    Field(Arc<str>),
    /// An element of an array.
    Index(usize),
}

impl PathElem {
    /// A field of an object.
    pub fn field(name: impl Into<Arc<str>>) -> Self {
        Self::Field(name.into())
    }
}

/// As it continues an expression: `.name`, `["odd name"]`, `[2]`.
impl fmt::Display for PathElem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) if is_identifier(name) => write!(f, ".{name}"),
            Self::Field(name) => {
                f.write_str("[")?;
                f.write_str(&quote(name))?;
                f.write_str("]")
            }
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Why a function of the standard library refused a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// Said of the function: the evaluator puts the callee's text before it.
    Callee(String),
    /// A sentence of its own.
    Whole(String),
    /// Said of an argument, or of something inside it: the evaluator puts its text before it.
    Argument {
        /// Which argument, from zero.
        index: usize,
        /// The way from the argument to the offending value, outermost step first.
        path: Vec<PathElem>,
        /// What is wrong with it (`should be string, got bool`).
        message: String,
    },
}

impl CallError {
    /// Said of a whole argument.
    pub fn argument(index: usize, message: impl Into<String>) -> Self {
        Self::Argument { index, path: Vec::new(), message: message.into() }
    }

    /// Said of something inside an argument.
    pub fn inside(index: usize, path: impl Into<Vec<PathElem>>, message: impl Into<String>) -> Self {
        Self::Argument { index, path: path.into(), message: message.into() }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Callee(message) | Self::Whole(message) | Self::Argument { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for CallError {}

/// A plain sentence is said of the function.
impl From<String> for CallError {
    fn from(message: String) -> Self {
        Self::Callee(message)
    }
}

impl From<&str> for CallError {
    fn from(message: &str) -> Self {
        Self::Callee(message.to_owned())
    }
}
