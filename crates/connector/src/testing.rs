//! Requests with spans, and metrics in a form that is easily compared, for this crate's tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use corten_component::metrics::Registry;
use corten_component::node::{Node, Services};
use corten_component::{
    Behaviour, BoxFuture, Consume, Durable, Fanout, Handle, NodeId, Outcome, Port, Receipt, Refusal,
};
use corten_proto::otlp::collector::ExportTraceServiceRequest;
use corten_proto::otlp::common::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use corten_proto::otlp::metrics::{Exemplar, metric::Data, number_data_point};
use corten_proto::otlp::resource::Resource;
use corten_proto::otlp::trace::span::{Event, SpanKind};
use corten_proto::otlp::trace::status::StatusCode;
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use corten_signal::otlp::{Batch, Message, OutputArguments, SignalKind, check};

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue((*value).to_owned())) }),
        key_strindex: 0,
    };
    pairs.iter().map(pair).collect()
}

/// A span of so many milliseconds; trace 1, span 2.
pub(crate) fn span(name: &str, kind: SpanKind, milliseconds: u64) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: 1_000_000_000,
        end_time_unix_nano: 1_000_000_000 + milliseconds * 1_000_000,
        ..Span::default()
    }
}

pub(crate) fn with(mut span: Span, pairs: &[(&str, &str)]) -> Span {
    span.attributes = attributes(pairs);
    span
}

pub(crate) fn failed(mut span: Span) -> Span {
    span.status = Some(Status { code: StatusCode::Error.into(), message: String::new() });
    span
}

pub(crate) fn event(pairs: &[(&str, &str)]) -> Event {
    Event { name: "exception".to_owned(), attributes: attributes(pairs), ..Event::default() }
}

/// Spans of a resource, of a scope named `lib`, version `1`.
pub(crate) fn resource(pairs: &[(&str, &str)], spans: Vec<Span>) -> ResourceSpans {
    let scope = InstrumentationScope { name: "lib".into(), version: "1".into(), ..InstrumentationScope::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes: attributes(pairs), ..Resource::default() });
    ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }
}

pub(crate) fn request(resource_spans: Vec<ResourceSpans>) -> Batch {
    let bytes = Message::Traces(ExportTraceServiceRequest { resource_spans }).encode();
    let items = check(SignalKind::Traces, &bytes).unwrap().items;
    Batch::new(SignalKind::Traces, bytes.into(), items)
}

/// A point of any type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) resource: String,
    pub(crate) metric: String,
    pub(crate) attributes: String,
    /// A counter's value, or how much a histogram counted.
    pub(crate) value: u64,
    pub(crate) sum: f64,
    pub(crate) buckets: Vec<u64>,
    pub(crate) bounds: Vec<f64>,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) exemplars: Vec<Exemplar>,
    pub(crate) temporality: i32,
}

fn text(pairs: &[KeyValue]) -> String {
    let value = |pair: &KeyValue| match pair.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| format!("{}={}", pair.key, value(pair))).collect::<Vec<_>>().join(",")
}

/// All points of the batches, in order.
pub(crate) fn points(batches: &[Batch]) -> Vec<Point> {
    let mut points = Vec::new();
    for batch in batches {
        assert_eq!(check(SignalKind::Metrics, &batch.to_bytes()).unwrap().items, batch.items());
        let Message::Metrics(request) = Message::decode(SignalKind::Metrics, batch.to_bytes()).unwrap() else {
            panic!("not metrics");
        };
        for entry in request.resource_metrics {
            let resource = entry.resource.map(|resource| text(&resource.attributes)).unwrap_or_default();
            for metric in entry.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let name = match metric.unit.as_str() {
                    "" => metric.name,
                    unit => format!("{} [{unit}]", metric.name),
                };
                let point = |attributes: &[KeyValue]| Point {
                    resource: resource.clone(),
                    metric: name.clone(),
                    attributes: text(attributes),
                    value: 0,
                    sum: 0.0,
                    buckets: Vec::new(),
                    bounds: Vec::new(),
                    start: 0,
                    time: 0,
                    exemplars: Vec::new(),
                    temporality: 0,
                };
                match metric.data.unwrap() {
                    Data::Sum(sum) => points.extend(sum.data_points.into_iter().map(|each| Point {
                        value: match each.value.unwrap() {
                            number_data_point::Value::AsInt(value) => u64::try_from(value).unwrap(),
                            number_data_point::Value::AsDouble(value) => panic!("{value}"),
                        },
                        start: each.start_time_unix_nano,
                        time: each.time_unix_nano,
                        exemplars: each.exemplars,
                        temporality: sum.aggregation_temporality,
                        ..point(&each.attributes)
                    })),
                    Data::Histogram(histogram) => points.extend(histogram.data_points.into_iter().map(|each| Point {
                        value: each.count,
                        sum: each.sum.unwrap(),
                        buckets: each.bucket_counts,
                        bounds: each.explicit_bounds,
                        start: each.start_time_unix_nano,
                        time: each.time_unix_nano,
                        exemplars: each.exemplars,
                        temporality: histogram.aggregation_temporality,
                        ..point(&each.attributes)
                    })),
                    Data::ExponentialHistogram(histogram) => {
                        points.extend(histogram.data_points.into_iter().map(|each| Point {
                            value: each.count,
                            sum: each.sum.unwrap(),
                            buckets: each.positive.unwrap().bucket_counts,
                            start: each.start_time_unix_nano,
                            time: each.time_unix_nano,
                            exemplars: each.exemplars,
                            temporality: histogram.aggregation_temporality,
                            ..point(&each.attributes)
                        }));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    points
}

/// Values by metric and attributes.
pub(crate) fn values(batches: &[Batch]) -> BTreeMap<(String, String), u64> {
    points(batches).into_iter().map(|point| ((point.metric, point.attributes), point.value)).collect()
}

/// Keeps what it takes.
#[derive(Default)]
pub(crate) struct Sink(Mutex<Vec<Batch>>);

impl Sink {
    pub(crate) fn taken(&self) -> Vec<Batch> {
        self.0.lock().unwrap().clone()
    }
}

impl Consume<Batch> for Sink {
    fn consume(&self, mut item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        item.take_receipt().settle(Outcome::Delivered);
        self.0.lock().unwrap().push(item);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a queue on disk stands for; a test asks nothing of it.
trait Disk: Send + Sync {}

impl Behaviour for dyn Disk {
    const CAPSULE: &'static str = "a disk";
}

/// A destination that keeps what it takes on disk.
struct OnDisk(Durable);

impl Consume<Batch> for OnDisk {
    fn consume(&self, mut item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        item.take_receipt().settle(Outcome::Stored);
        Box::pin(std::future::ready(Ok(())))
    }

    fn durable(&self) -> Vec<Durable> {
        vec![self.0.clone()]
    }
}

/// Metrics go to a destination of this name that keeps them on disk.
pub(crate) fn output_on_disk(name: &str) -> OutputArguments {
    let handle = Handle::<dyn Disk>::new(NodeId::root("storage"));
    let metrics = Fanout::new([Port::to(Arc::new(OnDisk(Durable::new(name, &handle))) as Arc<dyn Consume<Batch>>)]);
    OutputArguments { metrics, ..OutputArguments::default() }
}

/// A port that leads to such a destination says so, and spans that a stage in front keeps for it are let go of when they
/// have been counted.
pub(crate) async fn keeps_until_counted(port: &Port<Batch>, spans: Batch, name: &str) {
    let known: Vec<(String, bool)> =
        port.durable().into_iter().map(|durable| (durable.name.to_string(), durable.held)).collect();
    assert_eq!(known, [(name.to_owned(), true)]);
    let counted = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&counted);
    let receipt = Receipt::new(move |settled| *seen.lock().unwrap() = Some(settled));
    port.consume(spans.with_receipt(Receipt::keeping(true, [(name.into(), receipt)]))).await.unwrap();
    assert!(counted.lock().unwrap().is_some_and(corten_component::Settled::is_safe));
}

/// The sink for metrics.
pub(crate) fn output(sink: &Arc<Sink>) -> OutputArguments {
    let metrics = Fanout::new([Port::to(sink.clone() as Arc<dyn Consume<Batch>>)]);
    OutputArguments { metrics, ..OutputArguments::default() }
}

/// A node for an instance, without an engine.
pub(crate) fn node(name: &str) -> (Arc<Node>, Registry) {
    let registry = Registry::new();
    let id = NodeId::root(name);
    let scope = registry.node(&id);
    (Node::new(id, PathBuf::from("/nonexistent"), scope, Services::default(), |_| {}), registry)
}
