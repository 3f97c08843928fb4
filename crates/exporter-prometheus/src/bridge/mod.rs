//! Between OTLP and samples.
//!
//! | file | what it holds |
//! |---|---|
//! | `exporter/` | `otelcol.exporter.prometheus`: OTLP metrics as samples |
//! | `receiver/` | `otelcol.receiver.prometheus`: samples as OTLP metrics |
//! | `names.rs` | names and units in the words of either world |

mod exporter;
mod names;
mod receiver;

pub use exporter::{OtlpToSamples, OtlpToSamplesArguments};
pub use receiver::{ReceiverExports, SamplesToOtlp, SamplesToOtlpArguments};
