//! Views show what decoding shows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod requests;

use corten_proto::otlp::common::{AnyValue, KeyValue, any_value};
use corten_proto::otlp::metrics::{metric, number_data_point};
use corten_signal::otlp::views::{AttributeView, MetricType, NumberView, ValueView};
use corten_signal::otlp::{Batch, Message, SignalKind};
use proptest::prelude::*;
use requests::{any_request, request};

fn batch(message: &Message) -> Batch {
    Batch::new(message.kind(), message.encode().into(), requests::items(message).len())
}

fn owned_value(value: ValueView<'_>) -> AnyValue {
    use any_value::Value::*;
    let value = match value {
        ValueView::Empty => None,
        ValueView::Str(text) => Some(StringValue(text.to_owned())),
        ValueView::Bool(truth) => Some(BoolValue(truth)),
        ValueView::Int(number) => Some(IntValue(number)),
        ValueView::Double(number) => Some(DoubleValue(number)),
        ValueView::Bytes(bytes) => Some(BytesValue(bytes.to_vec())),
        ValueView::StrIndex(index) => Some(StringValueStrindex(index)),
        ValueView::Array(_) => Some(ArrayValue(corten_proto::otlp::common::ArrayValue {
            values: value.items().map(owned_value).collect(),
        })),
        ValueView::Map(_) => Some(KvlistValue(corten_proto::otlp::common::KeyValueList {
            values: value
                .entries()
                .map(|entry| (entry.key().to_owned(), owned_value(entry.value())))
                .map(pair)
                .collect(),
        })),
    };
    AnyValue { value }
}

fn pair((key, value): (String, AnyValue)) -> KeyValue {
    KeyValue { key, value: Some(value), key_strindex: 0 }
}

/// Attributes as text, for comparing; an absent value and an empty one look the same.
fn shown<'a>(views: impl Iterator<Item = AttributeView<'a>>) -> Vec<String> {
    views.map(|view| format!("{} {:?}", view.key(), owned_value(view.value()))).collect()
}

fn shown_owned(attributes: &[KeyValue]) -> Vec<String> {
    let one = |pair: &KeyValue| format!("{} {:?}", pair.key, normal(&pair.value.clone().unwrap_or_default()));
    attributes.iter().map(one).collect()
}

/// Inner attributes without a value, as views show them.
fn normal(value: &AnyValue) -> AnyValue {
    owned_value_of(value.clone())
}

fn owned_value_of(value: AnyValue) -> AnyValue {
    use any_value::Value::*;
    let value = value.value.map(|value| match value {
        ArrayValue(list) => ArrayValue(corten_proto::otlp::common::ArrayValue {
            values: list.values.into_iter().map(owned_value_of).collect(),
        }),
        KvlistValue(map) => KvlistValue(corten_proto::otlp::common::KeyValueList {
            values: map
                .values
                .into_iter()
                .map(|entry| pair((entry.key, owned_value_of(entry.value.unwrap_or_default()))))
                .collect(),
        }),
        other => other,
    });
    AnyValue { value }
}

proptest! {
    #[test]
    fn spans_show_all_their_fields(message in request(SignalKind::Traces)) {
        let batch = batch(&message);
        let Message::Traces(request) = &message else { unreachable!() };
        let resources: Vec<_> = batch.resources().collect();
        prop_assert_eq!(resources.len(), request.resource_spans.len());
        for (view, resource) in resources.iter().zip(&request.resource_spans) {
            prop_assert_eq!(view.schema_url(), &resource.schema_url);
            let attributes = resource.resource.clone().unwrap_or_default().attributes;
            prop_assert_eq!(shown(view.attributes()), shown_owned(&attributes));
            for (view, scope) in view.scopes().zip(&resource.scope_spans) {
                prop_assert_eq!(view.name(), &scope.scope.clone().unwrap_or_default().name);
                let spans: Vec<_> = view.spans().collect();
                prop_assert_eq!(spans.len(), scope.spans.len());
                prop_assert_eq!(view.logs().count() + view.metrics().count() + view.profiles().count(), 0);
                for (view, span) in spans.iter().zip(&scope.spans) {
                    prop_assert_eq!(view.trace_id().bytes(), &span.trace_id);
                    prop_assert_eq!(view.span_id().bytes(), &span.span_id);
                    prop_assert_eq!(view.parent_span_id().bytes(), &span.parent_span_id);
                    prop_assert_eq!((view.name(), view.trace_state()), (&*span.name, &*span.trace_state));
                    prop_assert_eq!(view.start_time_unix_nano(), span.start_time_unix_nano);
                    prop_assert_eq!(view.end_time_unix_nano(), span.end_time_unix_nano);
                    prop_assert_eq!((view.kind(), view.flags()), (span.kind(), span.flags));
                    prop_assert_eq!(view.dropped_events_count(), span.dropped_events_count);
                    prop_assert_eq!(shown(view.attributes()), shown_owned(&span.attributes));
                    let status = span.status.clone().unwrap_or_default();
                    prop_assert_eq!((view.status().code(), view.status().message()), (status.code(), &*status.message));
                    let events: Vec<_> = view.events().map(|event| (event.name(), event.time_unix_nano(), shown(event.attributes()))).collect();
                    let expected: Vec<_> = span.events.iter().map(|event| (&*event.name, event.time_unix_nano, shown_owned(&event.attributes))).collect();
                    prop_assert_eq!(events, expected);
                    let links: Vec<_> = view.links().map(|link| (link.trace_id().to_string(), link.span_id().bytes(), link.flags())).collect();
                    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                    let expected: Vec<_> = span.links.iter().map(|link| (hex(&link.trace_id), &*link.span_id, link.flags)).collect();
                    prop_assert_eq!(links, expected);
                }
            }
        }
    }

    #[test]
    fn log_records_show_all_their_fields(message in request(SignalKind::Logs)) {
        let batch = batch(&message);
        let Message::Logs(request) = &message else { unreachable!() };
        let views: Vec<_> = batch.resources().flat_map(|resource| resource.scopes()).flat_map(|scope| scope.logs()).collect();
        let records = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs).flat_map(|scope| &scope.log_records);
        prop_assert_eq!(views.len(), batch.items());
        for (view, record) in views.iter().zip(records) {
            prop_assert_eq!((view.time_unix_nano(), view.observed_time_unix_nano()), (record.time_unix_nano, record.observed_time_unix_nano));
            prop_assert_eq!((view.severity(), view.severity_text()), (record.severity_number(), &*record.severity_text));
            prop_assert_eq!(format!("{:?}", owned_value(view.body())), format!("{:?}", normal(&record.body.clone().unwrap_or_default())));
            prop_assert_eq!((view.trace_id().bytes(), view.span_id().bytes()), (&*record.trace_id, &*record.span_id));
            prop_assert_eq!((view.event_name(), view.flags()), (&*record.event_name, record.flags));
            prop_assert_eq!(shown(view.attributes()), shown_owned(&record.attributes));
        }
    }

    #[test]
    fn points_show_their_values(message in request(SignalKind::Metrics)) {
        let batch = batch(&message);
        let Message::Metrics(request) = &message else { unreachable!() };
        let views: Vec<_> = batch.resources().flat_map(|resource| resource.scopes()).flat_map(|scope| scope.metrics()).collect();
        let metrics = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics);
        let mut points = 0;
        for (view, metric) in views.iter().zip(metrics) {
            prop_assert_eq!((view.name(), view.unit(), view.description()), (&*metric.name, &*metric.unit, &*metric.description));
            let Some(data) = view.data() else { prop_assert!(metric.data.is_none()); continue };
            let found: Vec<_> = data.points().collect();
            points += found.len();
            let same = |a: Option<f64>, b: Option<f64>| a.map(f64::to_bits) == b.map(f64::to_bits);
            match metric.data.as_ref().unwrap() {
                metric::Data::Gauge(gauge) => for (view, point) in found.iter().zip(&gauge.data_points) {
                    let expected = point.value.map(|value| match value {
                        number_data_point::Value::AsDouble(value) => NumberView::Double(value),
                        number_data_point::Value::AsInt(value) => NumberView::Int(value),
                    });
                    prop_assert_eq!(format!("{:?}", view.value()), format!("{expected:?}"));
                    prop_assert_eq!((view.time_unix_nano(), view.flags(), view.count()), (point.time_unix_nano, point.flags, None));
                    prop_assert_eq!(shown(view.attributes()), shown_owned(&point.attributes));
                },
                metric::Data::Sum(sum) => {
                    prop_assert_eq!((data.is_monotonic(), data.temporality()), (sum.is_monotonic, Some(sum.aggregation_temporality())));
                }
                metric::Data::Histogram(histogram) => for (view, point) in found.iter().zip(&histogram.data_points) {
                    prop_assert_eq!((view.count(), view.flags()), (Some(point.count), point.flags));
                    prop_assert!(same(view.sum(), point.sum) && same(view.min(), point.min) && same(view.max(), point.max));
                    prop_assert_eq!(view.bucket_counts().collect::<Vec<_>>(), point.bucket_counts.clone());
                    prop_assert_eq!(view.explicit_bounds().map(f64::to_bits).collect::<Vec<_>>(), point.explicit_bounds.iter().map(|bound| bound.to_bits()).collect::<Vec<_>>());
                    prop_assert_eq!(shown(view.attributes()), shown_owned(&point.attributes));
                    prop_assert_eq!(view.exemplars().count(), point.exemplars.len());
                },
                metric::Data::ExponentialHistogram(histogram) => for (view, point) in found.iter().zip(&histogram.data_points) {
                    let positive = point.positive.clone().unwrap_or_default();
                    prop_assert_eq!(view.positive().counts().collect::<Vec<_>>(), positive.bucket_counts);
                    prop_assert_eq!((view.positive().offset(), view.scale()), (positive.offset, point.scale));
                    prop_assert_eq!((view.zero_count(), view.flags()), (point.zero_count, point.flags));
                    prop_assert_eq!(shown(view.attributes()), shown_owned(&point.attributes));
                },
                metric::Data::Summary(summary) => {
                    prop_assert_eq!(data.metric_type(), MetricType::Summary);
                    for (view, point) in found.iter().zip(&summary.data_points) {
                        prop_assert_eq!(view.quantiles().count(), point.quantile_values.len());
                        prop_assert_eq!(view.exemplars().count(), 0);
                        prop_assert_eq!(view.count(), Some(point.count));
                    }
                }
            }
        }
        prop_assert_eq!(points, batch.items());
    }

    #[test]
    fn values_print_as_json(message in any_request()) {
        let batch = batch(&message);
        for attribute in batch.resources().flat_map(|resource| resource.attributes()) {
            let mut out = Vec::new();
            attribute.value().write_json(&mut out);
            prop_assert!(std::str::from_utf8(&out).is_ok() && !out.is_empty());
        }
    }
}

#[test]
fn values_print_as_the_collector_turns_them_into_strings() {
    let value = |value| AnyValue { value: Some(value) };
    let list = corten_proto::otlp::common::ArrayValue {
        values: vec![
            value(any_value::Value::StringValue("a\"b".into())),
            value(any_value::Value::DoubleValue(2.0)),
            AnyValue::default(),
        ],
    };
    let body = value(any_value::Value::KvlistValue(corten_proto::otlp::common::KeyValueList {
        values: vec![
            pair(("list".into(), value(any_value::Value::ArrayValue(list)))),
            pair(("bytes".into(), value(any_value::Value::BytesValue(vec![255])))),
        ],
    }));
    let mut record = corten_proto::otlp::logs::LogRecord { body: Some(body), ..Default::default() };
    record.attributes.push(pair(("n".into(), value(any_value::Value::IntValue(-3)))));
    let scope = corten_proto::otlp::logs::ScopeLogs { log_records: vec![record], ..Default::default() };
    let resource = corten_proto::otlp::logs::ResourceLogs { scope_logs: vec![scope], ..Default::default() };
    let message =
        Message::Logs(corten_proto::otlp::collector::ExportLogsServiceRequest { resource_logs: vec![resource] });
    let batch = batch(&message);
    let view = batch.resources().next().unwrap().scopes().next().unwrap().logs().next().unwrap();
    assert_eq!(view.body().to_string(), r#"{"list":["a\"b",2,null],"bytes":"/w=="}"#);
    assert_eq!(view.attribute("n").unwrap().to_string(), "-3");
    assert!(view.attribute("m").is_none());
}
