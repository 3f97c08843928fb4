//! A span while it is open, and the request that closed ones travel in.

use std::fmt;
use std::time::{Instant, SystemTime};

use corten_proto::otlp::collector::ExportTraceServiceRequest;
use corten_proto::otlp::common::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use corten_proto::otlp::resource::Resource;
use corten_proto::otlp::trace::span::SpanKind;
use corten_proto::otlp::trace::status::StatusCode;
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use tracing::field::{Field, Visit};

/// Longer texts are cut.
const LONGEST: usize = 1024;
const MOST_ATTRIBUTES: usize = 32;

/// An open span.
pub(super) struct Recording {
    pub(super) trace: [u8; 16],
    pub(super) id: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: &'static str,
    pub(super) wall: SystemTime,
    pub(super) start: Instant,
    pub(super) fields: Fields,
    pub(super) error: Option<String>,
}

impl Recording {
    pub(super) fn close(self) -> Span {
        let start = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let status = self.error.map(|message| Status { message, code: StatusCode::Error.into() });
        Span {
            trace_id: self.trace.to_vec(),
            span_id: self.id.to_vec(),
            parent_span_id: self.parent.map(|id| id.to_vec()).unwrap_or_default(),
            name: self.name.to_owned(),
            kind: self.fields.kind.unwrap_or(SpanKind::Internal).into(),
            start_time_unix_nano: nanos(start),
            // The monotonic clock says how long it took, whatever happens to the other one.
            end_time_unix_nano: nanos(start + self.start.elapsed()),
            attributes: self.fields.attributes,
            dropped_attributes_count: self.fields.dropped,
            status,
            ..Span::default()
        }
    }
}

/// The fields of a span as attributes. `span_kind` is the kind (`server`, `client`).
#[derive(Default)]
pub(super) struct Fields {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) kind: Option<SpanKind>,
    dropped: u32,
}

impl Fields {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|pair| pair.key == name)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, name: &str, text: &str) {
        self.attributes.push(pair(name, Value::StringValue(text.to_owned())));
    }

    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "span_kind" => {
                self.kind = match value {
                    Value::StringValue(text) if text == "server" => Some(SpanKind::Server),
                    Value::StringValue(text) if text == "client" => Some(SpanKind::Client),
                    _ => None,
                }
            }
            _ if self.attributes.len() >= MOST_ATTRIBUTES => self.dropped += 1,
            name => self.attributes.push(pair(name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::StringValue(cut(format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::StringValue(cut(value.to_owned())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::IntValue(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::BoolValue(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::DoubleValue(value));
    }
}

pub(super) fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Closed spans as one request.
pub(super) fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let text = |text: &str| Value::StringValue(text.to_owned());
    let attributes = vec![
        pair("service.name", text("corten")),
        pair("service.version", text(crate::VERSION)),
        pair("process.pid", Value::IntValue(std::process::id().into())),
    ];
    let scope = InstrumentationScope {
        name: "corten".to_owned(),
        version: crate::VERSION.to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Resource { attributes, ..Resource::default() };
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}
