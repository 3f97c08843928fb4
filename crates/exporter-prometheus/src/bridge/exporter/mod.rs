//! `otelcol.exporter.prometheus`: OTLP metrics as samples.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`OtlpToSamples`]: the port and the life of an instance |
//! | `convert.rs` | requests into samples |
//! | `points.rs` | points of each type into samples |
//! | `native.rs` | histograms into native ones |
//! | `state.rs` | what is remembered of series: their last time, and sums of what came as differences |
//! | `cumulate.rs` | differences added up |

mod arguments;
mod component;
mod convert;
mod cumulate;
mod native;
mod points;
mod state;
#[cfg(test)]
mod tests;

pub use arguments::OtlpToSamplesArguments;
pub use component::OtlpToSamples;
#[cfg(test)]
pub(crate) use convert::{Converter, Now};
