//! Processors of the OpenTelemetry path: `otelcol.processor.memory_limiter`, `.attributes`, `.resourcedetection`.
//!
//! | folder | what it holds |
//! |---|---|
//! | `memory_limiter/` | refuses data while memory is short |
//! | `attributes/` | edits attributes of spans, log records and data points |
//! | `resource_detection/` | adds what is known of the machine to resources |
//! | `stage.rs` | what all three share: the output block and metrics |
//!
//! An edit decodes a request once and encodes it once; other branches that hold the same bytes never see it.

pub mod attributes;
pub mod memory_limiter;
pub mod resource_detection;
mod stage;
#[cfg(test)]
mod testing;

pub use attributes::Attributes;
pub use corten_signal::otlp::{InputExports, OutputArguments};
pub use memory_limiter::MemoryLimiter;
pub use resource_detection::ResourceDetection;

use corten_component::Registration;

/// The components of this crate.
pub const COMPONENTS: &[Registration] =
    &[Registration::of::<Attributes>(), Registration::of::<MemoryLimiter>(), Registration::of::<ResourceDetection>()];
