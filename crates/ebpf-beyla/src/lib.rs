//! Spans and metrics of services as they are, seen from the kernel: `beyla.ebpf`.
//!
//! Two halves meet at a stream of bytes, [`record`]: *capture* loads programs into the kernel and pumps what they
//! say; *interpret* is pure, reads records and knows protocols.

pub mod agent;
pub mod arguments;
#[cfg(feature = "capture")]
pub mod capture;
#[cfg(feature = "capture")]
mod component;
pub mod discover;
pub mod interpret;
pub mod record;
pub mod telemetry;

#[cfg(feature = "capture")]
pub use component::{BeylaEbpf, BeylaExports};

/// The components of this crate.
#[cfg(feature = "capture")]
pub const COMPONENTS: &[corten_component::Registration] = &[corten_component::Registration::of::<BeylaEbpf>()];
