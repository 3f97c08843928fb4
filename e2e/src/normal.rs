//! Requests in a form that is the same however they were batched and whenever they were made: one text per item,
//! with its resource and scope, without times, ids replaced by the names of the spans that they belong to, sorted.

use std::collections::HashMap;
use std::fmt::Debug;

use corten_proto::otlp::common::{AnyValue, KeyValue, any_value};
use corten_proto::otlp::metrics::metric;
use corten_signal::otlp::SignalKind;
use corten_testkit::{Answer, Received, Sink};

/// All items that a sink took.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// One text per span.
    pub spans: Vec<String>,
    /// One text per metric with its points.
    pub metrics: Vec<String>,
    /// One text per log record.
    pub logs: Vec<String>,
}

/// What a sink took so far.
pub fn telemetry(sink: &Sink) -> Telemetry {
    let received: Vec<Received> = sink.received().into_iter().filter(|r| r.answer == Answer::Ok).collect();
    let of = |kind| received.iter().filter(move |r| r.kind() == Some(kind));
    let names = span_names(of(SignalKind::Traces));
    let mut all = Telemetry::default();
    of(SignalKind::Traces).for_each(|received| spans(received, &names, &mut all.spans));
    of(SignalKind::Metrics).for_each(|received| metrics(received, &mut all.metrics));
    of(SignalKind::Logs).for_each(|received| logs(received, &names, &mut all.logs));
    for items in [&mut all.spans, &mut all.metrics, &mut all.logs] {
        items.sort();
    }
    all
}

/// What ids become: span ids the span's name, trace ids the root span's. Clients give each span a name of its own.
type Names = HashMap<Vec<u8>, String>;

fn span_names<'a>(requests: impl Iterator<Item = &'a Received>) -> Names {
    let mut names = Names::new();
    for resource in requests.flat_map(|received| received.traces().resource_spans) {
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            if span.parent_span_id.is_empty() {
                names.insert(span.trace_id.to_vec(), format!("trace of {}", span.name));
            }
            names.insert(span.span_id.to_vec(), span.name);
        }
    }
    names
}

fn named(names: &Names, id: &[u8]) -> String {
    if id.is_empty() {
        return String::new();
    }
    names.get(id).cloned().unwrap_or_else(|| "an id that no span has".to_owned())
}

/// Resource, scope and item as one text.
fn text(parts: &[&dyn Debug]) -> String {
    parts.iter().map(|part| format!("{part:?}\n")).collect()
}

/// Attributes are a map, and some SDKs write them in an order of the moment.
fn sort(attributes: &mut Vec<KeyValue>) {
    // Differs from run to run of a client, by design.
    attributes.retain(|attribute| attribute.key != "service.instance.id");
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    for attribute in attributes {
        if let Some(AnyValue { value: Some(any_value::Value::KvlistValue(list)), .. }) = &mut attribute.value {
            sort(&mut list.values);
        }
    }
}

fn spans(received: &Received, names: &Names, out: &mut Vec<String>) {
    for mut resource in received.traces().resource_spans {
        resource.resource.iter_mut().for_each(|resource| sort(&mut resource.attributes));
        for scope in resource.scope_spans {
            for mut span in scope.spans {
                let ids = [&span.trace_id, &span.span_id, &span.parent_span_id].map(|id| named(names, id));
                span.trace_id = Default::default();
                span.span_id = Default::default();
                span.parent_span_id = Default::default();
                (span.start_time_unix_nano, span.end_time_unix_nano) = (0, 0);
                span.events.iter_mut().for_each(|event| event.time_unix_nano = 0);
                sort(&mut span.attributes);
                let around = (&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                out.push(text(&[&span, &ids, &around]));
            }
        }
    }
}

fn logs(received: &Received, names: &Names, out: &mut Vec<String>) {
    for mut resource in received.logs().resource_logs {
        resource.resource.iter_mut().for_each(|resource| sort(&mut resource.attributes));
        for scope in resource.scope_logs {
            for mut record in scope.log_records {
                let ids = [&record.trace_id, &record.span_id].map(|id| named(names, id));
                record.trace_id = Default::default();
                record.span_id = Default::default();
                (record.time_unix_nano, record.observed_time_unix_nano) = (0, 0);
                sort(&mut record.attributes);
                let around = (&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                out.push(text(&[&record, &ids, &around]));
            }
        }
    }
}

fn metrics(received: &Received, out: &mut Vec<String>) {
    for mut resource in received.metrics().resource_metrics {
        resource.resource.iter_mut().for_each(|resource| sort(&mut resource.attributes));
        for scope in resource.scope_metrics {
            for mut metric in scope.metrics {
                match metric.data.as_mut() {
                    Some(metric::Data::Sum(sum)) => numbers(&mut sum.data_points),
                    Some(metric::Data::Gauge(gauge)) => numbers(&mut gauge.data_points),
                    Some(metric::Data::Histogram(histogram)) => {
                        for point in &mut histogram.data_points {
                            (point.start_time_unix_nano, point.time_unix_nano) = (0, 0);
                            point.exemplars.clear();
                            sort(&mut point.attributes);
                        }
                        histogram.data_points.sort_by_cached_key(|point| format!("{:?}", point.attributes));
                    }
                    other => panic!("clients send no such metric: {other:?}"),
                }
                let around = (&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                out.push(text(&[&metric, &around]));
            }
        }
    }
}

/// Exemplars go: which measurement a client keeps is chance.
fn numbers(points: &mut [corten_proto::otlp::metrics::NumberDataPoint]) {
    for point in points.iter_mut() {
        (point.start_time_unix_nano, point.time_unix_nano) = (0, 0);
        point.exemplars.clear();
        sort(&mut point.attributes);
    }
    points.sort_by_cached_key(|point| format!("{:?}", point.attributes));
}
