//! What forms the series: which attributes tell them apart, and how durations are counted.

use corten_proto::otlp::common::any_value::Value;
use corten_proto::otlp::metrics::AggregationTemporality;
use corten_proto::otlp::trace::{span::SpanKind, status::StatusCode};
use corten_signal::otlp::views::{SpanHead, ValueView};

use super::arguments::{ExponentialArguments, SpanMetricsArguments};
use super::dimensions::{Dimensions, INSTANCE, SERVICE_NAME, SPAN_KIND, SPAN_NAME, STATUS_CODE};
use crate::OVERFLOW;
use crate::attributes::{Attributes, Names, Packed, put_text, put_value};
use crate::distribution::Shape;

/// What forms the series, of the arguments.
pub(super) struct Form {
    pub(super) dimensions: Dimensions,
    pub(super) calls: Dimensions,
    pub(super) durations: Dimensions,
    pub(super) events: Option<Dimensions>,
    /// Without it durations are not counted.
    pub(super) shape: Option<Shape>,
    /// Whether durations have series of their own: calls and durations differ in dimensions.
    pub(super) apart: bool,
    /// Whether any dimension is looked for among attributes.
    pub(super) reads_attributes: bool,
    /// Nanoseconds of a unit.
    pub(super) unit: f64,
    pub(super) service_name: bool,
    pub(super) span_name: bool,
    pub(super) span_kind: bool,
    pub(super) status_code: bool,
    pub(super) instance: Option<String>,
    pub(super) delta: bool,
}

/// A span and what stands around it.
pub(super) struct Seen<'s, 'a> {
    pub(super) service: &'s str,
    pub(super) head: SpanHead<'a>,
    pub(super) scope: Option<(&'s str, &'s str)>,
    pub(super) own: &'s Names<'a>,
    pub(super) around: &'s Names<'a>,
}

impl Form {
    pub(super) fn new(args: &SpanMetricsArguments) -> Result<Self, String> {
        let unit = if args.histogram.unit == "s" { 1.0 } else { 1e-3 };
        let shape = match (&args.histogram.explicit, &args.histogram.exponential) {
            _ if args.histogram.disable => None,
            (_, Some(ExponentialArguments { max_size })) => {
                Some(Shape::Exponential(usize::try_from(*max_size).unwrap_or(usize::MAX)))
            }
            (Some(explicit), _) => Some(Shape::explicit(&explicit.buckets, unit)),
            (None, None) => return Err("neither explicit nor exponential buckets".to_owned()),
        };
        let [dimensions, calls] = [&args.dimension, &args.calls_dimension].map(|list| Dimensions::new(list));
        let (dimensions, calls) = (dimensions?, calls?);
        let durations = Dimensions::new(&args.histogram.dimension)?;
        let events = args.events.enabled.then(|| Dimensions::new(&args.events.dimension)).transpose()?;
        let apart = shape.is_some() && args.calls_dimension != args.histogram.dimension;
        let lists = [&dimensions, &calls, &durations];
        let reads_attributes = events.is_some() || lists.into_iter().any(|list| !list.is_empty());
        let has = |name: &str| !args.exclude_dimensions.iter().any(|excluded| excluded == name);
        let instance = args.include_collector_instance_id && has(INSTANCE);
        Ok(Self {
            dimensions,
            calls,
            durations,
            events,
            shape,
            apart,
            reads_attributes,
            unit: unit * 1e9,
            service_name: has(SERVICE_NAME),
            span_name: has(SPAN_NAME),
            span_kind: has(SPAN_KIND),
            status_code: has(STATUS_CODE),
            instance: instance.then(instance_id),
            delta: args.is_delta(),
        })
    }

    pub(super) fn key(&self, key: &mut Vec<u8>, seen: &Seen<'_, '_>, more: &Dimensions) {
        key.clear();
        if self.service_name {
            put_text(key, seen.service);
        }
        if self.span_name {
            put_text(key, seen.head.name);
        }
        if self.span_kind {
            key.push(seen.head.kind() as u8);
        }
        if self.status_code {
            key.push(seen.head.status() as u8);
        }
        if let Some((name, version)) = seen.scope {
            put_text(key, name);
            put_text(key, version);
        }
        for list in [&self.dimensions, more] {
            list.each(seen.own, seen.around, |name, value| {
                put_text(key, name);
                put_value(key, value);
            });
        }
    }

    pub(super) fn attributes(&self, seen: &Seen<'_, '_>, more: &Dimensions) -> Packed {
        let mut attributes = Attributes::default();
        let fixed = [
            (self.service_name, SERVICE_NAME, seen.service),
            (self.span_name, SPAN_NAME, seen.head.name),
            (self.span_kind, SPAN_KIND, kind_name(seen.head.kind())),
            (self.status_code, STATUS_CODE, status_name(seen.head.status())),
            (self.instance.is_some(), INSTANCE, self.instance.as_deref().unwrap_or_default()),
        ];
        for (_, name, value) in fixed.into_iter().filter(|(wanted, ..)| *wanted) {
            attributes.put_text(name, value);
        }
        if let Some((name, version)) = seen.scope {
            attributes.put_text("span.instrumentation.scope.name", name);
            if !version.is_empty() {
                attributes.put_text("span.instrumentation.scope.version", version);
            }
        }
        for list in [&self.dimensions, more] {
            list.each(seen.own, seen.around, |name, value| attributes.put_view(name, value));
        }
        attributes.pack()
    }

    pub(super) fn temporality(&self) -> AggregationTemporality {
        if self.delta { AggregationTemporality::Delta } else { AggregationTemporality::Cumulative }
    }
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "SPAN_KIND_UNSPECIFIED",
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    }
}

fn status_name(status: StatusCode) -> &'static str {
    match status {
        StatusCode::Unset => "STATUS_CODE_UNSET",
        StatusCode::Ok => "STATUS_CODE_OK",
        StatusCode::Error => "STATUS_CODE_ERROR",
    }
}

/// A random UUID.
fn instance_id() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// What tells a resource from others: some of its attributes, or all, in any order.
pub(super) fn resource_key(key: &mut Vec<u8>, names: &Names<'_>, only: &[String]) {
    key.clear();
    for (name, attribute) in names.sorted() {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        let value = attribute.value();
        put_text(key, name);
        key.push(match value {
            ValueView::Empty => 0,
            ValueView::Str(_) => 1,
            ValueView::Bool(_) => 2,
            ValueView::Int(_) => 3,
            ValueView::Double(_) => 4,
            ValueView::Array(_) => 5,
            ValueView::Map(_) => 6,
            ValueView::Bytes(_) => 7,
            ValueView::StrIndex(_) => 8,
        });
        put_value(key, value);
    }
}

pub(super) fn overflow_attributes() -> Packed {
    let mut attributes = Attributes::default();
    attributes.put(OVERFLOW, Value::BoolValue(true));
    attributes.pack()
}
