//! The Alloy configuration language: tokens, parser, AST, formatter, values, expressions and diagnostics.
//!
//! This crate does no I/O, starts no task and knows no component. A file becomes an [`ast::File`] by [`parse`],
//! an expression becomes a [`Value`] by [`eval::evaluate`], and whatever is wrong becomes a [`Diagnostic`]
//! that points into the [`SourceMap`].
//!
//! ```
//! use corten_syntax::{SourceMap, parse, render};
//!
//! let mut map = SourceMap::default();
//! let (_file, problems) = parse(&mut map, "config.alloy", "level = 'info'\n");
//! assert_eq!(
//!     render(&problems[..1], &map, false),
//!     "Error: config.alloy:1:9: illegal single-quoted string; use double quotes\n\
//!      \n\
//!      1 | level = 'info'\n  \
//!        |         ^\n\
//!      2 | \n\
//!      help: write \"info\"\n"
//! );
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ast;
mod diag;
mod encoding;
pub mod eval;
mod fmt;
mod hint;
mod ident;
mod lexer;
mod literal;
mod nearest;
mod parser;
mod quote;
mod render;
mod span;
pub mod stdlib;
mod token;
pub mod value;

pub use diag::{Diagnostic, Diagnostics, Severity};
pub use encoding::check_encoding;
pub use fmt::{format, format_bytes};
pub use ident::{is_identifier, sanitize_identifier};
pub use lexer::Lexer;
pub use nearest::nearest;
pub use parser::{MAX_HEIGHT, MAX_NESTING, parse, parse_bytes, parse_expression};
pub use quote::quote;
pub use render::{location, plain_line, render};
pub use span::{FileId, Position, SourceFile, SourceMap, Span};
pub use token::{Token, TokenKind};
pub use value::{Capsule, CapsuleValue, Number, Object, OptionalSecret, Secret, Value};
