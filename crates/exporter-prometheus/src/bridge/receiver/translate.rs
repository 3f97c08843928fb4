//! Samples into a request.

use std::collections::HashMap;
use std::sync::Arc;

use corten_proto::otlp::collector::ExportMetricsServiceRequest;
use corten_proto::otlp::common::{InstrumentationScope, KeyValue};
use corten_proto::otlp::metrics::{
    AggregationTemporality, ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum,
    Summary, metric::Data,
};
use corten_proto::otlp::resource::Resource;
use corten_signal::labels::Labels;
use corten_signal::samples::{Metadata, RowExemplar, Sample, Samples};

use super::family::{Form, Part, Place, SCRAPE, place};
use super::group::{Group, attribute};
use super::resource::{ORIGIN, Origin, Scope, told};
use crate::bridge::names::ucum;

type Map<K, V> = HashMap<K, V, foldhash::quality::RandomState>;

/// The scope of series that name none.
const SCOPE: &str = "otelcol/prometheusreceiver";

/// Of how many names of series the type is remembered, for samples that do not say it: ends of series.
const REMEMBERED: usize = 16_384;

/// Of how many resources it is remembered what their `target_info` told: a scrape may come in several batches.
const RESOURCES: usize = 4096;

/// What samples became.
#[derive(Debug, Default)]
pub(super) struct Translated {
    pub(super) request: ExportMetricsServiceRequest,
    pub(super) points: usize,
    /// Samples without what their part needs: a bound, a quantile.
    pub(super) malformed: u64,
    /// Histograms and summaries without a count, and histograms of which the buckets do not fit together.
    pub(super) incomplete: u64,
}

/// Turns samples into requests.
#[derive(Default)]
pub(super) struct Translator {
    types: Map<Box<str>, Arc<Metadata>>,
    /// By job and instance.
    told: Map<(String, String), Vec<KeyValue>>,
}

#[derive(Default)]
struct Tree {
    resources: Vec<ResourceOf>,
    by_origin: Map<(String, String), usize>,
    malformed: u64,
}

struct ResourceOf {
    attributes: Vec<KeyValue>,
    scopes: Vec<ScopeOf>,
}

struct ScopeOf {
    name: String,
    version: String,
    schema: String,
    attributes: Vec<KeyValue>,
    families: Vec<Family>,
    by_name: Map<(String, Form), usize>,
}

struct Family {
    name: String,
    form: Form,
    metadata: Option<Arc<Metadata>>,
    groups: Vec<Group>,
    by_labels: Map<(Labels, i64), usize>,
}

impl Translator {
    /// The request that says what the samples say.
    pub(super) fn translate(&mut self, samples: &Samples) -> Translated {
        let mut tree = Tree::default();
        for (row, exemplars) in samples.iter() {
            let name = row.labels.name();
            let metadata = self.metadata(name, row);
            tree.take(&mut self.told, name, row, metadata, exemplars);
        }
        tree.finish()
    }

    fn metadata(&mut self, name: &str, row: &Sample) -> Option<Arc<Metadata>> {
        let Some(own) = &row.metadata else { return self.types.get(name).cloned() };
        match self.types.get_mut(name) {
            Some(known) if Arc::ptr_eq(known, own) => {}
            Some(known) => *known = Arc::clone(own),
            None => {
                if self.types.len() >= REMEMBERED {
                    self.types.clear();
                }
                self.types.insert(name.into(), Arc::clone(own));
            }
        }
        Some(Arc::clone(own))
    }
}

/// The place of a key, which is made if it is new.
fn place_of<K: std::hash::Hash + Eq, V>(
    index: &mut Map<K, usize>,
    all: &mut Vec<V>,
    key: K,
    new: impl FnOnce() -> V,
) -> usize {
    *index.entry(key).or_insert_with(|| {
        all.push(new());
        all.len() - 1
    })
}

impl Tree {
    fn take(
        &mut self,
        known: &mut Map<(String, String), Vec<KeyValue>>,
        name: &str,
        row: &Sample,
        metadata: Option<Arc<Metadata>>,
        exemplars: &[RowExemplar],
    ) {
        let origin = Origin::of(&row.labels);
        let key = (origin.job.to_owned(), origin.instance.to_owned());
        if name == "target_info" && row.value.is_stale() {
            known.remove(&key);
            return;
        }
        let new = || {
            let mut attributes = origin.resource();
            known.get(&key).into_iter().flatten().for_each(|told| put(&mut attributes, told.clone()));
            ResourceOf { attributes, scopes: Vec::new() }
        };
        let at = place_of(&mut self.by_origin, &mut self.resources, key.clone(), new);
        let Some(resource) = self.resources.get_mut(at) else { return };
        if name == "target_info" {
            let told: Vec<_> = told(&row.labels).collect();
            told.iter().for_each(|told| put(&mut resource.attributes, told.clone()));
            if known.len() >= RESOURCES {
                known.clear();
            }
            known.insert(key, told);
            return;
        }
        let Some(scope) = resource.scope(origin.scope) else { return };
        if name == "otel_scope_info" {
            scope.attributes = told(&row.labels).collect();
            return;
        }
        let place = place(name, metadata.as_deref(), &row.value);
        let family = scope.family(&place, metadata.as_ref());
        let Some(group) = family.and_then(|family| family.group(&row.labels, row.timestamp)) else { return };
        let bound = match place.part {
            Part::Bucket => row.labels.get("le"),
            Part::Quantile => row.labels.get("quantile"),
            _ => None,
        };
        let taken = group.take(place.part, &row.value, row.start, bound);
        exemplars.iter().for_each(|each| group.exemplar(&each.exemplar));
        self.malformed += u64::from(!taken);
    }

    fn finish(self) -> Translated {
        let mut out = Translated { malformed: self.malformed, ..Translated::default() };
        for resource in self.resources {
            let scopes = resource.scopes.into_iter();
            let scope_metrics: Vec<_> = scopes.filter_map(|scope| scope.finish(&mut out)).collect();
            if !scope_metrics.is_empty() {
                let found = Resource { attributes: resource.attributes, ..Resource::default() };
                let resource = ResourceMetrics { resource: Some(found), scope_metrics, schema_url: String::new() };
                out.request.resource_metrics.push(resource);
            }
        }
        out
    }
}

fn put(attributes: &mut Vec<KeyValue>, new: KeyValue) {
    match attributes.iter_mut().find(|known| known.key == new.key) {
        Some(known) => *known = new,
        None => attributes.push(new),
    }
}

impl ResourceOf {
    fn scope(&mut self, wanted: Scope<'_>) -> Option<&mut ScopeOf> {
        // There are few.
        let known = self.scopes.iter().position(|scope| scope.origin() == wanted);
        let at = known.unwrap_or_else(|| {
            self.scopes.push(ScopeOf {
                name: wanted.name.to_owned(),
                version: wanted.version.to_owned(),
                schema: wanted.schema.to_owned(),
                attributes: Vec::new(),
                families: Vec::new(),
                by_name: Map::default(),
            });
            self.scopes.len() - 1
        });
        self.scopes.get_mut(at)
    }
}

impl ScopeOf {
    fn origin(&self) -> Scope<'_> {
        Scope { name: &self.name, version: &self.version, schema: &self.schema }
    }

    fn family(&mut self, place: &Place<'_>, metadata: Option<&Arc<Metadata>>) -> Option<&mut Family> {
        let name = format!("{}{}", place.name, place.suffix);
        let new = || Family {
            name: name.clone(),
            form: place.form,
            metadata: metadata.cloned(),
            groups: Vec::new(),
            by_labels: Map::default(),
        };
        let at = place_of(&mut self.by_name, &mut self.families, (name.clone(), place.form), new);
        self.families.get_mut(at)
    }

    /// The scope with its metrics, if it has any.
    fn finish(self, out: &mut Translated) -> Option<ScopeMetrics> {
        let unnamed = self.origin() == Scope::default();
        let metrics: Vec<Metric> = self.families.into_iter().filter_map(|family| family.finish(out)).collect();
        let scope = InstrumentationScope {
            name: if unnamed { SCOPE.to_owned() } else { self.name },
            version: if unnamed { env!("CARGO_PKG_VERSION").to_owned() } else { self.version },
            attributes: self.attributes,
            dropped_attributes_count: 0,
        };
        (!metrics.is_empty()).then_some(ScopeMetrics { scope: Some(scope), metrics, schema_url: self.schema })
    }
}

impl Family {
    fn group(&mut self, labels: &Labels, time: i64) -> Option<&mut Group> {
        let part = match self.form {
            Form::Histogram | Form::Exponential => "le",
            Form::Summary => "quantile",
            Form::Gauge | Form::Sum { .. } => "",
        };
        let own = labels.filter(|name, _| name != part && !ORIGIN.contains(&name));
        let at = place_of(&mut self.by_labels, &mut self.groups, (own.clone(), time), || Group::new(own, time));
        self.groups.get_mut(at)
    }

    /// The metric, if any of its points is whole.
    fn finish(mut self, out: &mut Translated) -> Option<Metric> {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let (all, groups) = (self.groups.len(), &mut self.groups);
        let (data, points) = match self.form {
            Form::Gauge => {
                let data_points: Vec<_> = groups.iter().filter_map(|group| group.number(false)).collect();
                let points = data_points.len();
                (Data::Gauge(Gauge { data_points }), points)
            }
            Form::Sum { monotonic: is_monotonic } => {
                let data_points: Vec<_> = groups.iter().filter_map(|group| group.number(true)).collect();
                let points = data_points.len();
                (Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic }), points)
            }
            Form::Histogram => {
                let data_points: Vec<_> = groups.iter_mut().filter_map(Group::histogram).collect();
                let points = data_points.len();
                (Data::Histogram(Histogram { data_points, aggregation_temporality }), points)
            }
            Form::Exponential => {
                let data_points: Vec<_> = groups.iter().filter_map(Group::exponential).collect();
                let points = data_points.len();
                (Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality }), points)
            }
            Form::Summary => {
                let data_points: Vec<_> = groups.iter_mut().filter_map(Group::summary).collect();
                let points = data_points.len();
                (Data::Summary(Summary { data_points }), points)
            }
        };
        out.incomplete += (all - points) as u64;
        out.points += points;
        let scrape = SCRAPE.iter().find(|(name, ..)| *name == self.name);
        let (kind, help, unit) = match (&self.metadata, scrape) {
            (Some(known), _) => (known.kind.as_str(), &*known.help, &*known.unit),
            (None, Some((_, unit, help))) => ("gauge", *help, *unit),
            (None, None) => ("unknown", "", ""),
        };
        let metadata = vec![attribute("prometheus.type", kind)];
        let (description, unit) = (help.to_owned(), ucum(unit));
        (points > 0).then_some(Metric { name: self.name, description, unit, metadata, data: Some(data) })
    }
}
