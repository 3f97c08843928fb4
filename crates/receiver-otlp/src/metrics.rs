//! Self-metrics, under the names that dashboards of the OpenTelemetry Collector and Alloy read.
//!
//! No label takes a value from a client: routes are those of the file, statuses those that the server knows.

use std::sync::OnceLock;
use std::time::Duration;

use corten_component::metrics::{Counter, Histogram, MetricDoc, MetricKind, Scope};
use corten_delivery::Holder;
use corten_net::server::Refusals;
use corten_signal::otlp::{Batch, SignalKind};

use crate::refused::Cause;

const MILLISECONDS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];
const BYTES: [f64; 10] =
    [128.0, 512.0, 2048.0, 8192.0, 32768.0, 131_072.0, 524_288.0, 2_097_152.0, 8_388_608.0, 33_554_432.0];
const ONE: [f64; 2] = [0.0, 1.0];

const RECEIVER: &[&str] = &["receiver", "transport"];
const HTTP: &[&str] = &["http_route", "http_status_code"];
const RPC: &[&str] = &["rpc_service", "rpc_grpc_status_code"];
const REJECTED: &str = "corten_receiver_rejected_requests_total";
const REJECTED_HELP: &str = "Requests refused before downstream saw them, by reason.";

const CONNECTIONS: &str = "corten_receiver_refused_connections_total";
const CONNECTIONS_HELP: &str =
    "Connections that were not taken, or ended for what their peer did or did not do, by reason.";

const HTTP_DURATION: (&str, &str) = ("http_server_duration_milliseconds", "How long requests took, in milliseconds.");
const HTTP_REQUEST: (&str, &str) = ("http_server_request_size_bytes", "Sizes of request bodies as received, in bytes.");
const HTTP_RESPONSE: (&str, &str) = ("http_server_response_size_bytes", "Sizes of response bodies, in bytes.");
const RPC_DURATION: (&str, &str) = ("rpc_server_duration_milliseconds", "How long calls took, in milliseconds.");
const RPC_REQUEST: (&str, &str) =
    ("rpc_server_request_size_bytes", "Sizes of request messages, uncompressed, in bytes.");
const RPC_RESPONSE: (&str, &str) = ("rpc_server_response_size_bytes", "Sizes of response messages, in bytes.");
const RPC_REQUESTS: (&str, &str) = ("rpc_server_requests_per_rpc", "Messages received per call.");
const RPC_RESPONSES: (&str, &str) = ("rpc_server_responses_per_rpc", "Messages sent per call.");

const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> MetricDoc {
    MetricDoc { name, kind: MetricKind::Counter, help, labels }
}

const fn histogram(metric: (&'static str, &'static str), labels: &'static [&'static str]) -> MetricDoc {
    MetricDoc { name: metric.0, kind: MetricKind::Histogram, help: metric.1, labels }
}

const ACCEPTED: &str = "Items that downstream took.";
const REFUSED: &str = "Items that downstream did not take; the sender was told.";
const FAILED: &str = "Items that the receiver itself lost: always 0.";

/// All metrics, for the reference page.
pub(crate) const DOCS: &[MetricDoc] = &[
    counter("otelcol_receiver_accepted_spans_total", ACCEPTED, RECEIVER),
    counter("otelcol_receiver_accepted_metric_points_total", ACCEPTED, RECEIVER),
    counter("otelcol_receiver_accepted_log_records_total", ACCEPTED, RECEIVER),
    counter("otelcol_receiver_refused_spans_total", REFUSED, RECEIVER),
    counter("otelcol_receiver_refused_metric_points_total", REFUSED, RECEIVER),
    counter("otelcol_receiver_refused_log_records_total", REFUSED, RECEIVER),
    counter("otelcol_receiver_failed_spans_total", FAILED, RECEIVER),
    counter("otelcol_receiver_failed_metric_points_total", FAILED, RECEIVER),
    counter("otelcol_receiver_failed_log_records_total", FAILED, RECEIVER),
    counter(REJECTED, REJECTED_HELP, &["receiver", "transport", "reason"]),
    counter(CONNECTIONS, CONNECTIONS_HELP, &["receiver", "transport", "reason"]),
    histogram(HTTP_DURATION, HTTP),
    histogram(HTTP_REQUEST, &["http_route"]),
    histogram(HTTP_RESPONSE, &["http_route"]),
    histogram(RPC_DURATION, RPC),
    histogram(RPC_REQUEST, &["rpc_service"]),
    histogram(RPC_RESPONSE, &["rpc_service"]),
    histogram(RPC_REQUESTS, &["rpc_service"]),
    histogram(RPC_RESPONSES, &["rpc_service"]),
    Holder::<Batch>::DOCS[0],
    Holder::<Batch>::DOCS[1],
    Holder::<Batch>::DOCS[2],
    Holder::<Batch>::DOCS[3],
];

/// Which protocol a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

impl Protocol {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

/// Counts the connections of a server that are refused.
pub(crate) fn refusals(scope: &Scope, receiver: &str, protocol: Protocol) -> Refusals {
    let labels = [("receiver", receiver), ("transport", protocol.label())];
    Refusals::new(|reason| scope.counter(CONNECTIONS, CONNECTIONS_HELP, &[labels[0], labels[1], ("reason", reason)]))
}

/// The statuses that a server answers with: HTTP's and gRPC's together.
const STATUSES: [&str; 16] =
    ["200", "204", "400", "401", "403", "404", "405", "408", "413", "415", "500", "503", "0", "8", "13", "14"];

/// The metrics of a server.
pub(crate) struct Meters {
    rejected: [Counter; Cause::ALL.len()],
    signals: Vec<SignalMeters>,
}

/// The metrics of a signal on a server.
pub(crate) struct SignalMeters {
    kind: SignalKind,
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    scope: Scope,
    protocol: Protocol,
    route: String,
    durations: [OnceLock<Histogram>; STATUSES.len() + 1],
    request: Histogram,
    response: Histogram,
    per_rpc: Option<[Histogram; 2]>,
}

impl Meters {
    /// `routes`: the served signals with their path or service.
    pub(crate) fn register(
        scope: &Scope,
        receiver: &str,
        protocol: Protocol,
        routes: Vec<(SignalKind, String)>,
    ) -> Self {
        let labels = [("receiver", receiver), ("transport", protocol.label())];
        let rejected = Cause::ALL
            .map(|cause| scope.counter(REJECTED, REJECTED_HELP, &[labels[0], labels[1], ("reason", cause.label())]));
        let signals = routes
            .into_iter()
            .map(|(kind, route)| {
                let count = |what: &str, help: &str| {
                    scope.counter(&format!("otelcol_receiver_{what}_{}_total", kind.items_name()), help, &labels)
                };
                // Nothing is lost here, which the zero says.
                let _ = count("failed", FAILED);
                let (request, response, label) = match protocol {
                    Protocol::Http => (HTTP_REQUEST, HTTP_RESPONSE, "http_route"),
                    Protocol::Grpc => (RPC_REQUEST, RPC_RESPONSE, "rpc_service"),
                };
                let sized = |(name, help): (&str, &str), bounds: &[f64]| {
                    scope.histogram(name, help, bounds, &[(label, &route)])
                };
                let per_rpc =
                    (protocol == Protocol::Grpc).then(|| [sized(RPC_REQUESTS, &ONE), sized(RPC_RESPONSES, &ONE)]);
                let meters = SignalMeters {
                    kind,
                    accepted: count("accepted", ACCEPTED),
                    refused: count("refused", REFUSED),
                    request: sized(request, &BYTES),
                    response: sized(response, &BYTES),
                    per_rpc,
                    scope: scope.clone(),
                    protocol,
                    durations: Default::default(),
                    route,
                };
                meters.duration(if protocol == Protocol::Http { "200" } else { "0" });
                meters
            })
            .collect();
        Self { rejected, signals }
    }

    pub(crate) fn rejected(&self, cause: Cause) {
        self.rejected[cause as usize].inc();
    }

    pub(crate) fn signal(&self, kind: SignalKind) -> Option<&SignalMeters> {
        self.signals.iter().find(|signal| signal.kind == kind)
    }
}

impl SignalMeters {
    /// Counts an exchange.
    pub(crate) fn exchange(&self, status: &str, took: Duration, request: usize, response: usize) {
        self.duration(status).observe(took.as_secs_f64() * 1000.0);
        self.request.observe(request as f64);
        self.response.observe(response as f64);
        for each in self.per_rpc.iter().flatten() {
            each.observe(1.0);
        }
    }

    /// Series of a status appear with its first use: most never come.
    fn duration(&self, status: &str) -> &Histogram {
        let index = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        let text = STATUSES.get(index).copied().unwrap_or("other");
        self.durations[index].get_or_init(|| {
            let ((name, help), labels) = match self.protocol {
                Protocol::Http => (HTTP_DURATION, ["http_route", "http_status_code"]),
                Protocol::Grpc => (RPC_DURATION, ["rpc_service", "rpc_grpc_status_code"]),
            };
            self.scope.histogram(name, help, &MILLISECONDS, &[(labels[0], &self.route), (labels[1], text)])
        })
    }
}
