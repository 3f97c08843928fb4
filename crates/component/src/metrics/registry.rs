//! Where all series of the process are found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::text;
use super::{Counter, Gauge, Histogram, MetricKind};
use crate::NodeId;

/// Label names and values, sorted by name.
pub(super) type Labels = Vec<(String, String)>;

pub(super) enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    Function(Box<dyn Fn() -> f64 + Send + Sync>),
}

pub(super) struct Family {
    pub(super) kind: MetricKind,
    pub(super) help: String,
    pub(super) series: BTreeMap<Labels, Series>,
}

/// The family of a name, empty if new.
fn family<'a>(families: &'a mut BTreeMap<String, Family>, name: &str, help: &str, kind: MetricKind) -> &'a mut Family {
    let new = || Family { kind, help: help.to_owned(), series: BTreeMap::new() };
    families.entry(name.to_owned()).or_insert_with(new)
}

/// All families by name.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<String, Family>>>);

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The process's own metrics: no node labels.
    pub fn process(&self) -> Scope {
        Scope { registry: self.clone(), labels: Vec::new() }
    }

    /// A node's metrics, with `component_id` and `component_path`.
    pub fn node(&self, id: &NodeId) -> Scope {
        self.process().with(&[("component_id", id.local()), ("component_path", id.path())])
    }

    /// Removes all series of a node.
    pub fn remove_node(&self, id: &NodeId) {
        let wanted =
            [("component_id", id.local()), ("component_path", id.path())].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut families = self.lock();
        for family in families.values_mut() {
            family.series.retain(|labels, _| !wanted.iter().all(|label| labels.contains(label)));
        }
        families.retain(|_, family| !family.series.is_empty());
    }

    /// Everything in Prometheus's text format 0.0.4.
    pub fn render(&self) -> String {
        text::render(&self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a node registers its metrics.
#[derive(Clone, Default)]
pub struct Scope {
    registry: Registry,
    labels: Labels,
}

impl Scope {
    /// The same scope with more constant labels.
    pub fn with(&self, labels: &[(&str, &str)]) -> Self {
        Self { registry: self.registry.clone(), labels: self.merged(labels) }
    }

    /// The counter of this name and these labels, at zero if new.
    pub fn counter(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        self.series(
            name,
            help,
            MetricKind::Counter,
            labels,
            || Series::Counter(Counter::default()),
            |s| match s {
                Series::Counter(counter) => Some(counter.clone()),
                _ => None,
            },
        )
    }

    /// The gauge of this name and these labels, at zero if new.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Gauge {
        self.series(
            name,
            help,
            MetricKind::Gauge,
            labels,
            || Series::Gauge(Gauge::default()),
            |s| match s {
                Series::Gauge(gauge) => Some(gauge.clone()),
                _ => None,
            },
        )
    }

    /// The histogram of this name and these labels, empty if new.
    pub fn histogram(&self, name: &str, help: &str, bounds: &[f64], labels: &[(&str, &str)]) -> Histogram {
        let new = || Series::Histogram(Histogram::new(bounds));
        self.series(name, help, MetricKind::Histogram, labels, new, |s| match s {
            Series::Histogram(histogram) => Some(histogram.clone()),
            _ => None,
        })
    }

    /// A value that is read when somebody looks. Replaces an earlier function of the same name and labels.
    pub fn function(
        &self,
        name: &str,
        help: &str,
        kind: MetricKind,
        labels: &[(&str, &str)],
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let labels = self.merged(labels);
        let mut families = self.registry.lock();
        let family = family(&mut families, name, help, kind);
        family.series.insert(labels, Series::Function(Box::new(read)));
    }

    /// Removes a series of this name and these labels, for those whose object has gone.
    pub fn remove(&self, name: &str, labels: &[(&str, &str)]) {
        let labels = self.merged(labels);
        if let Some(family) = self.registry.lock().get_mut(name) {
            family.series.remove(&labels);
        }
    }

    fn series<M: Default>(
        &self,
        name: &str,
        help: &str,
        kind: MetricKind,
        labels: &[(&str, &str)],
        new: impl FnOnce() -> Series,
        pick: impl Fn(&Series) -> Option<M>,
    ) -> M {
        let labels = self.merged(labels);
        let mut families = self.registry.lock();
        let family = family(&mut families, name, help, kind);
        // A name used for two kinds is a mistake in the program: the second gets a metric that nobody sees, and a
        // debug build says so.
        debug_assert!(family.kind == kind, "metric {name} is registered as two kinds");
        let found = pick(family.series.entry(labels).or_insert_with(new));
        found.unwrap_or_default()
    }

    fn merged(&self, labels: &[(&str, &str)]) -> Labels {
        let mut all = self.labels.clone();
        all.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all.sort();
        all
    }
}
