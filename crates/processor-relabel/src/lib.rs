//! `prometheus.relabel`: rules applied to samples.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`Relabel`]: the ports, and the life of an instance |
//! | `stage.rs` | what happens to a batch |
//! | `cache.rs` | [`Cache`]: what the rules made of each series |
//! | `metrics.rs` | self-metrics |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod arguments;
mod cache;
mod component;
mod metrics;
mod stage;

use corten_component::Registration;

pub use arguments::RelabelArguments;
pub use cache::Cache;
pub use component::{Relabel, RelabelExports};

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<Relabel>()];
