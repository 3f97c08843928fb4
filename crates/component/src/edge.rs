//! What passes from one component to another, for those who look on.
//!
//! Nobody looks most of the time: a call then costs one relaxed load more.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Kinds, Signal};

/// Kinds within a family: the bits of [`Kinds`].
const KINDS: usize = u8::BITS as usize;

/// Sees items that were taken, as text.
pub trait Tap: Send + Sync + 'static {
    /// Whether it wants the next item: text is only made of what somebody wants. It must not wait.
    fn wants(&self) -> bool;
    /// Takes the text of an item. It must not wait.
    fn take(&self, text: &Arc<str>);
}

/// The way from the component that holds a port to the port.
pub struct Edge {
    watchers: AtomicUsize,
    items: [AtomicU64; KINDS],
    names: fn(usize) -> &'static str,
    /// Of the branches of a fan-out only the first is shown: the others carry the same.
    repeats: AtomicBool,
    taps: Mutex<Vec<Arc<dyn Tap>>>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// What is known of an item before it is handed over.
pub(crate) struct Sight {
    place: usize,
    items: u64,
    shown: Option<(Arc<str>, Vec<Arc<dyn Tap>>)>,
}

impl Edge {
    pub(crate) fn of<T: Signal>() -> Arc<Self> {
        Arc::new(Self {
            watchers: AtomicUsize::new(0),
            items: Default::default(),
            names: T::kind_name,
            repeats: AtomicBool::new(false),
            taps: Mutex::default(),
        })
    }

    pub(crate) fn repeats(&self) {
        self.repeats.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn see<T: Signal>(&self, item: &T) -> Sight {
        let Kinds(bits) = item.kind();
        let mut taps = match self.repeats.load(Ordering::Relaxed) {
            true => Vec::new(),
            false => self.taps().clone(),
        };
        taps.retain(|tap| tap.wants());
        let shown = (!taps.is_empty()).then(|| (Arc::from(item.describe()), taps));
        Sight { place: bits.trailing_zeros() as usize % KINDS, items: item.items(), shown }
    }

    pub(crate) fn passed(&self, sight: Sight) {
        self.items[sight.place].fetch_add(sight.items, Ordering::Relaxed);
        if let Some((text, taps)) = sight.shown {
            taps.iter().for_each(|tap| tap.take(&text));
        }
    }

    /// Items that have passed while somebody looked on, by kind.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.items.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(place, count)| ((self.names)(place), count)).collect()
    }

    /// Counts what passes from now on, until the answer is dropped.
    pub fn watch(self: &Arc<Self>) -> Watching {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watching { edge: Arc::clone(self), tap: None }
    }

    /// Shows what passes from now on, until the answer is dropped.
    pub fn tap(self: &Arc<Self>, tap: Arc<dyn Tap>) -> Watching {
        self.taps().push(Arc::clone(&tap));
        let mut watching = self.watch();
        watching.tap = Some(tap);
        watching
    }

    fn taps(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Tap>>> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody looks on. Dropping it ends that.
pub struct Watching {
    edge: Arc<Edge>,
    tap: Option<Arc<dyn Tap>>,
}

impl Watching {
    /// The edge.
    pub fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.edge.watchers.fetch_sub(1, Ordering::Relaxed);
        if let Some(tap) = &self.tap {
            let mut taps = self.edge.taps();
            if let Some(at) = taps.iter().position(|known| Arc::ptr_eq(known, tap)) {
                taps.remove(at);
            }
        }
    }
}
