//! `prometheus.scrape`: metrics of others, read again and again.
//!
//! | file | what it holds |
//! |---|---|
//! | `arguments.rs` | what the user writes |
//! | `component.rs` | [`Scrape`]: the life of an instance, and what the next one inherits |
//! | `pool.rs` | the targets of an instance: who comes and who goes |
//! | `target.rs`, `duration.rs` | from discovered labels to an address and labels |
//! | `session.rs` | one target: its rhythm, and what is sent on |
//! | `fetch.rs` | getting an exposition, over HTTP or from a component |
//! | `read.rs`, `ingest.rs` | a body → rows, with limits and staleness |
//! | `cache.rs` | the series of a target from scrape to scrape |
//! | `report.rs` | `up` and its like |
//! | `parse/` | the exposition formats |
//! | `histogram.rs`, `names.rs` | native histograms made smaller; which names are valid |
//! | `failures.rs`, `metrics.rs` | the log of failures, self-metrics |
//!
//! The parsers in [`parse`] and the [`Reader`] are usable without the rest.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod arguments;
mod cache;
mod component;
mod duration;
mod failures;
mod fetch;
mod histogram;
mod ingest;
mod metrics;
mod names;
pub mod parse;
mod pool;
mod read;
mod report;
mod session;
mod target;

use corten_component::Registration;

pub use arguments::{Clustering, ScrapeArguments};
pub use component::{Scrape, ScrapeCarry};
pub use names::{Escaping, NameScheme};
pub use read::Reader;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[Registration::of::<Scrape>()];
