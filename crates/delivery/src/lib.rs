//! What stands between a pipeline and its destinations: memory that is counted, queues, retry.
//!
//! Every destination has a [`Queue`] of its own, with a lane for each signal: a dead back end never slows another.
//! What a queue took is settled once, and the counters agree to the item: accepted = delivered + queued +
//! dropped{reason} + rejected by the back end.
//!
//! | file | what it holds |
//! |---|---|
//! | `budget.rs`, `limit.rs` | [`Budget`]: one byte limit for the whole process |
//! | `arena.rs` | [`Arena`]: bodies in segments that the budget knows |
//! | `payload.rs`, `otlp.rs` | [`Payload`]: what a queue must know of its items |
//! | `destination.rs` | [`Destination`]: what sends them, and how it may fail |
//! | `arguments.rs`, `policy.rs` | the blocks `sending_queue` and `retry_on_failure`, and what they mean |
//! | `queue.rs`, `lane.rs`, `entry.rs` | [`Queue`]: what waits |
//! | `dispatch.rs`, `outcome.rs`, `backoff.rs` | who sends it, and when again |
//! | `watch.rs` | who notices that a destination is back |
//! | `carry.rs` | [`Carry`]: what the next instance inherits |
//! | `metrics.rs` | what may be counted |
//! | `log/` | [`log`]: what waits, on disk |
//! | `hold.rs` | [`Holder`]: the same for a stage that holds items in front of queues |
//! | `adopt.rs` | what stages that are no more left on disk |
//! | `storage.rs`, `spool.rs` | [`Storage`]: where a queue keeps its items over a restart, and how |

mod adopt;
mod arena;
mod arguments;
mod backoff;
mod budget;
mod carry;
mod destination;
mod dispatch;
mod entry;
mod hold;
mod lane;
mod limit;
pub mod log;
mod metrics;
mod otlp;
mod outcome;
mod payload;
mod policy;
mod queue;
mod spool;
mod storage;
mod watch;

pub use arena::{Arena, SEGMENT_BYTES};
pub use arguments::{BatchBlock, Overflow, RetryOnFailure, SendingQueue, Sizer};
pub use budget::{Budget, OverBudget, Reservation, Shed};
pub use carry::Carry;
pub use destination::{Accepted, Destination, SendError};
pub use dispatch::Stop;
pub use hold::{Holder, Replay};
pub use limit::{default_limit, default_limit_under};
pub use metrics::{DropReason, QueueMetrics};
pub use payload::{DataType, Payload};
pub use policy::{Batching, Policy, Retry};
pub use queue::Queue;
pub use storage::{Left, Storage, StorageHandle};
