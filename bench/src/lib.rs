//! What a collector costs: CPU time, memory and time to answer for each row of a table, next to a bare relay and to
//! other collectors.
//!
//! Wall-clock figures of a shared machine say little, so the unit is the CPU time that the collector's process takes
//! for a million items. Collectors run in turn and back (A B B A), each run a process of its own, pinned to one core
//! while the load and the back ends have another. The books of every run are exact: each item has a number, and
//! what is lost, doubled or foreign makes the whole benchmark fail.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod floor;
mod ledger;
mod load;
mod payload;
mod peer;
pub mod report;
mod row;
mod run;
pub mod scrape;
mod sink;
mod usage;

pub use ledger::Verdict;
pub use peer::Peer;
pub use row::{Input, Job, QUICK, Row, all as rows};
pub use run::{Options, Outcome, run};

/// Corten's description.
pub const CORTEN: &str = include_str!("../peers/corten.toml");
/// The floor's.
pub const FLOOR: &str = include_str!("../peers/floor.toml");
