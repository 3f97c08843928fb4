//! What a queue leaves to the next instance.

use std::sync::Arc;

use crate::entry::{Entry, Fate};
use crate::metrics::QueueMetrics;
use crate::{DropReason, Payload};

/// The items of a queue whose instance has ended, oldest first, what was under way included. Dropped without being
/// inherited, they count as `dropped{reason="shutdown"}`.
pub struct Carry<T: Payload> {
    pub(crate) entries: Vec<Entry<T>>,
    pub(crate) metrics: Option<Arc<QueueMetrics>>,
}

impl<T: Payload> Default for Carry<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), metrics: None }
    }
}

impl<T: Payload> Carry<T> {
    /// How many items it holds.
    pub fn items(&self) -> u64 {
        self.entries.iter().map(|entry| entry.item.items()).sum()
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T: Payload> Drop for Carry<T> {
    fn drop(&mut self) {
        let Some(metrics) = &self.metrics else { return };
        for entry in self.entries.drain(..) {
            entry.settle(metrics, Fate::Dropped(DropReason::Shutdown, "the component has been stopped".to_owned()));
        }
    }
}

impl<T: Payload> std::fmt::Debug for Carry<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carry").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}
