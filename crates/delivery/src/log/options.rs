//! How a log behaves.

use std::time::Duration;

/// The size of a segment unless the log is small or a record large.
pub const SEGMENT_BYTES: u64 = 8 << 20;

const SMALLEST_SEGMENT: u64 = 64 << 10;

/// What a log does at its greatest size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The oldest segment goes, with all that waits in it.
    DropOldest,
    /// The newest record is refused.
    #[default]
    Reject,
}

/// How a log behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether a record counts as written only once it is on the disk. Without, it survives the end of the process,
    /// but not of the machine.
    pub fsync: bool,
    /// The greatest size of all segments together, in bytes.
    pub max_bytes: Option<u64>,
    /// What happens then.
    pub when_full: WhenFull,
    /// How long a broken or full disk is left alone before the next attempt.
    pub retry_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { fsync: true, max_bytes: None, when_full: WhenFull::Reject, retry_after: Duration::from_secs(1) }
    }
}

impl Options {
    /// So that a log can give up an eighth of itself at a time.
    pub(crate) fn segment_bytes(&self) -> u64 {
        let share = self.max_bytes.map_or(SEGMENT_BYTES, |max| max / 8 / 4096 * 4096);
        share.clamp(SMALLEST_SEGMENT, SEGMENT_BYTES)
    }
}
