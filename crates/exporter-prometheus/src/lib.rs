//! The way of samples out of the process, and between the two worlds of metrics.
//!
//! | folder | what it holds |
//! |---|---|
//! | `remote_write/` | `prometheus.remote_write`: what waits on disk, shards, the wire |
//! | `bridge/` | between OTLP and samples |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod bridge;
mod remote_write;

use corten_component::Registration;

pub use bridge::{OtlpToSamples, OtlpToSamplesArguments, ReceiverExports, SamplesToOtlp, SamplesToOtlpArguments};
pub use remote_write::RemoteWrite;

/// The components of this crate.
pub const COMPONENTS: &[Registration] =
    &[Registration::of::<RemoteWrite>(), Registration::of::<OtlpToSamples>(), Registration::of::<SamplesToOtlp>()];
