//! `otelcol.receiver.prometheus`: samples as OTLP metrics.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`SamplesToOtlp`]: the port and the life of an instance |
//! | `family.rs` | which metric a series belongs to, and as what part of it |
//! | `group.rs` | samples that are one point, and the point |
//! | `native.rs` | native histograms into points |
//! | `resource.rs` | resources and scopes out of labels |
//! | `translate.rs` | samples into a request |

mod arguments;
mod component;
mod family;
mod group;
mod native;
mod resource;
#[cfg(test)]
mod tests;
mod translate;

pub use arguments::SamplesToOtlpArguments;
pub use component::{ReceiverExports, SamplesToOtlp};
