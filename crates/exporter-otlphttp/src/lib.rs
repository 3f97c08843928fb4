//! `otelcol.exporter.otlphttp`: sends OTLP over HTTP.
//!
//! What waits, is tried again and is counted is the business of `corten-delivery`; what a connection is, of
//! `corten-net`. This crate makes a request of a batch, and sense of its answer.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | the life of an instance |
//! | `request.rs` | addresses, headers, bodies |
//! | `answer.rs` | what an answer means for the data |
//! | `cookies.rs` | cookies, if they are wanted |

mod answer;
mod arguments;
mod component;
mod cookies;
mod request;

use corten_component::Registration;

pub use arguments::{Client, CompressionParams, Cookies, Encoding, OtlpHttpArguments};
pub use component::OtlpHttp;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<OtlpHttp>()];
