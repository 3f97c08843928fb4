//! `otelcol.processor.batch`: collects OTLP requests into batches, without decoding them.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`Batch`]: the ports, the life of an instance, what the next one inherits |
//! | `pending.rs` | [`Pending`]: requests that wait, and how a batch is taken from them |
//! | `shard.rs` | one line of waiting requests, and the task that empties it |
//! | `stage.rs` | the shards by signal and request metadata |
//! | `metrics.rs` | self-metrics |
//!
//! The stage answers `Ok` as soon as a request waits; from then on it holds the request's receipt, and settles it
//! by handing it on or as dropped, with a reason. `Pending` is usable without an engine.

mod arguments;
mod component;
mod metrics;
mod pending;
mod shard;
mod stage;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use arguments::BatchArguments;
pub use component::{Batch, BatchCarry};
pub use corten_signal::otlp::OutputArguments;
pub use pending::Pending;

use corten_component::Registration;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<Batch>()];
