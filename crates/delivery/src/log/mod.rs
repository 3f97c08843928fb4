//! What waits, on disk: an append-only log with a cursor for each destination.
//!
//! [`Log::append`] answers once the record is on the disk; all records that arrive while a sync is under way share
//! the next one. A record leaves when every destination has settled it, and a segment when all its records have
//! left. What is not settled is read back in order, by this process or the next.
//!
//! **Damage** costs the records that it hits: a scanner finds the next whole one. A log is opened whatever its files
//! look like, and [`Report`] says what is gone. **A full or broken disk** is the caller's to handle ([`AppendError`]);
//! what was written before stays as it is, and writing is tried again every [`Options::retry_after`].
//!
//! **Versions.** A segment and a cursor say which version wrote them and which is the oldest that can read them. A
//! program reads every format up to its own, and any later one that names its own or an older as readable. It
//! refuses the rest, with the file's name and without touching anything ([`OpenError::Newer`]). To let the previous
//! release read what a new one leaves (a downgrade), a format goes up in two steps: one release that reads it, and
//! only then one that writes it. Unknown meta fields and the low eight flags of a record are passed over by older
//! readers; the high eight are not.
//!
//! | file | what it holds |
//! |---|---|
//! | `lock` | nothing; whoever has it locked owns the directory |
//! | `0000000000000001.seg` ... | records, up to 8 MiB of them; set aside in advance, cut to size when complete |
//! | `cursor-NAME` | what a destination has settled |
//!
//! | module | what it holds |
//! |---|---|
//! | `format.rs` | bytes of segments and records |
//! | `disk.rs`, `sim.rs` | the file system, and one that loses power |
//! | `core.rs`, `read.rs` | the log without a thread |
//! | `cursor.rs`, `ranges.rs` | how far a destination is |
//! | `assign.rs` | destinations that come and go |
//! | `scan.rs`, `report.rs` | what another life left, and what is wrong with it |
//! | `thread.rs` | [`Log`]: the thread that writes |
//! | `shared.rs` | one [`Log`] for a directory, whoever asks |
//! | `otlp.rs` | OTLP batches as records |
//! | `tools.rs` | [`inspect`], [`verify`], [`export`] |

mod assign;
mod core;
mod cursor;
pub(crate) mod disk;
mod format;
mod options;
pub(crate) mod otlp;
mod ranges;
mod read;
mod report;
mod scan;
mod shared;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;
mod thread;
mod tools;

pub use self::core::{Backlog, Evicted};
pub use format::{KINDS, Record, VERSION};
pub use options::{Options, SEGMENT_BYTES, WhenFull};
pub use report::{AppendError, Damage, OpenError, Report};
pub(crate) use shared::{destinations_in, flush_all};
pub use shared::{directory_name, open_left, open_shared};
pub use thread::{Appended, Chunk, Found, Log};
pub use tools::{Export, Summary, export, inspect, logs_in, verify};
