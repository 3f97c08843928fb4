//! What opening a log found, and why one cannot be opened.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A part of a file that could not be read as what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where the part starts.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// What a log held when it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files with records.
    pub segments: u64,
    /// Records that are whole, settled or not.
    pub records: u64,
    /// Their items.
    pub items: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Records that had been acknowledged and are gone, as far as later ones show it.
    pub damaged_records: u64,
    /// Where.
    pub damage: Vec<Damage>,
    /// Bytes of a write that did not finish before the process or the machine ended: normal, nobody had been told
    /// that it was safe.
    pub torn_bytes: u64,
    /// Records of that write, as far as they can be told.
    pub torn_records: u64,
    /// Destinations whose cursor could not be read: everything in the log is delivered to them again.
    pub lost_cursors: Vec<String>,
}

impl Report {
    /// Whether nothing that had been acknowledged is gone.
    pub fn is_whole(&self) -> bool {
        self.damaged_records == 0 && self.damage.is_empty() && self.lost_cursors.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segments, records, items, bytes, .. } = self;
        write!(f, "{records} records with {items} items and {bytes} bytes in {segments} segments")?;
        if !self.damage.is_empty() || self.damaged_records > 0 {
            let bytes: u64 = self.damage.iter().map(|damage| damage.bytes).sum();
            write!(f, "; damaged: {bytes} bytes, at least {} records", self.damaged_records)?;
            for damage in self.damage.iter().take(3) {
                write!(f, ", {} at {}", damage.file.display(), damage.offset)?;
            }
        }
        if self.torn_bytes > 0 {
            write!(f, "; {} bytes of an unfinished write passed over", self.torn_bytes)?;
        }
        for destination in &self.lost_cursors {
            write!(f, "; the position of \"{destination}\" is lost, everything is delivered again")?;
        }
        Ok(())
    }
}

/// Why a log cannot be opened. Damage is no reason.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// A newer version of the program wrote it, in a format that this one does not know. Nothing was changed.
    #[error(
        "{} was written by a newer version (format {version}, readable from format {reader} on; this one reads up to {own}): \
         start the newer version to deliver what it holds, or move the directory away",
        file.display(), own = super::format::VERSION
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// The format that wrote it.
        version: u16,
        /// The oldest format that may read it.
        reader: u16,
    },
    /// Another process, or another component, uses it.
    #[error("the buffer directory {} is in use by another process", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// The file system says no.
    #[error("{}: {why}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        why: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Io { path: path.into(), why: error.to_string() }
    }
}

/// Why a record was not written. It is in no segment, and will not be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log has the size that it may have, and what it holds must not be dropped.
    #[error("the buffer on disk is full")]
    Full,
    /// The record is larger than any may be.
    #[error("the record is larger than the buffer on disk may be")]
    TooLarge,
    /// The disk is full or broken. Writing is tried again later.
    #[error("writing to the buffer directory: {why}")]
    Disk {
        /// Whether it is only full.
        full: bool,
        /// What the file system said.
        why: String,
    },
    /// The log has been closed.
    #[error("the buffer on disk has been closed")]
    Closed,
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        Self::Disk { full, why: error.to_string() }
    }
}
