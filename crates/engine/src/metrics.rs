//! The controller's self-metrics, under Alloy's names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use corten_component::metrics::{Counter, Gauge, Histogram, MetricKind, Registry};
use corten_component::{HealthState, NodeId};

use crate::engine::Inner;

const BUCKETS: [f64; 12] = [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
const RUNNING: &str = "alloy_component_controller_running_components";
const RUNNING_HELP: &str = "Total number of running components.";
const STATES: [HealthState; 4] =
    [HealthState::Healthy, HealthState::Unhealthy, HealthState::Unknown, HealthState::Exited];
/// An evaluation that takes this long is slow.
const SLOW: Duration = Duration::from_secs(60);

/// Counts components that panicked.
#[derive(Clone)]
pub(crate) struct Panics(Counter);

impl Panics {
    pub(crate) fn count(&self) {
        self.0.inc();
    }
}

/// What the controller counts about itself.
pub(crate) struct ControllerMetrics {
    registry: Registry,
    evaluating: Gauge,
    evaluation_seconds: Histogram,
    wait_seconds: Histogram,
    panics: Counter,
    /// The modules whose counts are shown.
    modules: Mutex<BTreeSet<Arc<str>>>,
}

const ROOT: [(&str, &str); 2] = [("controller_path", "/"), ("controller_id", "")];

impl ControllerMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let scope = registry.process();
        let root = scope.with(&ROOT);
        Self {
            registry: registry.clone(),
            evaluating: root.gauge(
                "alloy_component_controller_evaluating",
                "Whether the controller is evaluating a load.",
                &[],
            ),
            evaluation_seconds: root.histogram(
                "alloy_component_evaluation_seconds",
                "Time it took to evaluate a component, in seconds.",
                &BUCKETS,
                &[],
            ),
            wait_seconds: root.histogram(
                "alloy_component_dependencies_wait_seconds",
                "Time that changed exports waited until their dependants were evaluated, in seconds.",
                &BUCKETS,
                &[],
            ),
            panics: scope.counter("corten_component_panics_total", "Components that panicked.", &[]),
            modules: Mutex::default(),
        }
    }

    pub(crate) fn queue_size(registry: &Registry) -> Gauge {
        let help = "Components whose changed exports wait to be planned for.";
        registry.process().with(&ROOT).gauge("alloy_component_evaluation_queue_size", help, &[])
    }

    pub(crate) fn panics(&self) -> Panics {
        Panics(self.panics.clone())
    }

    pub(crate) fn evaluating(&self, now: bool) {
        self.evaluating.set(if now { 1.0 } else { 0.0 });
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.wait_seconds.observe(time.as_secs_f64());
    }

    pub(crate) fn evaluated(&self, time: Duration, id: &NodeId) {
        self.evaluation_seconds.observe(time.as_secs_f64());
        if time >= SLOW {
            let labels = [("component_id", id.local()), ("component_path", id.path())];
            let help = "Seconds spent in evaluations that took a minute or longer.";
            let slow = self.registry.process().with(&ROOT);
            slow.counter("alloy_component_evaluation_slow_seconds", help, &labels).add(time.as_secs());
        }
    }

    /// Shows the counts of exactly these modules.
    pub(crate) fn show(&self, paths: BTreeSet<Arc<str>>, engine: &Weak<Inner>) {
        let scope = self.registry.process();
        let mut shown = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, state) in both(shown.difference(&paths)) {
            scope.remove(RUNNING, &labels(path, state));
        }
        for (path, state) in both(paths.difference(&shown)) {
            let (engine, of) = (engine.clone(), Arc::clone(path));
            scope.function(RUNNING, RUNNING_HELP, MetricKind::Gauge, &labels(path, state), move || {
                engine.upgrade().map_or(0.0, |engine| engine.count(&of, state) as f64)
            });
        }
        *shown = paths;
    }
}

fn both<'a>(paths: impl Iterator<Item = &'a Arc<str>> + 'a) -> impl Iterator<Item = (&'a Arc<str>, HealthState)> + 'a {
    paths.flat_map(|path| STATES.map(|state| (path, state)))
}

fn labels(path: &str, state: HealthState) -> [(&str, &str); 3] {
    let id = path.trim_start_matches('/');
    // A module's controller is named by its whole id, below the path of the controller that made it.
    let parent = match id.rsplit_once('/') {
        Some((_, _)) => &path[..path.len() - id.rsplit('/').next().map_or(0, str::len) - 1],
        None => "/",
    };
    let id = id.rsplit('/').next().unwrap_or_default();
    [("controller_path", parent), ("controller_id", id), ("health_type", state.as_str())]
}
