//! What stands between a pipeline and its destinations: memory that is counted, queues, retry.
//!
//! | file | what it holds |
//! |---|---|
//! | `budget.rs`, `limit.rs` | [`Budget`]: one byte limit for the whole process |
//! | `arena.rs` | [`Arena`]: bodies in segments that the budget knows |

mod arena;
mod budget;
mod limit;

pub use arena::{Arena, SEGMENT_BYTES};
pub use budget::{Budget, OverBudget, Reservation, Shed};
pub use limit::{default_limit, default_limit_under};
