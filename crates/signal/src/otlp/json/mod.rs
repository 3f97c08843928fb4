//! OTLP/JSON: from JSON to protobuf at the door, and back for destinations that want it.
//!
//! Both directions are driven by the tables of the protobuf check and stream: no tree of the document is built.

mod decode;
mod encode;
mod lexer;
mod tree;

use std::{error, fmt};

pub use decode::decode;
pub use encode::encode;
pub(crate) use encode::write_string;
pub(crate) use tree::Json;

/// The deepest nesting of objects and arrays.
pub const MAX_DEPTH: u32 = 128;

/// Why a body is not acceptable OTLP/JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Where in the document, such as `resourceSpans[0].scopeSpans[0].spans[2].traceId`; empty for the whole.
    pub path: String,
    /// For people: what is wrong.
    pub message: String,
    /// The byte at which it was seen.
    pub offset: usize,
}

impl JsonError {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { path: String::new(), message: message.into(), offset }
    }

    /// An error of the whole document.
    pub(crate) fn whole(message: String) -> Self {
        Self::new(message, 0)
    }

    fn in_field(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }

    fn in_element(mut self, index: usize) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{separator}{}", self.path);
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} (at byte {})", self.message, self.offset)
    }
}

impl error::Error for JsonError {}
