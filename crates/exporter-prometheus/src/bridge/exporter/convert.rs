//! Requests into samples.

use std::borrow::Cow;
use std::sync::Arc;

use corten_proto::otlp::metrics::AggregationTemporality;
use corten_signal::labels::{Builder, Labels, NAME};
use corten_signal::otlp::Batch;
use corten_signal::otlp::views::{AttributeView, MetricType, MetricView, ResourceView, ScopeView, ValueView};
use corten_signal::samples::{Metadata, MetricKind, RowExemplar, Sample, SampleValue};
use tokio::time::Instant;

use super::arguments::OtlpToSamplesArguments;
use super::points::{Drops, Metric, Writer};
use super::state::State;
use crate::bridge::names::{Naming, label_name, metric_name};

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

/// This moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Milliseconds since 1970.
    pub(crate) wall: i64,
    pub(crate) instant: Instant,
}

/// What a request became.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    pub(crate) rows: Vec<Sample>,
    pub(crate) exemplars: Vec<RowExemplar>,
    pub(crate) drops: Drops,
}

/// Turns requests into samples, and remembers the series.
#[derive(Default)]
pub(crate) struct Converter {
    state: State,
}

/// What all series of a resource have.
struct Resource<'a> {
    job: String,
    instance: String,
    /// Attributes that become labels of every series.
    labels: Vec<AttributeView<'a>>,
}

fn text(value: ValueView<'_>) -> Cow<'_, str> {
    match value {
        ValueView::Str(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// What a sample says of its metric.
fn metadata(family: &str, kind: MetricKind, help: &str, unit: &str) -> Option<Arc<Metadata>> {
    Some(Arc::new(Metadata { family: family.into(), kind, help: help.into(), unit: unit.into() }))
}

fn put<'a>(labels: &mut Builder<'a>, attribute: AttributeView<'a>) {
    labels.set(label_name(attribute.key()), text(attribute.value()));
}

impl Converter {
    /// With another limit of memory.
    #[cfg(test)]
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self { state: State::with_limit(limit) }
    }

    /// How many series are remembered, and about how many bytes they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.state.size()
    }

    /// Forgets series that were not seen for long.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.state.forget(now);
    }

    /// The samples of a request of metrics.
    pub(crate) fn convert(&mut self, args: &OtlpToSamplesArguments, batch: &Batch, now: Now) -> Converted {
        let (state, rows) = (&mut self.state, Vec::with_capacity(batch.items()));
        let (exemplars, drops, instant) = (Vec::new(), Drops::default(), now.instant);
        let mut writer = Writer { args, state, now: instant, rows, exemplars, drops };
        for view in batch.resources() {
            let resource = writer.resource(&view, now);
            for scope in view.scopes() {
                if args.include_scope_info {
                    writer.scope_info(&resource, &scope, now);
                }
                for metric in scope.metrics() {
                    writer.metric(&resource, &scope, &metric);
                }
            }
        }
        Converted { rows: writer.rows, exemplars: writer.exemplars, drops: writer.drops }
    }
}

impl Writer<'_> {
    /// A series that is always 1.
    fn info(&mut self, labels: Labels, now: Now, name: &str, help: &str) {
        let metadata = metadata(name, MetricKind::Gauge, help, "");
        let value = SampleValue::Float(1.0);
        self.rows.push(Sample { labels, timestamp: now.wall, start: 0, value, metadata });
    }

    fn resource<'a>(&mut self, view: &ResourceView<'a>, now: Now) -> Resource<'a> {
        let name = view.attribute(SERVICE_NAME).map(text);
        let job = match (name, view.attribute(SERVICE_NAMESPACE).map(text)) {
            (Some(name), Some(namespace)) => format!("{namespace}/{name}"),
            (Some(name), None) => name.into_owned(),
            (None, _) => String::new(),
        };
        let instance = view.attribute(SERVICE_INSTANCE).map(text).unwrap_or_default().into_owned();
        let labels = match self.args.resource_to_telemetry_conversion {
            true => view.attributes().collect(),
            false => Vec::new(),
        };
        let resource = Resource { job, instance, labels };
        if self.args.include_target_info {
            let identifying = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE];
            let keeps = self.args.keep_identifying_resource_attributes;
            let mut labels = resource.builder();
            view.attributes()
                .filter(|attribute| keeps || !identifying.contains(&attribute.key()))
                .for_each(|attribute| put(&mut labels, attribute));
            labels.set(NAME, "target_info");
            let labels = labels.build();
            self.info(labels, now, "target_info", "Target metadata");
        }
        resource
    }

    fn scope_info(&mut self, resource: &Resource<'_>, scope: &ScopeView<'_>, now: Now) {
        let mut labels = resource.builder();
        labels.set("otel_scope_name", scope.name());
        labels.set("otel_scope_version", scope.version());
        scope.attributes().for_each(|attribute| put(&mut labels, attribute));
        labels.set(NAME, "otel_scope_info");
        let labels = labels.build();
        self.info(labels, now, "otel_scope_info", "");
    }

    fn metric(&mut self, resource: &Resource<'_>, scope: &ScopeView<'_>, view: &MetricView<'_>) {
        let Some(data) = view.data() else { return };
        let monotonic = data.is_monotonic();
        let is_delta = match data.temporality() {
            None | Some(AggregationTemporality::Cumulative) => false,
            Some(AggregationTemporality::Delta) => true,
            Some(AggregationTemporality::Unspecified) => return self.drop_all(data.points().count()),
        };
        let (naming, kind) = match data.metric_type() {
            MetricType::Sum if monotonic => (Naming::Counter, MetricKind::Counter),
            MetricType::Sum if is_delta => return self.drop_all(data.points().count()),
            MetricType::Sum => (Naming::Other, MetricKind::Gauge),
            MetricType::Gauge => (Naming::Gauge, MetricKind::Gauge),
            MetricType::Histogram | MetricType::ExponentialHistogram => (Naming::Other, MetricKind::Histogram),
            MetricType::Summary => (Naming::Other, MetricKind::Summary),
        };
        let unit = view.unit();
        let name = metric_name(view.name(), unit, naming, self.args.add_metric_suffixes);
        let metadata = metadata(&name, kind, view.description(), unit);
        let metric = Metric { name: &name, metadata, data };
        let shows_scope = self.args.include_scope_labels == Some(true);
        for point in data.points() {
            let mut labels = resource.builder();
            if shows_scope {
                labels.set("otel_scope_name", scope.name());
                labels.set("otel_scope_version", scope.version());
            }
            // A resource's attribute comes before a point's of the same name.
            let own = point.attributes().filter(|own| resource.labels.iter().all(|known| known.key() != own.key()));
            own.chain(resource.labels.iter().copied()).for_each(|attribute| put(&mut labels, attribute));
            self.point(&metric, &point, labels);
        }
    }

    fn drop_all(&mut self, points: usize) {
        self.drops.temporality += points as u64;
    }
}

impl Resource<'_> {
    fn builder(&self) -> Builder<'_> {
        let mut labels = Builder::default();
        labels.set("job", self.job.as_str());
        labels.set("instance", self.instance.as_str());
        labels
    }
}
