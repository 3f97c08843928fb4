//! Where a queue may keep its items over a restart.

use std::sync::Arc;

use corten_component::{BoxFuture, Handle};

use crate::log::{Log, OpenError};

/// What `otelcol.storage.*` exports for `sending_queue.storage`.
pub trait Storage: Send + Sync + 'static {
    /// The log of a client, which is the full name of a component: the same name, the same log, also in another
    /// process.
    fn open<'a>(&'a self, client: &'a str) -> BoxFuture<'a, Result<Arc<Log>, OpenError>>;

    /// The directory that holds the files, for messages.
    fn directory(&self) -> &std::path::Path;
}

impl corten_component::Behaviour for dyn Storage {
    const CAPSULE: &'static str = "otelcol.Handler";
}

/// A handle of the kind that `sending_queue.storage` takes.
pub type StorageHandle = Handle<dyn Storage>;
