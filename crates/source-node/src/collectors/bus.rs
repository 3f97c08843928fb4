//! What collectors that ask over D-Bus share: the bus, and waiting for its answers from a thread that may block.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use zbus::zvariant::OwnedValue;

use crate::bus::Bus;
use crate::collector::{Failure, Outcome};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(2);
/// How long all calls of a collection may take.
const ALL: Duration = Duration::from_secs(4);

/// The bus and the loop that its answers come to.
#[derive(Clone)]
pub(super) struct OnBus {
    pub(super) bus: Arc<Bus>,
    runtime: Option<Handle>,
}

impl OnBus {
    /// The system's bus.
    pub(super) fn system() -> Self {
        Self::of(Bus::system(CALL))
    }

    /// This bus.
    pub(super) fn of(bus: Bus) -> Self {
        Self { bus: Arc::new(bus), runtime: Handle::try_current().ok() }
    }

    /// Waits for what is asked.
    pub(super) fn wait(&self, asking: impl Future<Output = Outcome>) -> Outcome {
        let runtime = self.runtime.as_ref().ok_or_else(|| Failure::new("there is no loop to wait for the bus on"))?;
        let late = |_| Failure::new(format!("the bus has not answered everything within {ALL:?}"));
        runtime.block_on(async { timeout(ALL, asking).await.map_err(late)? })
    }
}

/// A property that is text.
pub(super) fn text(value: &OwnedValue) -> Option<&str> {
    value.downcast_ref::<&str>().ok()
}

/// A property that is a number; the largest means that there is none.
pub(super) fn number(value: &OwnedValue) -> Option<u64> {
    let long = value.downcast_ref::<u64>().ok().filter(|number| *number != u64::MAX);
    long.or_else(|| value.downcast_ref::<u32>().ok().map(u64::from))
}
