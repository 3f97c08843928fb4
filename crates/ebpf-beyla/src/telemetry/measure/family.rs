//! Families of metrics: what they are called, and which attributes they have.
//!
//! Names and attributes are those of Beyla's documentation and dashboards.

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
    /// `traces_spanmetrics_latency`
    SpanLatency,
    /// `traces_spanmetrics_calls_total`
    SpanCalls,
    /// `traces.span.metrics.duration`
    SpanDuration,
    /// `traces.span.metrics.calls`
    SpanCallsOtel,
    /// `traces_spanmetrics_size_total`
    SpanRequestSize,
    /// `traces_spanmetrics_response_size_total`
    SpanResponseSize,
}

/// What a family measures, and so which boundaries its histogram has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Durations.
    Seconds,
    /// Sizes of requests.
    RequestBytes,
    /// Sizes of responses.
    ResponseBytes,
    /// A sum, without a histogram.
    Sum,
}

/// What is said of a family.
pub(super) struct About {
    /// For OTLP.
    pub(super) name: &'static str,
    /// For OTLP.
    pub(super) unit: &'static str,
    /// For Prometheus.
    pub(super) prometheus: &'static str,
    pub(super) help: &'static str,
    pub(super) measure: Measure,
}

/// Attributes of a family, each with whether it is told by default.
pub(super) type Attributes = &'static [(&'static str, bool)];

/// Attributes of the service, which Prometheus has as labels of each series.
pub(super) const SERVICE: Attributes = &[
    ("container.id", false),
    ("container.name", true),
    ("instance", true),
    ("job", true),
    ("service.name", true),
    ("service.namespace", true),
];

const HTTP_SERVER: Attributes = &[
    ("client.address", false),
    ("http.request.method", true),
    ("http.response.status_code", true),
    ("http.route", true),
    ("server.address", false),
    ("server.port", false),
    ("url.path", false),
    ("url.scheme", false),
];
const HTTP_CLIENT: Attributes = &[
    ("http.request.method", true),
    ("http.response.status_code", true),
    ("http.route", true),
    ("server.address", false),
    ("server.port", false),
    ("url.path", false),
    ("url.scheme", false),
];
const RPC_SERVER: Attributes = &[
    ("client.address", false),
    ("rpc.grpc.status_code", true),
    ("rpc.method", true),
    ("rpc.response.status_code", true),
    ("rpc.system", true),
    ("server.address", false),
    ("server.port", false),
];
const RPC_CLIENT: Attributes = &[
    ("rpc.grpc.status_code", true),
    ("rpc.method", true),
    ("rpc.response.status_code", true),
    ("rpc.system", true),
    ("server.address", false),
    ("server.port", false),
];

const fn about(
    name: &'static str,
    unit: &'static str,
    prometheus: &'static str,
    help: &'static str,
    measure: Measure,
) -> About {
    About { name, unit, prometheus, help, measure }
}

impl Family {
    /// Those whose attributes can be chosen.
    pub(super) const CHOSEN: [Self; 8] = [
        Self::HttpServerDuration,
        Self::HttpServerRequestSize,
        Self::HttpServerResponseSize,
        Self::HttpClientDuration,
        Self::HttpClientRequestSize,
        Self::HttpClientResponseSize,
        Self::RpcServerDuration,
        Self::RpcClientDuration,
    ];

    /// What it is.
    pub(super) fn about(self) -> About {
        use Measure::{RequestBytes, ResponseBytes, Seconds, Sum};
        match self {
            Self::HttpServerDuration => about(
                "http.server.request.duration",
                "s",
                "http_server_request_duration_seconds",
                "Time from the first byte of a request to the last of its response, at the server.",
                Seconds,
            ),
            Self::HttpServerRequestSize => about(
                "http.server.request.body.size",
                "By",
                "http_server_request_body_size_bytes",
                "Size of request bodies, at the server.",
                RequestBytes,
            ),
            Self::HttpServerResponseSize => about(
                "http.server.response.body.size",
                "By",
                "http_server_response_body_size_bytes",
                "Size of response bodies, at the server.",
                ResponseBytes,
            ),
            Self::HttpClientDuration => about(
                "http.client.request.duration",
                "s",
                "http_client_request_duration_seconds",
                "Time from the first byte of a request to the last of its response, at the client.",
                Seconds,
            ),
            Self::HttpClientRequestSize => about(
                "http.client.request.body.size",
                "By",
                "http_client_request_body_size_bytes",
                "Size of request bodies, at the client.",
                RequestBytes,
            ),
            Self::HttpClientResponseSize => about(
                "http.client.response.body.size",
                "By",
                "http_client_response_body_size_bytes",
                "Size of response bodies, at the client.",
                ResponseBytes,
            ),
            Self::RpcServerDuration => about(
                "rpc.server.duration",
                "s",
                "rpc_server_duration_seconds",
                "Time that calls took, at the server.",
                Seconds,
            ),
            Self::RpcClientDuration => about(
                "rpc.client.duration",
                "s",
                "rpc_client_duration_seconds",
                "Time that calls took, at the client.",
                Seconds,
            ),
            Self::GraphServer => about(
                "traces_service_graph_request_server",
                "s",
                "traces_service_graph_request_server_seconds",
                "Time that requests from one service to another took, at the server.",
                Seconds,
            ),
            Self::GraphClient => about(
                "traces_service_graph_request_client",
                "s",
                "traces_service_graph_request_client_seconds",
                "Time that requests from one service to another took, at the client.",
                Seconds,
            ),
            Self::GraphTotal => about(
                "traces_service_graph_request_total",
                "",
                "traces_service_graph_request_total",
                "Requests from one service to another.",
                Sum,
            ),
            Self::GraphFailed => about(
                "traces_service_graph_request_failed_total",
                "",
                "traces_service_graph_request_failed_total",
                "Failed requests from one service to another.",
                Sum,
            ),
            Self::SpanLatency => about(
                "traces_spanmetrics_latency",
                "",
                "traces_spanmetrics_latency",
                "Time that spans took, in seconds.",
                Seconds,
            ),
            Self::SpanCalls => {
                about("traces_spanmetrics_calls_total", "", "traces_spanmetrics_calls_total", "Spans.", Sum)
            }
            Self::SpanDuration => about(
                "traces.span.metrics.duration",
                "s",
                "traces_span_metrics_duration_seconds",
                "Time that spans took.",
                Seconds,
            ),
            Self::SpanCallsOtel => {
                about("traces.span.metrics.calls", "", "traces_span_metrics_calls_total", "Spans.", Sum)
            }
            Self::SpanRequestSize => about(
                "traces_spanmetrics_size_total",
                "",
                "traces_spanmetrics_size_total",
                "Bytes of requests, by span.",
                Sum,
            ),
            Self::SpanResponseSize => about(
                "traces_spanmetrics_response_size_total",
                "",
                "traces_spanmetrics_response_size_total",
                "Bytes of responses, by span.",
                Sum,
            ),
        }
    }

    /// The attributes of a request that it may have, for those families whose attributes can be chosen.
    pub(super) fn attributes(self) -> Attributes {
        match self {
            Self::HttpServerDuration | Self::HttpServerRequestSize | Self::HttpServerResponseSize => HTTP_SERVER,
            Self::HttpClientDuration | Self::HttpClientRequestSize | Self::HttpClientResponseSize => HTTP_CLIENT,
            Self::RpcServerDuration => RPC_SERVER,
            Self::RpcClientDuration => RPC_CLIENT,
            _ => &[],
        }
    }

    /// Whether it is about spans.
    pub(super) fn is_span(self) -> bool {
        self.attributes().is_empty() && !self.is_graph()
    }

    /// Whether it is about edges between services rather than about one.
    pub(super) fn is_graph(self) -> bool {
        matches!(self, Self::GraphServer | Self::GraphClient | Self::GraphTotal | Self::GraphFailed)
    }
}
