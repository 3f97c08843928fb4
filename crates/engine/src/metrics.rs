//! The controller's self-metrics, under Alloy's names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use corten_component::metrics::{Counter, Gauge, Histogram, MetricKind, Registry};
use corten_component::{HealthState, NodeId};

use crate::engine::Inner;
use crate::shape::Shape;

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

/// What the controller counts about itself: the root's counts, and each module's under its own labels.
pub(crate) struct ControllerMetrics {
    registry: Registry,
    root: ModuleMetrics,
    panics: Counter,
    shown: Mutex<Shown>,
}

/// What is counted for each module.
#[derive(Clone)]
struct ModuleMetrics {
    evaluating: Gauge,
    evaluation_seconds: Histogram,
    wait_seconds: Histogram,
}

/// What has series now.
#[derive(Default)]
struct Shown {
    modules: BTreeMap<Arc<str>, ModuleMetrics>,
    connections: BTreeSet<[Arc<str>; 3]>,
}

const EVALUATING: &str = "alloy_component_controller_evaluating";
const EVALUATION: &str = "alloy_component_evaluation_seconds";
const WAIT: &str = "alloy_component_dependencies_wait_seconds";
const SLOW_SECONDS: &str = "alloy_component_evaluation_slow_seconds";
const CONNECTION: &str = "alloy_component_graph_connection";
const ROOT: [(&str, &str); 2] = [("controller_path", "/"), ("controller_id", "")];

impl ModuleMetrics {
    fn new(registry: &Registry, path: &str) -> Self {
        let scope = registry.process().with(&controller(path));
        Self {
            evaluating: scope.gauge(EVALUATING, "Whether the controller is evaluating a load.", &[]),
            evaluation_seconds: scope.histogram(
                EVALUATION,
                "Time it took to evaluate a component, in seconds.",
                &BUCKETS,
                &[],
            ),
            wait_seconds: scope.histogram(
                WAIT,
                "Time that changed exports waited until their dependants were evaluated, in seconds.",
                &BUCKETS,
                &[],
            ),
        }
    }
}

impl ControllerMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let panics = registry.process().counter("corten_component_panics_total", "Components that panicked.", &[]);
        let root = ModuleMetrics::new(registry, "/");
        Self { registry: registry.clone(), root, panics, shown: Mutex::default() }
    }

    pub(crate) fn queue_size(registry: &Registry) -> Gauge {
        let help = "Components whose changed exports wait to be planned for.";
        registry.process().with(&ROOT).gauge("alloy_component_evaluation_queue_size", help, &[])
    }

    pub(crate) fn panics(&self) -> Panics {
        Panics(self.panics.clone())
    }

    pub(crate) fn evaluating(&self, now: bool) {
        self.root.evaluating.set(if now { 1.0 } else { 0.0 });
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.root.wait_seconds.observe(time.as_secs_f64());
    }

    /// A node has been evaluated. A module's first evaluation is not counted: its series begin with its first commit.
    pub(crate) fn evaluated(&self, time: Duration, id: &NodeId) {
        if id.path() == "/" {
            self.root.evaluation_seconds.observe(time.as_secs_f64());
        } else if let Some(module) = self.shown().modules.get(id.path()) {
            module.evaluation_seconds.observe(time.as_secs_f64());
        }
        if time >= SLOW {
            let labels = [("component_id", id.local()), ("component_path", id.path())];
            let help = "Seconds spent in evaluations that took a minute or longer.";
            let slow = self.registry.process().with(&ROOT);
            slow.counter(SLOW_SECONDS, help, &labels).add(time.as_secs());
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the counts of exactly these modules and connections.
    pub(crate) fn show(&self, shape: Shape, engine: &Weak<Inner>) {
        let scope = self.registry.process();
        let mut shown = self.shown();
        let known: BTreeSet<Arc<str>> = shown.modules.keys().cloned().collect();
        for path in known.difference(&shape.paths) {
            for state in STATES {
                scope.remove(RUNNING, &labels(path, state));
            }
            for name in [EVALUATING, EVALUATION, WAIT] {
                scope.remove(name, &controller(path));
            }
            shown.modules.remove(path);
        }
        for path in shape.paths.difference(&known) {
            for state in STATES {
                let (engine, of) = (engine.clone(), Arc::clone(path));
                scope.function(RUNNING, RUNNING_HELP, MetricKind::Gauge, &labels(path, state), move || {
                    engine.upgrade().map_or(0.0, |engine| engine.count(&of, state) as f64)
                });
            }
            shown.modules.insert(Arc::clone(path), ModuleMetrics::new(&self.registry, path));
        }
        for gone in shown.connections.difference(&shape.connections) {
            scope.remove(CONNECTION, &connection(gone));
        }
        for new in shape.connections.difference(&shown.connections) {
            scope.gauge(CONNECTION, "A node that refers to another; always 1.", &connection(new)).set(1.0);
        }
        shown.connections = shape.connections;
    }
}

fn connection([path, from, to]: &[Arc<str>; 3]) -> [(&str, &str); 4] {
    let [path, id] = controller(path);
    [path, id, ("from", from), ("to", to)]
}

fn labels(path: &str, state: HealthState) -> [(&str, &str); 3] {
    let [path, id] = controller(path);
    [path, id, ("health_type", state.as_str())]
}

/// A module's controller is named by the last part of its path, below the path of the controller that made it.
fn controller(path: &str) -> [(&str, &str); 2] {
    let id = path.trim_start_matches('/');
    let parent = match id.rsplit_once('/') {
        Some((_, _)) => &path[..path.len() - id.rsplit('/').next().map_or(0, str::len) - 1],
        None => "/",
    };
    let id = id.rsplit('/').next().unwrap_or_default();
    [("controller_path", parent), ("controller_id", id)]
}
