//! `otelcol.exporter.otlp`: sends OTLP over gRPC.
//!
//! What waits, is tried again and is counted is the business of `corten-delivery`; what a call is, of `corten-net`.
//! This crate makes a call of a batch, and sense of its status.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | the life of an instance |
//! | `call.rs` | calls, and what their status means for the data |

mod arguments;
mod call;
mod component;

use corten_component::Registration;

pub use arguments::{Balancer, Client, Keepalive, OtlpArguments};
pub use component::Otlp;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<Otlp>()];
