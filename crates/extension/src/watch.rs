//! Noticing that a file may have changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use tokio::time::{Instant, sleep_until, timeout};

/// Writers that replace a file make several events of it; this long after the last it is read.
const SETTLE: Duration = Duration::from_millis(50);
/// A writer that never stops must not keep the file from being read.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);
const BUFFER: usize = 4096;

/// Waits for changes: by the kernel's events if they can be had, in any case after an interval.
pub(crate) struct Watch {
    events: Option<EventStream<Vec<u8>>>,
    interval: Duration,
    next: Instant,
}

impl Watch {
    /// `by_events`: ask the kernel too. The folder is watched, since files are often replaced by renaming, and the folder of what a
    /// link points to.
    pub(crate) fn new(path: &Path, by_events: bool, interval: Duration) -> Self {
        let events = by_events.then(|| events(path)).and_then(|events| {
            events
                .inspect_err(|error| {
                    tracing::warn!(path = %path.display(), %error, "changes are only noticed by polling");
                })
                .ok()
        });
        Self { events, interval, next: Instant::now() + interval }
    }

    /// Resolves when the file should be read again.
    pub(crate) async fn changed(&mut self) {
        let poll = sleep_until(self.next);
        match &mut self.events {
            None => poll.await,
            Some(events) => {
                tokio::select! {
                    () = poll => {}
                    event = events.next() => match event {
                        Some(Ok(_)) => settle(events).await,
                        // The stream is of no use any more; polling is.
                        _ => self.events = None,
                    },
                }
            }
        }
        self.next = Instant::now() + self.interval;
    }
}

async fn settle(events: &mut EventStream<Vec<u8>>) {
    let end = Instant::now() + SETTLE_AT_MOST;
    while Instant::now() < end {
        match timeout(SETTLE, events.next()).await {
            Ok(Some(Ok(_))) => {}
            _ => return,
        }
    }
}

fn events(path: &Path) -> std::io::Result<EventStream<Vec<u8>>> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CLOSE_WRITE
        | WatchMask::MODIFY
        | WatchMask::ATTRIB
        | WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM;
    for folder in folders(path) {
        inotify.watches().add(folder, mask)?;
    }
    inotify.into_event_stream(vec![0; BUFFER])
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let of = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders = vec![of(path)];
    if let Ok(real) = std::fs::canonicalize(path) {
        folders.push(of(&real));
    }
    folders.dedup();
    folders
}
