//! Metrics put together and handed on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_component::{Consume as _, Durable, Fanout};
use corten_proto::otlp::collector::ExportMetricsServiceRequest;
use corten_proto::otlp::common::{InstrumentationScope, KeyValue};
use corten_proto::otlp::metrics::{
    AggregationTemporality, Exemplar, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar,
    metric::Data, number_data_point,
};
use corten_proto::otlp::resource::Resource;
use corten_signal::otlp::{Batch, Message, SignalKind};
use tokio::time::Instant;

use crate::metrics::Meters;

/// As many points as a request has before the next one is begun.
pub(crate) const REQUEST_POINTS: usize = 4096;

/// At most one warning in this time.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// What points of all types have.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) exemplars: Vec<Exemplar>,
}

/// A counter.
pub(crate) fn sum(
    name: String,
    temporality: AggregationTemporality,
    points: impl Iterator<Item = (Head, u64)>,
) -> Metric {
    let point = |(head, value): (Head, u64)| NumberDataPoint {
        attributes: head.attributes,
        start_time_unix_nano: head.start,
        time_unix_nano: head.time,
        exemplars: head.exemplars,
        value: Some(number_data_point::Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX))),
        flags: 0,
    };
    let data_points = points.map(point).collect();
    let sum = Sum { data_points, aggregation_temporality: temporality.into(), is_monotonic: true };
    Metric { name, data: Some(Data::Sum(sum)), ..Metric::default() }
}

/// A span as an example of what was counted.
pub(crate) fn exemplar(trace: [u8; 16], span: [u8; 8], value: f64, time: u64) -> Exemplar {
    Exemplar {
        time_unix_nano: time,
        trace_id: trace.to_vec(),
        span_id: span.to_vec(),
        value: Some(exemplar::Value::AsDouble(value)),
        filtered_attributes: Vec::new(),
    }
}

/// Requests in the making.
pub(crate) struct Requests {
    scope: &'static str,
    ready: Vec<Batch>,
    current: Vec<ResourceMetrics>,
    points: usize,
    /// Whose metrics stand last in `current`.
    last: Option<usize>,
}

impl Requests {
    /// Of a scope of this name.
    pub(crate) fn new(scope: &'static str) -> Self {
        Self { scope, ready: Vec::new(), current: Vec::new(), points: 0, last: None }
    }

    /// Adds a metric of a resource; consecutive ones of the same number stand together. One without points is left
    /// out.
    pub(crate) fn add(&mut self, number: usize, resource: impl FnOnce() -> Vec<KeyValue>, metric: Metric) {
        let points = match &metric.data {
            Some(Data::Sum(sum)) => sum.data_points.len(),
            Some(Data::Histogram(histogram)) => histogram.data_points.len(),
            Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
            _ => 0,
        };
        if points == 0 {
            return;
        }
        if self.last != Some(number) {
            let scope = InstrumentationScope { name: self.scope.to_owned(), ..InstrumentationScope::default() };
            let scope_metrics = vec![ScopeMetrics { scope: Some(scope), ..ScopeMetrics::default() }];
            let resource = Some(Resource { attributes: resource(), ..Resource::default() });
            self.current.push(ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() });
            self.last = Some(number);
        }
        if let Some(scope) = self.current.last_mut().and_then(|entry| entry.scope_metrics.last_mut()) {
            scope.metrics.push(metric);
        }
        self.points += points;
        if self.points >= REQUEST_POINTS {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.points > 0 {
            let request = ExportMetricsServiceRequest { resource_metrics: std::mem::take(&mut self.current) };
            let bytes = Message::Metrics(request).encode();
            self.ready.push(Batch::new(SignalKind::Metrics, bytes.into(), self.points));
        }
        (self.points, self.last) = (0, None);
    }

    pub(crate) fn finish(mut self) -> Vec<Batch> {
        self.cut();
        self.ready
    }
}

/// What is durable behind a connector. A stage in front that holds spans keeps them for it until they have been counted,
/// so that none is left out of the counts of the next process. Whoever hands them on at once has nothing to keep.
pub(crate) fn durable(to: &Fanout<Batch>) -> Vec<Durable> {
    to.durable().into_iter().map(|durable| Durable { held: true, ..durable }).collect()
}

/// The way to the consumers.
pub(crate) struct Outlet {
    meters: Arc<Meters>,
    warned: Mutex<Option<Instant>>,
}

impl Outlet {
    pub(crate) fn new(meters: Arc<Meters>) -> Self {
        Self { meters, warned: Mutex::default() }
    }

    /// Hands batches on. What nobody takes is counted: cumulative series say it again at the next time.
    pub(crate) async fn send(&self, to: &Fanout<Batch>, batches: Vec<Batch>) {
        for batch in batches {
            let points = batch.items() as u64;
            match to.consume(batch).await {
                Ok(()) => self.meters.emitted.add(points),
                Err(refusal) => {
                    self.meters.refused.add(points);
                    if self.may_warn() {
                        tracing::warn!(points, error = %refusal, "no consumer took the metrics");
                    }
                }
            }
        }
    }

    fn may_warn(&self) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let due = warned.is_none_or(|last| last.elapsed() >= WARN_EVERY);
        if due {
            *warned = Some(Instant::now());
        }
        due
    }
}
