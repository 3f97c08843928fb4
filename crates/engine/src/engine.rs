//! The handle that a host holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corten_component::node::Services;
use corten_component::{Registry, metrics};
use corten_syntax::{Diagnostics, SourceMap};

use crate::{ComponentInfo, DrainReport, Fetch, HealthSummary, HostBlock, LoadError, LoadReport, NoFetch, Source};

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
    /// How long one component may take to be built.
    pub build_deadline: Duration,
    /// How long replaced instances together may take to end during a load.
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

/// A running graph. Cloning gives the same one; it must be used inside a tokio runtime with timers.
#[derive(Clone)]
pub struct Engine {
    settings: Arc<Settings>,
}

impl Engine {
    /// An engine that runs nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    /// Makes the graph what the source says. Loads are done one after the other; one that has begun is finished
    /// even if the caller goes away.
    ///
    /// # Errors
    /// Everything that is wrong, at once. What ran before runs on; after a failed first load nothing runs.
    pub async fn load(&self, source: Source) -> Result<LoadReport, LoadError> {
        let _ = (&self.settings, source);
        std::future::pending().await
    }

    /// Whether a load has succeeded and no shutdown has begun.
    pub fn ready(&self) -> bool {
        false
    }

    /// All nodes of the running graph, those of modules included, by id.
    pub fn components(&self) -> Vec<ComponentInfo> {
        Vec::new()
    }

    /// The node of a full id (`otelcol.receiver.otlp.default`, `lib.x/loki.write.y`).
    pub fn component(&self, _id: &str) -> Option<ComponentInfo> {
        None
    }

    /// The health of all nodes.
    pub fn health_summary(&self) -> HealthSummary {
        HealthSummary::default()
    }

    /// Stops everything in data order, sources first, each with what is left until the deadline.
    pub async fn shutdown(&self, _deadline: Duration) -> DrainReport {
        DrainReport::default()
    }
}

/// Checks a configuration without evaluating references or touching anything but its files.
///
/// Warnings count as diagnostics too. An unreadable source is one diagnostic without a place.
pub fn validate(_source: &Source, _settings: &Settings) -> (SourceMap, Diagnostics) {
    (SourceMap::default(), Diagnostics::new())
}
