//! The handle that a host holds, and what it holds on to.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use corten_component::node::Services;
use corten_component::{HealthState, NodeId, Registry, metrics};
use corten_syntax::{Diagnostic, SourceMap};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::changes::Changes;
use crate::live::Graph;
use crate::load::{Plans, follow_changes};
use crate::metrics::ControllerMetrics;
use crate::{
    ComponentInfo, DrainReport, Fetch, Flow, HealthSummary, HostBlock, LoadError, LoadReport, LoadStage, NoFetch,
    Source,
};

/// What an engine is made of.
#[derive(Clone)]
pub struct Settings {
    /// The components that a file may name.
    pub registry: Registry,
    /// Where self-metrics are registered.
    pub metrics: metrics::Registry,
    /// Process-wide helpers that components ask for.
    pub services: Services,
    /// Under which directory nodes keep their files.
    pub storage_path: PathBuf,
    /// Blocks that the host handles.
    pub host_blocks: Vec<HostBlock>,
    /// Brings modules from elsewhere.
    pub fetch: Arc<dyn Fetch>,
    /// How long one component may take to be built, and one resource to be had.
    pub build_deadline: Duration,
    /// How long replaced instances together may take to end during a load; the same again for removed ones. Calls
    /// wait at a gate no longer than 30 s, so this should stay well below.
    pub replace_deadline: Duration,
}

impl Settings {
    /// No helpers, no host blocks, no network; files under `data-corten`.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            metrics: metrics::Registry::new(),
            services: Services::default(),
            storage_path: PathBuf::from("data-corten"),
            host_blocks: Vec::new(),
            fetch: Arc::new(NoFetch),
            build_deadline: Duration::from_secs(10),
            replace_deadline: Duration::from_secs(10),
        }
    }
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) metrics: ControllerMetrics,
    pub(crate) changes: Arc<Changes>,
    pub(crate) plans: tokio::sync::Mutex<Plans>,
    live: RwLock<Arc<Graph>>,
    ready: AtomicBool,
    closing: watch::Sender<bool>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    pub(crate) fn live(&self) -> Arc<Graph> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_live(&self, graph: Arc<Graph>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = graph;
    }

    pub(crate) fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Resolves when a shutdown has begun.
    pub(crate) async fn closing(&self) {
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// How many nodes of a module are in a state, as Alloy counts: imports too, the items of a foreach not.
    pub(crate) fn count(&self, path: &str, state: HealthState) -> usize {
        let graph = self.live();
        let of_module = graph.module(path).filter(|node| node.kind().is_some());
        of_module.filter(|node| node.health().state == state).count()
    }

    /// Starts the task that plans for changed exports.
    pub(crate) fn ensure_worker(self: &Arc<Self>) {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.is_none() {
            *worker = Some(tokio::spawn(follow_changes(Arc::downgrade(self), Arc::clone(&self.changes))));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner) {
            worker.abort();
        }
    }
}

/// A running graph. Cloning gives the same one; it must be used inside a tokio runtime with timers.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

impl Engine {
    /// An engine that runs nothing yet.
    pub fn new(settings: Settings) -> Self {
        let metrics = ControllerMetrics::new(&settings.metrics);
        let changes = Changes::new(ControllerMetrics::queue_size(&settings.metrics));
        Self(Arc::new(Inner {
            settings,
            metrics,
            changes,
            plans: tokio::sync::Mutex::default(),
            live: RwLock::default(),
            ready: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            worker: Mutex::default(),
        }))
    }

    /// Makes the graph what the source says. Loads are done one after the other; one that has begun is finished
    /// even if the caller goes away.
    ///
    /// # Errors
    /// Everything that is wrong, at once. What ran before runs on; after a failed first load nothing runs.
    pub async fn load(&self, source: Source) -> Result<LoadReport, LoadError> {
        let (inner, origin) = (Arc::clone(&self.0), source.name());
        match tokio::spawn(async move { crate::load::load(&inner, source).await }).await {
            Ok(answer) => answer,
            Err(error) => Err(LoadError {
                stage: LoadStage::Graph,
                origin,
                source_map: SourceMap::default(),
                diagnostics: vec![Diagnostic::error(None, format!("the load did not finish: {error}"))],
            }),
        }
    }

    /// Whether a load has succeeded and no shutdown has begun.
    pub fn ready(&self) -> bool {
        self.0.ready()
    }

    /// All nodes of the running graph, those of modules included, in the order of evaluation.
    pub fn components(&self) -> Vec<ComponentInfo> {
        crate::describe::all(&self.0)
    }

    /// The node of a full id (`otelcol.receiver.otlp.default`, `lib.x/loki.write.y`).
    pub fn component(&self, id: &str) -> Option<ComponentInfo> {
        let node = match id.rsplit_once('/') {
            Some((module, local)) => NodeId::new(format!("/{module}"), local),
            None => NodeId::root(id),
        };
        crate::describe::one(&self.0, &node)
    }

    /// The ways that data takes through the running graph. Each load may make others.
    pub fn flows(&self) -> Vec<Flow> {
        crate::flow::flows(&self.0)
    }

    /// The health of all nodes.
    pub fn health_summary(&self) -> HealthSummary {
        let mut summary = HealthSummary::default();
        for node in self.0.live().nodes.iter().filter(|node| node.kind().is_some()) {
            summary.count(node.id.to_string(), node.health().state);
        }
        summary
    }

    /// Stops everything in data order, sources first. Each stage has its share of what is left until the deadline;
    /// what does not end in time is abandoned and named. Nothing can be loaded afterwards.
    pub async fn shutdown(&self, deadline: Duration) -> DrainReport {
        let started = Instant::now();
        self.0.set_ready(false);
        // Gives up a plan that is being made; a commit is let finish, within half of the time.
        self.0.closing.send_replace(true);
        let _plans = tokio::time::timeout(deadline / 2, self.0.plans.lock()).await;
        let left = deadline.saturating_sub(started.elapsed());
        let (stopped, abandoned) = crate::stop::drain(&self.0, left).await;
        DrainReport { stopped, abandoned, took: started.elapsed() }
    }
}

/// What a plan is made from besides the running graph.
pub(crate) type Exports = HashMap<NodeId, Arc<corten_syntax::Object>>;
/// Nodes that may not be planned anew, and why.
pub(crate) type Refusals = BTreeMap<NodeId, String>;
