//! Requests that look like a service's: some 530 bytes a span, 350 a log record, 220 a data point.
//!
//! A few requests are made once, with random ids, times and values; each that is sent is a copy of one of them with
//! the numbers of its items written in.

use corten_proto::otlp::collector::{ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest};
use corten_proto::otlp::common::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use corten_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use corten_proto::otlp::metrics::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use corten_proto::otlp::resource::Resource;
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use corten_signal::otlp::SignalKind;
use fastrand::Rng;
use prost::Message;

use crate::ledger::{gap, mark};

const START: u64 = 1_750_000_000_000_000_000;
/// Different items before they repeat (but for the numbers): more than a compressor can look back on.
const DIFFERENT: u64 = 32_000;
const ROUTES: [&str; 6] =
    ["/api/carts/{id}", "/api/carts/{id}/items", "/api/orders", "/api/orders/{id}", "/api/products", "/login"];
const HOSTS: [&str; 4] = ["shop-7d4f9c-x2lqv", "shop-7d4f9c-p9k4w", "shop-7d4f9c-zz81m", "shop-7d4f9c-4hn6t"];

struct Template {
    bytes: Vec<u8>,
    /// Where the numbers of the items go.
    numbers: Vec<usize>,
}

/// The requests of one run.
pub(crate) struct Payloads {
    templates: Vec<Template>,
    per_request: u64,
}

impl Payloads {
    pub(crate) fn new(kind: SignalKind, run: u32, per_request: u64) -> Self {
        let mut rng = Rng::with_seed(u64::from(run));
        let mark = mark(run);
        let template = |_| {
            let bytes = match kind {
                SignalKind::Metrics => metrics(&mut rng, mark, per_request),
                SignalKind::Logs => logs(&mut rng, mark, per_request),
                _ => traces(&mut rng, mark, per_request),
            };
            let numbers = memchr::memmem::find_iter(&bytes, &mark).map(|at| at + gap(kind)).collect();
            Template { bytes, numbers }
        };
        Self { templates: (0..DIFFERENT.div_ceil(per_request)).map(template).collect(), per_request }
    }

    /// The protobuf of a request.
    pub(crate) fn body(&self, request: u64) -> Vec<u8> {
        let template = &self.templates[(request % self.templates.len() as u64) as usize];
        let mut bytes = template.bytes.clone();
        for (number, at) in (request * self.per_request..).zip(&template.numbers) {
            bytes[*at..at + 8].copy_from_slice(&(number + 1).to_be_bytes());
        }
        bytes
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

fn resource(rng: &mut Rng) -> Option<Resource> {
    let attributes = vec![
        text("service.name", "shop"),
        text("service.namespace", "example"),
        text("service.version", "4.11.2"),
        text("deployment.environment.name", "production"),
        text("host.name", pick(rng, &HOSTS)),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.language", "java"),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "io.example.http".into(), version: "2.9.0".into(), ..Default::default() })
}

fn id(rng: &mut Rng) -> Vec<u8> {
    rng.u64(1..).to_be_bytes().to_vec()
}

/// The mark, and room for the number.
fn marked(mark: [u8; 8]) -> Vec<u8> {
    [mark, [0; 8]].concat()
}

fn traces(rng: &mut Rng, mark: [u8; 8], items: u64) -> Vec<u8> {
    let resource = resource(rng);
    let span = |index| {
        let route = pick(rng, &ROUTES);
        let start = START + index * 1_300_000 + rng.u64(..900_000);
        let address = format!("10.42.{}.{}", rng.u8(..8), rng.u8(1..));
        Span {
            trace_id: marked(mark),
            span_id: id(rng),
            parent_span_id: id(rng),
            name: format!("GET {route}"),
            kind: 2,
            start_time_unix_nano: start,
            end_time_unix_nano: start + rng.u64(200_000..90_000_000),
            attributes: vec![
                text("http.request.method", "GET"),
                text("http.route", route),
                text("url.path", route.replace("{id}", &rng.u32(1000..90_000).to_string())),
                text("url.scheme", "https"),
                pair("http.response.status_code", Value::IntValue(if rng.u8(..20) == 0 { 500 } else { 200 })),
                text("server.address", "shop.example.com"),
                pair("server.port", Value::IntValue(443)),
                text("client.address", address),
                text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
                pair("thread.id", Value::IntValue(i64::from(rng.u8(10..90)))),
            ],
            ..Span::default()
        }
    };
    let spans = (0..items).map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..Default::default() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn logs(rng: &mut Rng, mark: [u8; 8], items: u64) -> Vec<u8> {
    let resource = resource(rng);
    let record = |index| {
        let time = START + index * 700_000 + rng.u64(..600_000);
        let (order, took) = (rng.u32(100_000..), rng.u16(2..900));
        let body = format!(
            "order {order} for customer {} accepted, {} items, total {}.{:02} EUR, in {took} ms",
            rng.u32(1000..80_000),
            rng.u8(1..9),
            rng.u16(5..400),
            rng.u8(..100)
        );
        LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: time + rng.u64(..90_000),
            severity_number: 9,
            severity_text: "INFO".into(),
            body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
            attributes: vec![
                text("code.function.name", "com.example.shop.OrderService.accept"),
                text("thread.name", format!("http-worker-{}", rng.u8(1..32))),
                text("order.id", order.to_string()),
                text("session.id", format!("{:016x}{:016x}", rng.u64(..), rng.u64(..))),
                text("log.logger", "com.example.shop.orders"),
            ],
            trace_id: marked(mark),
            span_id: id(rng),
            ..LogRecord::default()
        }
    };
    let log_records = (0..items).map(record).collect();
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { resource, scope_logs, ..Default::default() }] }
        .encode_to_vec()
}

fn metrics(rng: &mut Rng, mark: [u8; 8], items: u64) -> Vec<u8> {
    let resource = resource(rng);
    let point = |_| {
        let attributes = vec![
            text("http.request.method", pick(rng, &["GET", "POST", "PUT"])),
            text("http.route", pick(rng, &ROUTES)),
            pair("http.response.status_code", Value::IntValue(if rng.u8(..20) == 0 { 500 } else { 200 })),
            text("server.address", "shop.example.com"),
            text("pool", format!("pool-{}", rng.u8(..64))),
        ];
        NumberDataPoint {
            attributes,
            // The mark and the number are times of strange years, which nobody on the way looks at.
            start_time_unix_nano: u64::from_le_bytes(mark),
            time_unix_nano: u64::MAX,
            value: Some(number_data_point::Value::AsInt(rng.i64(..5_000_000))),
            ..NumberDataPoint::default()
        }
    };
    let data_points: Vec<_> = (0..items).map(point).collect();
    // Ten points a metric.
    let metric = |(index, points): (usize, &[NumberDataPoint])| Metric {
        name: format!("http.server.requests.{index}"),
        description: "Requests answered".into(),
        unit: "{request}".into(),
        data: Some(metric::Data::Sum(Sum {
            data_points: points.to_vec(),
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
        ..Metric::default()
    };
    let metrics = data_points.chunks(10).enumerate().map(metric).collect();
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use corten_signal::otlp::check;

    use super::*;

    #[test]
    fn requests_pass_the_door_with_as_many_items_as_said_and_of_the_size_said() {
        for (kind, sizes) in
            [(SignalKind::Traces, 430..630), (SignalKind::Logs, 280..420), (SignalKind::Metrics, 170..270)]
        {
            let payloads = Payloads::new(kind, 1, 1000);
            for request in [0, 17] {
                let body = payloads.body(request);
                assert_eq!(check(kind, &body).expect("OTLP").items, 1000);
                assert!(sizes.contains(&(body.len() / 1000)), "{kind:?}: {} bytes an item", body.len() / 1000);
            }
        }
    }
}
