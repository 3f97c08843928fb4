//! `otelcol.processor.memory_limiter`: refuses data while memory is short.

mod arguments;
mod component;
mod memory;

pub use arguments::{Limit, MemoryLimiterArguments};
pub use component::MemoryLimiter;
pub use memory::{resident_under, total_under};
