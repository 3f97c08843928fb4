//! What the user writes.

use std::time::Duration;

use corten_component::arguments::ByteSize;
use corten_component::{Arguments, Enumeration, Invalid};
use corten_net::args::{DebugMetrics, TlsServer};
use corten_net::auth::AuthHandle;
use corten_net::codec::Encoding;
use corten_net::server::PingPolicy;
use corten_signal::otlp::{OutputArguments, SignalKind};

/// The arguments of `otelcol.receiver.otlp`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct OtlpArguments {
    /// The gRPC server; it runs if the block is written.
    #[arg(block)]
    pub grpc: Option<Grpc>,
    /// The HTTP server; it runs if the block is written.
    #[arg(block)]
    pub http: Option<Http>,
    /// Where data goes.
    #[arg(block, required)]
    pub output: OutputArguments,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

/// What a server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Transport {
    /// TCP.
    #[default]
    #[arg(name = "tcp")]
    Tcp,
    /// TCP over IPv4.
    #[arg(name = "tcp4")]
    Tcp4,
    /// TCP over IPv6.
    #[arg(name = "tcp6")]
    Tcp6,
    /// A unix socket; the endpoint is its path.
    #[arg(name = "unix")]
    Unix,
}

/// `grpc`: the gRPC server.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct Grpc {
    /// Where to listen, `host:port`; `127.0.0.1:4317` if it is not written.
    pub endpoint: Option<String>,
    /// What to listen on: `tcp` or `unix`.
    pub transport: Transport,
    /// Who may send: the handler of an `otelcol.auth` component.
    pub auth: Option<AuthHandle>,
    /// Keep the request's metadata with the data.
    pub include_metadata: bool,
    /// Calls at a time on a connection; 0 is the default of 100.
    pub max_concurrent_streams: u32,
    /// Largest message, before and after decompression.
    pub max_recv_msg_size: ByteSize,
    /// Accepted and without effect: buffers grow as needed.
    pub read_buffer_size: ByteSize,
    /// Accepted and without effect: buffers grow as needed.
    pub write_buffer_size: ByteSize,
    /// When connections are asked whether they live, and how long they may.
    #[arg(block)]
    pub keepalive: Keepalive,
    /// TLS; without the block the server speaks plaintext.
    #[arg(block)]
    pub tls: Option<TlsServer>,
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            endpoint: None,
            transport: Transport::Tcp,
            auth: None,
            include_metadata: false,
            max_concurrent_streams: 0,
            max_recv_msg_size: ByteSize::mib(4),
            read_buffer_size: ByteSize::kib(512),
            write_buffer_size: ByteSize(0),
            keepalive: Keepalive::default(),
            tls: None,
        }
    }
}

impl Grpc {
    fn validate(&self) -> Result<(), Invalid> {
        if self.transport == Transport::Unix && self.endpoint.is_none() {
            return Err(Invalid::at(
                "endpoint",
                "with transport = \"unix\", endpoint is the path of the socket and must be written",
            ));
        }
        Ok(())
    }
}

/// `keepalive` of the gRPC server.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct Keepalive {
    /// What clients may do.
    #[arg(block)]
    pub enforcement_policy: Enforcement,
    /// What the server does.
    #[arg(block)]
    pub server_parameters: ServerParameters,
}

/// `enforcement_policy`. A client that pings too early more than twice is sent away (GOAWAY, `too_many_pings`).
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct Enforcement {
    /// The least time between two pings of a client; 0 is 5 minutes.
    pub min_time: Duration,
    /// Whether clients may ping so often while no call runs, too; otherwise they may every two hours.
    pub permit_without_stream: bool,
}

impl Enforcement {
    pub(crate) fn policy(&self) -> PingPolicy {
        let min_time = if self.min_time.is_zero() { Self::default().min_time } else { self.min_time };
        PingPolicy { min_time, without_requests: self.permit_without_stream }
    }
}

impl Default for Enforcement {
    fn default() -> Self {
        Self { min_time: Duration::from_secs(300), permit_without_stream: false }
    }
}

/// `server_parameters`. A duration of 0 is for ever.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct ServerParameters {
    /// How long a connection without calls stays.
    pub max_connection_idle: Duration,
    /// How long a connection stays.
    pub max_connection_age: Duration,
    /// How long calls may take when their connection has been asked to go; 0 is 30 seconds.
    pub max_connection_age_grace: Duration,
    /// Silence after which a client is asked whether it is there.
    pub time: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
}

impl Default for ServerParameters {
    fn default() -> Self {
        Self {
            max_connection_idle: Duration::ZERO,
            max_connection_age: Duration::ZERO,
            max_connection_age_grace: Duration::ZERO,
            time: Duration::from_secs(2 * 60 * 60),
            timeout: Duration::from_secs(20),
        }
    }
}

/// `http`: the HTTP server.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct Http {
    /// Where to listen, `host:port`; `127.0.0.1:4318` if it is not written.
    pub endpoint: Option<String>,
    /// What to listen on: `tcp` or `unix`. (Not in Alloy.)
    pub transport: Transport,
    /// Who may send: the handler of an `otelcol.auth` component.
    pub auth: Option<AuthHandle>,
    /// Keep the request's headers with the data.
    pub include_metadata: bool,
    /// Content encodings to accept; bodies without one always are.
    pub compression_algorithms: Vec<String>,
    /// Largest body, before and after decompression.
    pub max_request_body_size: ByteSize,
    /// Path of the traces.
    pub traces_url_path: String,
    /// Path of the metrics.
    pub metrics_url_path: String,
    /// Path of the logs.
    pub logs_url_path: String,
    /// How long an idle connection stays.
    pub idle_timeout: Duration,
    /// Whether a connection takes more than one request.
    pub keep_alives_enabled: bool,
    /// For a request's header, the first from the connection's beginning on; 0 is 20 seconds.
    pub read_header_timeout: Duration,
    /// For a request's body; 0 is 25 seconds, and more for long bodies.
    pub read_timeout: Duration,
    /// For what happens between the body and the answer.
    pub write_timeout: Duration,
    /// What pages in browsers may do.
    #[arg(block)]
    pub cors: Option<Cors>,
    /// TLS; without the block the server speaks plaintext.
    #[arg(block)]
    pub tls: Option<TlsServer>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            endpoint: None,
            transport: Transport::Tcp,
            auth: None,
            include_metadata: false,
            compression_algorithms: ["", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4"]
                .map(str::to_owned)
                .to_vec(),
            max_request_body_size: ByteSize::mib(20),
            traces_url_path: SignalKind::Traces.url_path().to_owned(),
            metrics_url_path: SignalKind::Metrics.url_path().to_owned(),
            logs_url_path: SignalKind::Logs.url_path().to_owned(),
            idle_timeout: Duration::from_secs(60),
            keep_alives_enabled: true,
            read_header_timeout: Duration::from_secs(20),
            read_timeout: Duration::ZERO,
            write_timeout: Duration::from_secs(30),
            cors: None,
            tls: None,
        }
    }
}

impl Http {
    fn validate(&self) -> Result<(), Invalid> {
        if self.transport == Transport::Unix && self.endpoint.is_none() {
            return Err(Invalid::at(
                "endpoint",
                "with transport = \"unix\", endpoint is the path of the socket and must be written",
            ));
        }
        for name in &self.compression_algorithms {
            if Encoding::from_http(name).is_none() {
                let message = format!("unsupported compression algorithm {name:?}");
                let help = "known are gzip, zstd, zlib, deflate, snappy, x-snappy-framed and lz4";
                return Err(Invalid::at("compression_algorithms", message).with_help(help));
            }
        }
        Ok(())
    }

    /// The path of a signal, with its leading slash.
    pub fn path(&self, kind: SignalKind) -> Option<String> {
        let path = match kind {
            SignalKind::Traces => &self.traces_url_path,
            SignalKind::Metrics => &self.metrics_url_path,
            SignalKind::Logs => &self.logs_url_path,
            SignalKind::Profiles => return None,
        };
        Some(if path.starts_with('/') { path.clone() } else { format!("/{path}") })
    }

    /// Whether a content encoding is accepted.
    pub fn accepts(&self, encoding: Encoding) -> bool {
        encoding == Encoding::Identity
            || self
                .compression_algorithms
                .iter()
                .filter_map(|name| Encoding::from_http(name))
                .any(|known| known == encoding || (known == Encoding::Snappy && encoding == Encoding::SnappyFramed))
    }
}

/// `cors`: what pages in browsers may do.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct Cors {
    /// Origins (`https://app.example.org`) whose pages may send; `*` stands for anything.
    pub allowed_origins: Vec<String>,
    /// Headers that they may send besides Accept, Accept-Language, Content-Type and Content-Language; `*` is any.
    pub allowed_headers: Vec<String>,
    /// Headers of answers that they may read.
    pub exposed_headers: Vec<String>,
    /// Seconds for which a browser may remember the answer to a preflight.
    pub max_age: u32,
}
