//! Where a queue may keep its items over a restart.

use corten_component::Handle;

/// What `otelcol.storage.*` exports for `sending_queue.storage`.
///
/// The trait fixes the capsule, so that files already say what they want; no queue uses a storage yet, and a queue
/// that is given one is refused at build with a clear message ([`crate::SendingQueue::policy`]).
pub trait Storage: Send + Sync + 'static {
    /// The directory that holds the files, for messages.
    fn directory(&self) -> &std::path::Path;
}

impl corten_component::Behaviour for dyn Storage {
    const CAPSULE: &'static str = "otelcol.Handler";
}

/// A handle of the kind that `sending_queue.storage` takes.
pub(crate) type StorageHandle = Handle<dyn Storage>;
