//! The Alloy configuration language: tokens, parser, AST, formatter, values, expressions and diagnostics.
//!
//! This crate does no I/O, starts no task and knows no component. A file becomes an [`ast::File`] by [`parse`],
//! an expression becomes a [`Value`] by [`eval::evaluate`], and whatever is wrong becomes a [`Diagnostic`]
//! that points into the [`SourceMap`].

pub mod ast;
mod diag;
mod span;
pub mod value;

pub use diag::{Diagnostic, Diagnostics, Severity};
pub use span::{FileId, Position, SourceFile, SourceMap, Span};
pub use value::{Capsule, CapsuleValue, Number, Object, OptionalSecret, Secret, Value};
