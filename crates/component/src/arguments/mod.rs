//! Arguments: one declaration that decoding, validation, reference pages and completions share.
//!
//! `#[derive(Arguments)]` on a struct makes a table of its fields ([`Schema`]); one driver ([`decode()`]) walks the
//! evaluated statements of a block along that table and reports every mistake at once, each where it stands.

mod body;
mod bytes;
mod decode;
mod schema;
pub(crate) mod slot;
mod types;
mod unread;

pub use body::{AttributeItem, BlockItem, Body, Item};
pub use bytes::ByteSize;
pub use decode::{check, decode, decode_known};
pub use schema::{AttributeField, BlockField, Field, FieldKind, FlattenField, Repeat, Schema};
pub use slot::Labelled;
pub use types::{Attribute, Enumeration, ValueError};
pub use unread::Unread;

use std::any::Any;

/// A struct that a block's statements are decoded into. Derive it; `Default` gives the defaults.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[arg(name = "x")]` | the name in the file, if it is not the field's |
/// | `#[arg(required)]` | must be written |
/// | `#[arg(block)]` | a block: `B` (its defaults hold when not written), `Option<B>`, `Vec<B>`, `Vec<Labelled<B>>`, [`Unread`] |
/// | `#[arg(flatten)]` | the fields of another `Arguments` struct, at this level |
/// | `#[arguments(validate)]` on the struct | calls `fn validate(&self) -> Result<(), Invalid>` of the struct |
///
/// The first doc line of struct and fields goes into the reference page.
pub trait Arguments: Any + Send + Sync + Default {
    /// The declaration.
    fn schema() -> &'static Schema;
    /// What no single field can tell.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// Arguments that contradict each other, or a value out of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The field at fault as a dotted path from the struct; the diagnostic points there. `None`: the block.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Invalid {
    /// Points at the block.
    pub fn new(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into(), help: None }
    }

    /// Points at a field.
    pub fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), message: message.into(), help: None }
    }

    /// Says what to write instead.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
