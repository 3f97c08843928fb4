//! What clients say of their exchanges: `http_client_*` and `rpc_client_*`, of as many series as there are statuses worth telling
//! apart.

use std::sync::OnceLock;
use std::time::Duration;

use corten_component::metrics::{Histogram, MetricDoc, MetricKind, Scope};

const MILLISECONDS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];
const BYTES: [f64; 10] =
    [128.0, 512.0, 2048.0, 8192.0, 32768.0, 131_072.0, 524_288.0, 2_097_152.0, 8_388_608.0, 33_554_432.0];
const ONE: [f64; 2] = [0.0, 1.0];

/// HTTP's statuses that have series of their own.
const HTTP_STATUSES: [&str; 14] =
    ["200", "202", "204", "400", "401", "403", "404", "408", "413", "429", "500", "502", "503", "504"];
/// gRPC's, all of them.
const RPC_STATUSES: [&str; 17] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
/// Every other status, and no status at all.
const OTHERS: [&str; 2] = ["other", "none"];

struct Names {
    /// What the label is called that tells what is called.
    target: &'static str,
    status: &'static str,
    statuses: &'static [&'static str],
    duration: MetricDoc,
    request: MetricDoc,
    response: MetricDoc,
    per_call: Option<[MetricDoc; 2]>,
}

const fn histogram(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> MetricDoc {
    MetricDoc { name, kind: MetricKind::Histogram, help, labels }
}

const HTTP_LABELS: &[&str] = &["net_peer_name", "http_status_code"];
const RPC_LABELS: &[&str] = &["rpc_service", "rpc_grpc_status_code"];

static HTTP: Names = Names {
    target: "net_peer_name",
    status: "http_status_code",
    statuses: &HTTP_STATUSES,
    duration: ClientMeters::HTTP_DOCS[0],
    request: ClientMeters::HTTP_DOCS[1],
    response: ClientMeters::HTTP_DOCS[2],
    per_call: None,
};

static RPC: Names = Names {
    target: "rpc_service",
    status: "rpc_grpc_status_code",
    statuses: &RPC_STATUSES,
    duration: ClientMeters::RPC_DOCS[0],
    request: ClientMeters::RPC_DOCS[1],
    response: ClientMeters::RPC_DOCS[2],
    per_call: Some([ClientMeters::RPC_DOCS[3], ClientMeters::RPC_DOCS[4]]),
};

/// The metrics of the exchanges with one target. A series appears with its first exchange.
pub struct ClientMeters {
    scope: Scope,
    target: String,
    names: &'static Names,
    durations: Vec<OnceLock<Histogram>>,
    sizes: OnceLock<(Histogram, Histogram)>,
    per_call: OnceLock<[Histogram; 2]>,
}

impl ClientMeters {
    /// What an HTTP client has, for reference pages.
    pub const HTTP_DOCS: &'static [MetricDoc] = &[
        histogram("http_client_duration_milliseconds", "How long requests took, in milliseconds.", HTTP_LABELS),
        histogram("http_client_request_size_bytes", "Sizes of request bodies as sent, in bytes.", &["net_peer_name"]),
        histogram("http_client_response_size_bytes", "Sizes of response bodies as read, in bytes.", &["net_peer_name"]),
    ];
    /// What a gRPC client has, for reference pages.
    pub const RPC_DOCS: &'static [MetricDoc] = &[
        histogram("rpc_client_duration_milliseconds", "How long calls took, in milliseconds.", RPC_LABELS),
        histogram(
            "rpc_client_request_size_bytes",
            "Sizes of request messages, uncompressed, in bytes.",
            &["rpc_service"],
        ),
        histogram("rpc_client_response_size_bytes", "Sizes of response messages, in bytes.", &["rpc_service"]),
        histogram("rpc_client_requests_per_rpc", "Messages sent per call.", &["rpc_service"]),
        histogram("rpc_client_responses_per_rpc", "Messages received per call.", &["rpc_service"]),
    ];

    /// Of an HTTP client; `server` is the host that it sends to.
    pub fn http(scope: &Scope, server: &str) -> Self {
        Self::new(scope, server, &HTTP)
    }

    /// Of a gRPC client; `service` is `package.Service`.
    pub fn rpc(scope: &Scope, service: &str) -> Self {
        Self::new(scope, service, &RPC)
    }

    fn new(scope: &Scope, target: &str, names: &'static Names) -> Self {
        Self {
            scope: scope.clone(),
            target: target.to_owned(),
            names,
            durations: (0..names.statuses.len() + OTHERS.len()).map(|_| OnceLock::new()).collect(),
            sizes: OnceLock::new(),
            per_call: OnceLock::new(),
        }
    }

    /// Counts an exchange. `status` is a number, or `None` if there was no answer; sizes are in bytes.
    pub fn exchange(&self, status: Option<u16>, took: Duration, request: usize, response: usize) {
        self.duration(status).observe(took.as_secs_f64() * 1000.0);
        let (requests, responses) = self.sizes.get_or_init(|| {
            (self.histogram(&self.names.request, &BYTES, None), self.histogram(&self.names.response, &BYTES, None))
        });
        requests.observe(request as f64);
        responses.observe(response as f64);
        if let Some(docs) = &self.names.per_call {
            let [sent, received] =
                self.per_call.get_or_init(|| [0, 1].map(|index| self.histogram(&docs[index], &ONE, None)));
            sent.observe(1.0);
            received.observe(if status == Some(0) { 1.0 } else { 0.0 });
        }
    }

    fn duration(&self, status: Option<u16>) -> &Histogram {
        let statuses = self.names.statuses;
        let index = status.map_or(statuses.len() + 1, |status| {
            let text = status.to_string();
            statuses.iter().position(|known| *known == text).unwrap_or(statuses.len())
        });
        let text = statuses.iter().chain(&OTHERS).nth(index).copied().unwrap_or(OTHERS[0]);
        let cell = self.durations.get(index).unwrap_or(&self.durations[statuses.len()]);
        cell.get_or_init(|| self.histogram(&self.names.duration, &MILLISECONDS, Some(text)))
    }

    fn histogram(&self, doc: &MetricDoc, bounds: &[f64], status: Option<&str>) -> Histogram {
        let target = [(self.names.target, self.target.as_str())];
        match status {
            Some(status) => self.scope.histogram(doc.name, doc.help, bounds, &[target[0], (self.names.status, status)]),
            None => self.scope.histogram(doc.name, doc.help, bounds, &target),
        }
    }
}

/// Two declarations as one; `N` must be the sum of their lengths.
pub const fn join_docs<const N: usize>(first: &[MetricDoc], second: &[MetricDoc]) -> [MetricDoc; N] {
    let mut all = [first[0]; N];
    let mut index = 0;
    while index < N {
        all[index] = if index < first.len() { first[index] } else { second[index - first.len()] };
        index += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use corten_component::NodeId;
    use corten_component::metrics::Registry;

    use super::*;

    #[test]
    fn statuses_cannot_multiply_the_series() {
        let registry = Registry::new();
        let scope = registry.node(&NodeId::root("otelcol.exporter.otlphttp.x"));
        let meters = ClientMeters::http(&scope, "backend");
        assert!(!registry.render().contains("http_client"), "nothing before the first exchange");
        for status in (100..1000).map(Some).chain([None]) {
            meters.exchange(status, Duration::from_millis(3), 100, 0);
        }
        let text = registry.render();
        let series = text.lines().filter(|line| line.starts_with("http_client_duration_milliseconds_count"));
        assert_eq!(series.count(), HTTP_STATUSES.len() + OTHERS.len());
        let count = |status: &str| {
            let label = format!("http_status_code=\"{status}\"");
            let line = text.lines().find(|line| line.contains("duration_milliseconds_count") && line.contains(&label));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
        };
        assert_eq!((count("503"), count("none")), (Some(1), Some(1)));
        assert_eq!(count("other"), Some(900 - HTTP_STATUSES.len()));
    }
}
