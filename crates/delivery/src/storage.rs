//! Where a queue may keep its items over a restart.

use std::path::Path;
use std::sync::Arc;

use corten_component::{BoxFuture, Handle};

use crate::log::{Log, OpenError};

/// A log with something for a destination, and its place there.
pub type Left = Option<(Arc<Log>, usize)>;

/// What `otelcol.storage.*` exports for `sending_queue.storage`.
pub trait Storage: Send + Sync + 'static {
    /// The log of a client, which is the full name of a component: the same name, the same log, also in another
    /// process.
    fn open<'a>(&'a self, client: &'a str) -> BoxFuture<'a, Result<Arc<Log>, OpenError>>;

    /// What another client, which nobody is any more, left in its log for a destination: the log, and the destination's
    /// place in it. See [`crate::log::open_left`].
    fn open_left<'a>(&'a self, _client: &'a Path, _destination: &'a str) -> BoxFuture<'a, Result<Left, OpenError>> {
        Box::pin(async { Ok(None) })
    }

    /// The directory that holds the directories of all clients.
    fn directory(&self) -> &Path;
}

impl corten_component::Behaviour for dyn Storage {
    const CAPSULE: &'static str = "otelcol.Handler";
}

/// A handle of the kind that `sending_queue.storage` takes.
pub type StorageHandle = Handle<dyn Storage>;
