//! Durations, sizes and the service graph, as metrics: for OTLP and for Prometheus.
//!
//! Names and buckets are Beyla's, so that its dashboards find them. The number of series is bounded; what does not fit
//! is counted. Series that were not used for some minutes are given up.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use corten_proto::otlp::common::{InstrumentationScope, KeyValue};
use corten_proto::otlp::metrics::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric::Data, number_data_point,
};

use super::service::Service;
use super::view::{View, grpc_status};
use super::{number, text};

/// The most series.
const SERIES: usize = 20_000;

/// Upper boundaries of durations, in seconds.
pub const SECONDS: [f64; 15] = [0.0, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Upper boundaries of sizes, in bytes.
pub const BYTES: [f64; 10] = [0.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0];

/// A family of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `http.server.request.duration`
    HttpServerDuration,
    /// `http.server.request.body.size`
    HttpServerRequestSize,
    /// `http.server.response.body.size`
    HttpServerResponseSize,
    /// `http.client.request.duration`
    HttpClientDuration,
    /// `http.client.request.body.size`
    HttpClientRequestSize,
    /// `http.client.response.body.size`
    HttpClientResponseSize,
    /// `rpc.server.duration`
    RpcServerDuration,
    /// `rpc.client.duration`
    RpcClientDuration,
    /// `traces_service_graph_request_server`
    GraphServer,
    /// `traces_service_graph_request_client`
    GraphClient,
    /// `traces_service_graph_request_total`
    GraphTotal,
    /// `traces_service_graph_request_failed_total`
    GraphFailed,
}

impl Family {
    /// Name, unit, name for Prometheus, and what it is.
    fn about(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::HttpServerDuration => (
                "http.server.request.duration",
                "s",
                "http_server_request_duration_seconds",
                "Time from the first byte of a request to the last of its response, at the server.",
            ),
            Self::HttpServerRequestSize => (
                "http.server.request.body.size",
                "By",
                "http_server_request_body_size_bytes",
                "Size of request bodies, at the server.",
            ),
            Self::HttpServerResponseSize => (
                "http.server.response.body.size",
                "By",
                "http_server_response_body_size_bytes",
                "Size of response bodies, at the server.",
            ),
            Self::HttpClientDuration => (
                "http.client.request.duration",
                "s",
                "http_client_request_duration_seconds",
                "Time from the first byte of a request to the last of its response, at the client.",
            ),
            Self::HttpClientRequestSize => (
                "http.client.request.body.size",
                "By",
                "http_client_request_body_size_bytes",
                "Size of request bodies, at the client.",
            ),
            Self::HttpClientResponseSize => (
                "http.client.response.body.size",
                "By",
                "http_client_response_body_size_bytes",
                "Size of response bodies, at the client.",
            ),
            Self::RpcServerDuration => {
                ("rpc.server.duration", "s", "rpc_server_duration_seconds", "Time that calls took, at the server.")
            }
            Self::RpcClientDuration => {
                ("rpc.client.duration", "s", "rpc_client_duration_seconds", "Time that calls took, at the client.")
            }
            Self::GraphServer => (
                "traces_service_graph_request_server",
                "s",
                "traces_service_graph_request_server_seconds",
                "Time that requests from one service to another took, at the server.",
            ),
            Self::GraphClient => (
                "traces_service_graph_request_client",
                "s",
                "traces_service_graph_request_client_seconds",
                "Time that requests from one service to another took, at the client.",
            ),
            Self::GraphTotal => (
                "traces_service_graph_request_total",
                "",
                "traces_service_graph_request_total",
                "Requests from one service to another.",
            ),
            Self::GraphFailed => (
                "traces_service_graph_request_failed_total",
                "",
                "traces_service_graph_request_failed_total",
                "Failed requests from one service to another.",
            ),
        }
    }

    fn bounds(self) -> Option<&'static [f64]> {
        match self {
            Self::GraphTotal | Self::GraphFailed => None,
            Self::HttpServerRequestSize
            | Self::HttpServerResponseSize
            | Self::HttpClientRequestSize
            | Self::HttpClientResponseSize => Some(&BYTES),
            _ => Some(&SECONDS),
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Durations and sizes.
    pub application: bool,
    /// The service graph.
    pub graph: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    service: Arc<Service>,
    family: Family,
    /// Names and values, in the order of the names.
    labels: Vec<(&'static str, String)>,
}

#[derive(Debug, Default)]
struct Series {
    counts: Vec<u64>,
    count: u64,
    sum: f64,
    begun: u64,
    used: u64,
}

/// All series.
#[derive(Debug)]
pub struct Measures {
    features: Features,
    series: HashMap<Key, Series>,
    overflow: u64,
}

impl Measures {
    /// None yet.
    pub fn new(features: Features) -> Self {
        Self { features, series: HashMap::new(), overflow: 0 }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Values that found no place, since this was last asked.
    pub fn take_overflow(&mut self) -> u64 {
        std::mem::take(&mut self.overflow)
    }

    /// Counts an exchange; `now` in nanoseconds since 1970.
    pub fn observe(&mut self, service: &Arc<Service>, view: &View<'_>, now: u64) {
        if self.features.application {
            self.application(service, view, now);
        }
        if self.features.graph {
            self.graph(service, view, now);
        }
    }

    /// Gives up series that were not used since `before`.
    pub fn expire(&mut self, before: u64) {
        self.series.retain(|_, series| series.used >= before);
    }

    fn application(&mut self, service: &Arc<Service>, view: &View<'_>, now: u64) {
        let (server, seconds) = (view.is_server(), view.seconds());
        if view.exchange.is_grpc() {
            let family = if server { Family::RpcServerDuration } else { Family::RpcClientDuration };
            let code = view.exchange.grpc_status.unwrap_or(2);
            let labels = vec![
                ("rpc.grpc.status_code", code.to_string()),
                ("rpc.method", view.rpc_method().to_owned()),
                ("rpc.response.status_code", grpc_status(code)),
                ("rpc.system", "grpc".to_owned()),
            ];
            return self.add(service, family, labels, seconds, now);
        }
        let mut labels = vec![("http.request.method", view.method.to_owned())];
        if let Some(status) = view.exchange.status {
            labels.push(("http.response.status_code", status.to_string()));
        }
        if !view.route.is_empty() {
            labels.push(("http.route", view.route.clone()));
        }
        let families = match server {
            true => [Family::HttpServerDuration, Family::HttpServerRequestSize, Family::HttpServerResponseSize],
            false => [Family::HttpClientDuration, Family::HttpClientRequestSize, Family::HttpClientResponseSize],
        };
        let values = [seconds, view.exchange.request_body as f64, view.exchange.response_body as f64];
        for (family, value) in families.into_iter().zip(values) {
            self.add(service, family, labels.clone(), value, now);
        }
    }

    fn graph(&mut self, service: &Arc<Service>, view: &View<'_>, now: u64) {
        let own = (service.name.clone(), service.namespace.clone());
        let other = (if view.is_server() { view.peer.clone() } else { view.server.clone() }, String::new());
        let (client, server) = if view.is_server() { (other, own) } else { (own, other) };
        let labels = vec![
            ("client", client.0),
            ("client_service_namespace", client.1),
            ("server", server.0),
            ("server_service_namespace", server.1),
            ("source", "corten".to_owned()),
        ];
        let family = if view.is_server() { Family::GraphServer } else { Family::GraphClient };
        self.add(service, family, labels.clone(), view.seconds(), now);
        self.add(service, Family::GraphTotal, labels.clone(), 1.0, now);
        if view.error.is_some() {
            self.add(service, Family::GraphFailed, labels, 1.0, now);
        }
    }

    fn add(
        &mut self,
        service: &Arc<Service>,
        family: Family,
        labels: Vec<(&'static str, String)>,
        value: f64,
        now: u64,
    ) {
        let key = Key { service: Arc::clone(service), family, labels };
        if self.series.len() >= SERIES && !self.series.contains_key(&key) {
            self.overflow += 1;
            return;
        }
        let series = self.series.entry(key).or_insert_with(|| Series { begun: now, ..Series::default() });
        if let Some(bounds) = family.bounds() {
            series.counts.resize(bounds.len() + 1, 0);
            series.counts[bounds.partition_point(|bound| *bound < value)] += 1;
        }
        series.count += 1;
        series.sum += value;
        series.used = now;
    }

    /// The series in an order that does not change.
    fn sorted(&self) -> Vec<(&Key, &Series)> {
        let mut all: Vec<_> = self.series.iter().collect();
        all.sort_by(|(a, _), (b, _)| {
            let order = |key: &Key| (key.family, key.service.job(), key.service.instance.clone());
            order(a).cmp(&order(b)).then_with(|| a.labels.cmp(&b.labels))
        });
        all
    }

    /// All series for OTLP, cumulative; `now` in nanoseconds since 1970.
    pub fn otlp(&self, scope: &InstrumentationScope, now: u64) -> Vec<ResourceMetrics> {
        let mut resources: Vec<(&Arc<Service>, Vec<Metric>)> = Vec::new();
        for (key, series) in self.sorted() {
            let at = resources.iter().position(|(service, _)| *service == &key.service).unwrap_or_else(|| {
                resources.push((&key.service, Vec::new()));
                resources.len() - 1
            });
            let metrics = &mut resources[at].1;
            let (name, unit, _, description) = key.family.about();
            if metrics.last().is_none_or(|metric| metric.name != name) {
                metrics.push(Metric {
                    name: name.to_owned(),
                    unit: unit.to_owned(),
                    description: description.to_owned(),
                    data: Some(empty(key.family)),
                    ..Metric::default()
                });
            }
            if let Some(data) = metrics.last_mut().and_then(|metric| metric.data.as_mut()) {
                push(data, key, series, now);
            }
        }
        let resource = |(service, metrics): (&Arc<Service>, Vec<Metric>)| ResourceMetrics {
            resource: Some(service.resource()),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope.clone()), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        };
        resources.into_iter().map(resource).collect()
    }

    /// All series in Prometheus's text format.
    pub fn prometheus(&self) -> String {
        let mut out = String::new();
        let mut last = None;
        for (key, series) in self.sorted() {
            let (_, _, name, help) = key.family.about();
            if last.replace(key.family) != Some(key.family) {
                let kind = if key.family.bounds().is_some() { "histogram" } else { "counter" };
                let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            }
            write_series(&mut out, name, key, series);
        }
        self.write_target_info(&mut out);
        out
    }

    fn write_target_info(&self, out: &mut String) {
        let mut services: Vec<&Arc<Service>> = Vec::new();
        for (key, _) in self.sorted() {
            if !services.contains(&&key.service) {
                services.push(&key.service);
            }
        }
        if !services.is_empty() {
            out.push_str("# HELP target_info What is known of a service.\n# TYPE target_info gauge\n");
        }
        for service in services {
            out.push_str("target_info{");
            write_labels(out, service, &[]);
            let more = [("host_name", service.host.as_str()), ("telemetry_sdk_language", service.language)];
            for (name, value) in more.into_iter().filter(|(_, value)| !value.is_empty()) {
                write_label(out, name, value);
            }
            for (name, value) in &service.attributes {
                write_label(out, &label_name(name), value);
            }
            out.push_str("} 1\n");
        }
    }
}

fn empty(family: Family) -> Data {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    match family.bounds() {
        Some(_) => Data::Histogram(Histogram { data_points: Vec::new(), aggregation_temporality }),
        None => Data::Sum(Sum { data_points: Vec::new(), aggregation_temporality, is_monotonic: true }),
    }
}

fn push(data: &mut Data, key: &Key, series: &Series, now: u64) {
    let attributes: Vec<KeyValue> = key
        .labels
        .iter()
        .map(|(name, value)| match (*name, value.parse::<u32>()) {
            ("http.response.status_code" | "rpc.grpc.status_code", Ok(code)) => number(name, code),
            _ => text(name, value.as_str()),
        })
        .collect();
    match data {
        Data::Histogram(histogram) => histogram.data_points.push(HistogramDataPoint {
            attributes,
            start_time_unix_nano: series.begun,
            time_unix_nano: now,
            count: series.count,
            sum: Some(series.sum),
            bucket_counts: series.counts.clone(),
            explicit_bounds: key.family.bounds().unwrap_or_default().to_vec(),
            ..HistogramDataPoint::default()
        }),
        Data::Sum(sum) => sum.data_points.push(NumberDataPoint {
            attributes,
            start_time_unix_nano: series.begun,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsInt(i64::try_from(series.count).unwrap_or(i64::MAX))),
            ..NumberDataPoint::default()
        }),
        _ => {}
    }
}

fn write_series(out: &mut String, name: &str, key: &Key, series: &Series) {
    let Some(bounds) = key.family.bounds() else {
        let _ = write!(out, "{name}{{");
        write_labels(out, &key.service, &key.labels);
        let _ = writeln!(out, "}} {}", series.count);
        return;
    };
    let mut sum = 0;
    for (at, count) in series.counts.iter().enumerate() {
        sum += count;
        let _ = write!(out, "{name}_bucket{{");
        write_labels(out, &key.service, &key.labels);
        match bounds.get(at) {
            Some(bound) => write_label(out, "le", &bound.to_string()),
            None => write_label(out, "le", "+Inf"),
        }
        let _ = writeln!(out, "}} {sum}");
    }
    for (end, value) in [("sum", series.sum), ("count", series.count as f64)] {
        let _ = write!(out, "{name}_{end}{{");
        write_labels(out, &key.service, &key.labels);
        let _ = writeln!(out, "}} {value}");
    }
}

fn write_labels(out: &mut String, service: &Service, labels: &[(&'static str, String)]) {
    for (name, value) in labels {
        write_label(out, &label_name(name), value);
    }
    write_label(out, "instance", &service.instance);
    write_label(out, "job", &service.job());
    write_label(out, "service_name", &service.name);
    write_label(out, "service_namespace", &service.namespace);
}

fn write_label(out: &mut String, name: &str, value: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let _ = write!(out, "{name}=\"{value}\"");
}

/// A name as Prometheus's older syntax allows it.
fn label_name(name: &str) -> String {
    let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::exchange::{Exchange, Protocol};
    use crate::record::Role;
    use crate::telemetry::route::{RouteRules, Routes};

    fn service() -> Arc<Service> {
        let attributes = vec![("process.pid".to_owned(), "7".to_owned())];
        Arc::new(Service { name: "shop".into(), instance: "host:7".into(), attributes, ..Service::default() })
    }

    fn observe(measures: &mut Measures, exchange: &Exchange) {
        let view = View::new(exchange, "shop", &mut Routes::new(RouteRules::default()));
        measures.observe(&service(), &view, 100);
    }

    fn exchange(target: &str, status: u16) -> Exchange {
        Exchange {
            role: Role::Server,
            method: "GET".to_owned(),
            target: target.to_owned(),
            status: Some(status),
            start: 0,
            end: 20_000_000,
            response_body: 40,
            ..Exchange::default()
        }
    }

    #[test]
    fn requests_are_counted_by_method_status_and_route() {
        let mut measures = Measures::new(Features { application: true, graph: true });
        observe(&mut measures, &exchange("/a/1", 200));
        observe(&mut measures, &exchange("/a/2", 200));
        observe(&mut measures, &exchange("/a/3", 500));
        let text = measures.prometheus();
        for line in [
            "# TYPE http_server_request_duration_seconds histogram",
            r#"http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/a/*",instance="host:7",job="shop",service_name="shop",service_namespace="",le="0.01"} 0"#,
            r#"http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/a/*",instance="host:7",job="shop",service_name="shop",service_namespace="",le="0.025"} 2"#,
            r#"http_server_response_body_size_bytes_sum{http_request_method="GET",http_response_status_code="200",http_route="/a/*",instance="host:7",job="shop",service_name="shop",service_namespace=""} 80"#,
            r#"traces_service_graph_request_failed_total{client="",client_service_namespace="",server="shop",server_service_namespace="",source="corten",instance="host:7",job="shop",service_name="shop",service_namespace=""} 1"#,
            r#"target_info{instance="host:7",job="shop",service_name="shop",service_namespace="",process_pid="7"} 1"#,
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line}\nin\n{text}");
        }
    }

    #[test]
    fn the_same_goes_out_by_otlp() {
        let mut measures = Measures::new(Features { application: true, graph: false });
        observe(&mut measures, &exchange("/a/1", 200));
        let call = Exchange {
            protocol: Protocol::Http2,
            content_type: "application/grpc".to_owned(),
            grpc_status: Some(5),
            ..exchange("/s/M", 200)
        };
        observe(&mut measures, &call);
        let resources = measures.otlp(&InstrumentationScope::default(), 200);
        assert_eq!(resources.len(), 1);
        let metrics = &resources[0].scope_metrics[0].metrics;
        let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "http.server.request.duration",
                "http.server.request.body.size",
                "http.server.response.body.size",
                "rpc.server.duration"
            ]
        );
        let Some(Data::Histogram(histogram)) = &metrics[0].data else { panic!("no histogram") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.bucket_counts[3], point.bucket_counts.len()), (1, 1, SECONDS.len() + 1));
    }

    #[test]
    fn series_are_bounded_and_expire() {
        let mut measures = Measures::new(Features { application: true, graph: false });
        let view = |exchange: &Exchange, measures: &mut Measures, n: usize| {
            let service = Arc::new(Service { name: n.to_string(), ..Service::default() });
            let view = View::new(exchange, "shop", &mut Routes::new(RouteRules::default()));
            measures.observe(&service, &view, n as u64);
        };
        for n in 0..SERIES / 3 + 10 {
            view(&exchange("/", 200), &mut measures, n);
        }
        assert_eq!(measures.len(), SERIES);
        assert!(measures.take_overflow() > 0);
        measures.expire(SERIES as u64 / 3 - 5);
        assert!(measures.len() < 40 && !measures.is_empty());
    }
}
