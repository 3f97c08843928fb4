//! The place where a listener's handler sits, and who is inside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corten_component::NodeId;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Serving;

/// What answers now.
#[derive(Clone)]
pub(super) enum Slot {
    /// Nobody: requests wait.
    Empty,
    /// This instance.
    Active(Arc<Active>),
    /// The listener has closed for good.
    Closed,
}

/// An installed instance.
pub(super) struct Active {
    pub(super) owner: NodeId,
    pub(super) serving: Serving,
    /// Grows when the encryption changes: connections of an older epoch are asked to go.
    pub(super) epoch: u64,
    inside: AtomicUsize,
    left: Notify,
}

impl Active {
    pub(super) fn new(owner: NodeId, serving: Serving, epoch: u64) -> Self {
        Self { owner, serving, epoch, inside: AtomicUsize::new(0), left: Notify::new() }
    }

    /// Resolves when no request is inside.
    pub(super) async fn quiet(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.inside.load(Ordering::SeqCst) == 0 {
                return;
            }
            left.await;
        }
    }
}

/// A request within an instance, until its answer has been handed to the connection.
pub(super) struct Inside(pub(super) Arc<Active>);

impl Drop for Inside {
    fn drop(&mut self) {
        if self.0.inside.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.left.notify_waiters();
        }
    }
}

/// Enters the instance of the moment, waiting for one until `deadline`. `None`: there is none.
pub(super) async fn enter(slots: &mut watch::Receiver<Slot>, deadline: Instant) -> Option<Inside> {
    loop {
        {
            // The count is raised while the slot cannot change, so that whoever empties the slot and then sees zero is right.
            let slot = slots.borrow_and_update();
            match &*slot {
                Slot::Active(active) => {
                    active.inside.fetch_add(1, Ordering::SeqCst);
                    return Some(Inside(Arc::clone(active)));
                }
                Slot::Closed => return None,
                Slot::Empty => {}
            }
        }
        match tokio::time::timeout_at(deadline, slots.changed()).await {
            Ok(Ok(())) => {}
            _ => return None,
        }
    }
}
