//! `otelcol.receiver.otlp`: OTLP over HTTP and gRPC.
//!
//! A request is limited before and after decompression, checked at every level of its protobuf (JSON is turned into protobuf first),
//! kept in counted memory and handed on as bytes; nothing is decoded. The answer is what downstream answered: a sender is told to try
//! again only if that makes sense, and that all is well only if somebody took the data.
//!
//! Listeners and their connections belong to the node: an instance is a handler in them (see [`corten_net::server`]), so replacing it
//! breaks no connection and leaves no request unanswered.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | the life of an instance |
//! | `http.rs`, `cors.rs`, `origin.rs` | OTLP/HTTP, and what browsers may do |
//! | `grpc.rs` | OTLP/gRPC |
//! | `ingest.rs`, `refused.rs` | what both do with a body, and how they refuse it |
//! | `metrics.rs` | self-metrics |

mod arguments;
mod component;
mod cors;
mod grpc;
mod http;
mod ingest;
mod metrics;
mod notes;
mod origin;
mod refused;

use corten_component::Registration;

pub use arguments::{Cors, Enforcement, Grpc, Http, Keepalive, OtlpArguments, ServerParameters, Transport};
pub use component::OtlpReceiver;
pub use corten_signal::otlp::OutputArguments;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<OtlpReceiver>()];
