//! `otelcol.exporter.debug`: writes what reaches it as text.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`Debug`]: the port and the life of an instance |
//! | `text/` | [`text::render`]: data as text, without an engine |
//! | `sampler.rs` | how often the same text is written |
//! | `writer.rs` | the thread that writes to standard output and files |

mod arguments;
mod component;
mod sampler;
#[cfg(test)]
mod tests;
pub mod text;
mod writer;

pub use arguments::DebugArguments;
pub use component::Debug;

use corten_component::Registration;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<Debug>()];
