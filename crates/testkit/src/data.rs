//! Telemetry with names that tell one item from another.

use corten_proto::otlp::collector::{ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest};
use corten_proto::otlp::common::{AnyValue, InstrumentationScope, KeyValue, any_value};
use corten_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use corten_proto::otlp::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use corten_proto::otlp::resource::Resource;
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};

const NOW: u64 = 1_750_000_000_000_000_000;

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) }),
        ..KeyValue::default()
    }
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![text("service.name", "testkit")], ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "corten-testkit".into(), ..InstrumentationScope::default() })
}

/// One span for each name; `padding` bytes of attribute make them as large as wanted.
pub fn traces(names: impl IntoIterator<Item = String>, padding: usize) -> ExportTraceServiceRequest {
    let padding = "x".repeat(padding);
    let span = |(index, name): (usize, String)| Span {
        trace_id: vec![7; 16],
        span_id: (index as u64 + 1).to_be_bytes().to_vec(),
        name,
        kind: 2,
        start_time_unix_nano: NOW,
        end_time_unix_nano: NOW + 1_000_000,
        attributes: vec![text("http.route", "/things/{id}"), text("padding", &padding)],
        ..Span::default()
    };
    let spans = names.into_iter().enumerate().map(span).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

/// One gauge point for each value.
pub fn metrics(values: impl IntoIterator<Item = i64>) -> ExportMetricsServiceRequest {
    let point = |value| NumberDataPoint {
        time_unix_nano: NOW,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    };
    let data = metric::Data::Gauge(Gauge { data_points: values.into_iter().map(point).collect() });
    let metric = Metric { name: "testkit.level".into(), data: Some(data), ..Metric::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(),
            scope_metrics: vec![ScopeMetrics { scope: scope(), metrics: vec![metric], ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

/// One record for each body.
pub fn logs(bodies: impl IntoIterator<Item = String>) -> ExportLogsServiceRequest {
    let record = |body| LogRecord {
        time_unix_nano: NOW,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(body)) }),
        ..LogRecord::default()
    };
    let log_records = bodies.into_iter().map(record).collect();
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    }
}
