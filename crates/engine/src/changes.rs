//! What running components export anew, until it is planned for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use corten_component::NodeId;
use corten_component::metrics::Gauge;
use corten_syntax::Object;
use tokio::sync::Notify;

use crate::plan::same as plan_same;

#[derive(Default)]
struct State {
    /// What each running component exports, as far as it has been planned for.
    current: HashMap<NodeId, Arc<Object>>,
    /// The newest exports of those that have published since: at most one for each node.
    pending: BTreeMap<NodeId, Arc<Object>>,
    /// Nodes whose new exports have been taken by a plan that failed.
    again: BTreeSet<NodeId>,
    /// Whether an import has new content.
    content: bool,
}

/// The queue between running components and the next plan.
#[derive(Default)]
pub(crate) struct Changes {
    state: Mutex<State>,
    wake: Notify,
    waiting: Gauge,
}

/// What has happened since the last plan.
pub(crate) struct News {
    pub(crate) changed: BTreeSet<NodeId>,
    pub(crate) content: bool,
}

impl Changes {
    pub(crate) fn new(waiting: Gauge) -> Arc<Self> {
        Arc::new(Self { waiting, ..Self::default() })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a component exports anew; only the newest waits.
    pub(crate) fn publish(&self, id: &NodeId, exports: Object) {
        let mut state = self.state();
        let Some(current) = state.current.get(id) else { return };
        if plan_same(current, &exports) {
            // Equal to what is planned for: nothing to do, and what waited is out of date.
            state.pending.remove(id);
        } else {
            state.pending.insert(id.clone(), Arc::new(exports));
            self.wake.notify_one();
        }
        self.waiting.set(state.pending.len() as f64);
    }

    pub(crate) fn content_changed(&self) {
        self.state().content = true;
        self.wake.notify_one();
    }

    /// Resolves when something has changed.
    pub(crate) async fn wait(&self) {
        loop {
            {
                let state = self.state();
                if state.content || !state.pending.is_empty() || !state.again.is_empty() {
                    return;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Takes everything that waits into what is planned for.
    pub(crate) fn take(&self) -> News {
        let mut state = self.state();
        let pending = std::mem::take(&mut state.pending);
        let mut changed = std::mem::take(&mut state.again);
        changed.extend(pending.keys().cloned());
        state.current.extend(pending);
        self.waiting.set(0.0);
        News { changed, content: std::mem::take(&mut state.content) }
    }

    /// Gives back what was taken for a plan that failed: the next one must see to it.
    pub(crate) fn give_back(&self, news: News) {
        let mut state = self.state();
        state.again.extend(news.changed);
        state.content |= news.content;
        self.wake.notify_one();
    }

    /// What each component exports.
    pub(crate) fn current(&self) -> HashMap<NodeId, Arc<Object>> {
        self.state().current.clone()
    }

    pub(crate) fn get(&self, id: &NodeId) -> Option<Arc<Object>> {
        self.state().current.get(id).cloned()
    }

    /// A new instance is about to start: what the one before it said is out of date.
    pub(crate) fn restart(&self, id: NodeId, exports: Arc<Object>) {
        let mut state = self.state();
        state.pending.remove(&id);
        state.current.insert(id, exports);
    }

    /// A component has gone.
    pub(crate) fn forget(&self, id: &NodeId) {
        let mut state = self.state();
        state.pending.remove(id);
        state.current.remove(id);
    }
}
