//! Noticing that something in a folder may have changed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use tokio::time::timeout;

/// Writers make several events of a change; this long after one the files are read.
const SETTLE: Duration = Duration::from_millis(50);

/// The kernel's events of some folders.
pub(super) struct Watch(EventStream<Vec<u8>>);

impl Watch {
    pub(super) fn new(folders: impl IntoIterator<Item = PathBuf>) -> std::io::Result<Self> {
        let inotify = Inotify::init()?;
        let mask = WatchMask::CLOSE_WRITE
            | WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVED_TO
            | WatchMask::MOVED_FROM;
        for folder in folders.into_iter().collect::<BTreeSet<_>>() {
            // A folder that does not exist yet is looked for every interval.
            if let Err(error) = inotify.watches().add(&folder, mask) {
                tracing::warn!(path = %folder.display(), err = %error, "a folder cannot be watched");
            }
        }
        Ok(Self(inotify.into_event_stream(vec![0; 4096])?))
    }

    /// Resolves after a change.
    pub(super) async fn changed(&mut self) {
        match self.0.next().await {
            Some(Ok(_)) => {}
            // The stream is of no use any more; the interval is.
            _ => std::future::pending().await,
        }
        let more = async { while let Some(Ok(_)) = self.0.next().await {} };
        let _ = timeout(SETTLE, more).await;
    }
}
