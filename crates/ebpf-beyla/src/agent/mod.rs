//! The working whole: from records to spans and metrics that go out.
//!
//! | file | what it holds |
//! |---|---|
//! | `worker.rs` | the thread that reads records |
//! | `processes.rs` | who is observed |
//! | `census.rs` | facts about processes |
//! | `teller.rs` | exchanges to spans and metrics |
//! | `usage.rs` | what processes use |
//! | `outlet.rs` | the way out of the thread |
//! | `meters.rs` | self-metrics |

#[cfg(feature = "capture")]
mod census;
pub mod meters;
pub mod outlet;
pub mod processes;
pub mod teller;
#[cfg(feature = "capture")]
mod usage;
#[cfg(feature = "capture")]
pub mod worker;
