//! Looking for changes of imported content.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::{Detector, ImportState, Specification};
use crate::engine::Inner;
use crate::graph::GraphContext;

/// Editors write a file in several steps; this long after the first it is read.
const SETTLE: Duration = Duration::from_millis(30);

/// Starts looking for changes of an import, unless that is done already or it cannot change.
pub(crate) fn watch(state: &Arc<ImportState>, engine: &Arc<Inner>) {
    if state.is_watched() {
        return;
    }
    let (path, poll) = match &state.specification {
        Specification::Text { .. } => return,
        Specification::File { path, detector, poll } => {
            ((*detector == Detector::Fsnotify).then(|| PathBuf::from(path)), *poll)
        }
        Specification::Http { poll, .. } => (None, *poll),
        Specification::Git { pull, .. } => (None, *pull),
    };
    if path.is_none() && poll.is_zero() {
        return;
    }
    let task = follow(Arc::downgrade(state), Arc::downgrade(engine), path, poll);
    state.watched_by(tokio::spawn(task));
}

async fn follow(state: Weak<ImportState>, engine: Weak<Inner>, path: Option<PathBuf>, poll: Duration) {
    let changed = Arc::new(Notify::new());
    // Kept alive until the task ends; without it the loop only polls.
    let _watcher = path.as_deref().and_then(|path| match notifier(path, &changed) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "changes of the file are only noticed by looking now and then");
            None
        }
    });
    loop {
        if poll.is_zero() {
            changed.notified().await;
            tokio::time::sleep(SETTLE).await;
        } else if tokio::time::timeout(poll, changed.notified()).await.is_ok() {
            tokio::time::sleep(SETTLE).await;
        }
        let (Some(state), Some(engine)) = (state.upgrade(), engine.upgrade()) else { return };
        let fetch = Arc::clone(&engine.settings.fetch);
        let read = state.specification.read(&*fetch).await;
        let settings = &engine.settings;
        let context = GraphContext {
            registry: &settings.registry,
            host_blocks: &settings.host_blocks,
            map: &Default::default(),
            fetched: state.specification.is_http(),
        };
        let before = state.health();
        if state.take(read, &context) {
            engine.changes.content_changed();
        }
        let now = state.health();
        if now != before && now.state != corten_component::HealthState::Healthy {
            tracing::warn!(reason = %now.message, "imported content cannot be used");
        }
    }
}

fn notifier(path: &Path, changed: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let wake = Arc::clone(changed);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file is an event too, and must not be a reason to read it.
        if !matches!(event, Ok(notify::Event { kind: EventKind::Access(access), .. }) if !is_written(access)) {
            wake.notify_one();
        }
    })?;
    // A file is often replaced rather than written to, so its directory is watched.
    let directory = if path.is_dir() { Some(path) } else { path.parent() };
    let directory = directory.filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

fn is_written(access: AccessKind) -> bool {
    access == AccessKind::Close(AccessMode::Write)
}
