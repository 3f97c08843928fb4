//! What the user writes.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::arguments::ByteSize;
use corten_component::{Arguments, Enumeration, Invalid};
use corten_delivery::{RetryOnFailure, SendingQueue};
use corten_net::args::{DebugMetrics, TlsClient};
use corten_net::auth::AuthHandle;
use corten_net::codec;
use corten_net::http::{HeaderName, HeaderValue, Uri};
use corten_signal::otlp::SignalKind;
use corten_syntax::OptionalSecret;

/// How requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Encoding {
    /// Protobuf, `application/x-protobuf`.
    #[default]
    Proto,
    /// JSON, `application/json`.
    Json,
}

/// Sends OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct OtlpHttpArguments {
    /// How requests are written: `proto` or `json`.
    pub encoding: Encoding,
    /// Where logs go, as it is; by default `/v1/logs` under the client's endpoint.
    pub logs_endpoint: String,
    /// Where metrics go, as it is; by default `/v1/metrics` under the client's endpoint.
    pub metrics_endpoint: String,
    /// Where traces go, as it is; by default `/v1/traces` under the client's endpoint.
    pub traces_endpoint: String,
    /// The connection.
    #[arg(block, required)]
    pub client: Client,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
    /// How often what failed is tried again. Without the block: until it is delivered, or the oldest in a full queue.
    #[arg(block)]
    pub retry_on_failure: Option<RetryOnFailure>,
    /// What is held while it cannot be sent. Without the block: 100 MiB of all signals together, the oldest dropped
    /// when full.
    #[arg(block)]
    pub sending_queue: Option<SendingQueue>,
}

impl OtlpHttpArguments {
    /// Where a signal goes.
    ///
    /// # Errors
    /// The argument at fault and why.
    pub(crate) fn address(&self, kind: SignalKind) -> Result<Uri, Invalid> {
        let (name, own) = match kind {
            SignalKind::Traces => ("traces_endpoint", &self.traces_endpoint),
            SignalKind::Metrics => ("metrics_endpoint", &self.metrics_endpoint),
            SignalKind::Logs => ("logs_endpoint", &self.logs_endpoint),
            SignalKind::Profiles => ("client.endpoint", &self.client.endpoint),
        };
        if !own.is_empty() && kind != SignalKind::Profiles {
            return address(name, own);
        }
        let base = self.client.endpoint.trim_end_matches('/');
        // A mistake is shown as it was written, without the path.
        address("client.endpoint", &self.client.endpoint)?;
        address("client.endpoint", &format!("{base}{}", kind.url_path()))
    }

    fn validate(&self) -> Result<(), Invalid> {
        for kind in [SignalKind::Traces, SignalKind::Metrics, SignalKind::Logs] {
            self.address(kind)?;
        }
        Ok(())
    }
}

fn address(name: &str, text: &str) -> Result<Uri, Invalid> {
    let help = "an address has a scheme, a host and often a port: \"http://localhost:4318\"";
    let wrong = |why: &str| Err(Invalid::at(name, format!("{text:?} {why}")).with_help(help));
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return wrong("does not begin with http:// or https://");
    }
    let Ok(uri) = text.parse::<Uri>() else { return wrong("is not an address") };
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err(Invalid::at(name, "an address must not hold a password")
                .with_help("otelcol.auth.basic exports a handler for client.auth"))
        }
        Some(_) => Ok(uri),
        None => wrong("has no host"),
    }
}

/// The connection to the server.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct Client {
    /// The server's address; each signal's path is added to it.
    #[arg(required)]
    pub endpoint: String,
    /// Adds credentials: the `handler` of an `otelcol.auth` component.
    pub auth: Option<AuthHandle>,
    /// How bodies are compressed: `gzip`, `zstd`, `zlib`, `deflate`, `snappy`, `x-snappy-framed`, `lz4` or `none`.
    pub compression: String,
    /// Whether every request has a connection of its own.
    pub disable_keep_alives: bool,
    /// Whether HTTP/2 is offered to `https` servers.
    pub force_attempt_http2: bool,
    /// Headers of every request.
    pub headers: BTreeMap<String, OptionalSecret>,
    /// How long an HTTP/2 server may take to answer a ping.
    pub http2_ping_timeout: Duration,
    /// The silence after which an HTTP/2 server is pinged; 0 for never.
    pub http2_read_idle_timeout: Duration,
    /// How long an idle connection is kept; 0 for ever.
    pub idle_conn_timeout: Duration,
    /// How many requests are under way at once; 0 for no limit.
    pub max_conns_per_host: i64,
    /// How many idle connections are kept for a host; 0 leaves it to `max_idle_conns`.
    pub max_idle_conns_per_host: i64,
    /// How many idle connections are kept; 0 for no limit.
    pub max_idle_conns: i64,
    /// The proxy, `http://host:port`.
    pub proxy_url: String,
    /// Accepted and without effect.
    pub read_buffer_size: ByteSize,
    /// How long a request may take, its answer included.
    pub timeout: Duration,
    /// Accepted and without effect: bodies are written from where they lie.
    pub write_buffer_size: ByteSize,
    /// How hard bodies are compressed.
    #[arg(block)]
    pub compression_params: Option<CompressionParams>,
    /// Whether cookies are kept.
    #[arg(block)]
    pub cookies: Cookies,
    /// TLS for `https` addresses. The scheme decides: `insecure` changes nothing.
    #[arg(block)]
    pub tls: TlsClient,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            auth: None,
            compression: "gzip".to_owned(),
            disable_keep_alives: false,
            force_attempt_http2: true,
            headers: BTreeMap::new(),
            http2_ping_timeout: Duration::from_secs(15),
            http2_read_idle_timeout: Duration::ZERO,
            idle_conn_timeout: Duration::from_secs(90),
            max_conns_per_host: 0,
            max_idle_conns_per_host: 0,
            max_idle_conns: 100,
            proxy_url: String::new(),
            read_buffer_size: ByteSize(0),
            timeout: Duration::from_secs(30),
            write_buffer_size: ByteSize::kib(512),
            compression_params: None,
            cookies: Cookies::default(),
            tls: TlsClient::default(),
        }
    }
}

/// How hard bodies are compressed.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct CompressionParams {
    /// A level of the compression's own scale.
    #[arg(required)]
    pub level: i64,
}

/// Whether cookies are kept.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct Cookies {
    /// Whether cookies that the server sets are sent back to it.
    pub enabled: bool,
}

impl Client {
    /// The content encoding; `None` if the name is not known.
    pub(crate) fn encoding(&self) -> Option<codec::Encoding> {
        match self.compression.as_str() {
            "" | "none" => Some(codec::Encoding::Identity),
            "gzip" => Some(codec::Encoding::Gzip),
            "zstd" => Some(codec::Encoding::Zstd),
            "zlib" => Some(codec::Encoding::Zlib),
            "deflate" => Some(codec::Encoding::Deflate),
            "snappy" => Some(codec::Encoding::Snappy),
            "x-snappy-framed" => Some(codec::Encoding::SnappyFramed),
            "lz4" => Some(codec::Encoding::Lz4),
            _ => None,
        }
    }

    fn validate(&self) -> Result<(), Invalid> {
        let Some(encoding) = self.encoding() else {
            let message = format!("unsupported compression type {:?}", self.compression);
            return Err(Invalid::at("compression", message)
                .with_help("expected one of gzip, zstd, zlib, deflate, snappy, x-snappy-framed, lz4, none"));
        };
        if let Some(params) = &self.compression_params {
            let level = i32::try_from(params.level).ok();
            if !level.is_some_and(|level| encoding.has_level(level)) {
                let message = format!("unsupported level {} for compression {:?}", params.level, self.compression);
                return Err(Invalid::at("compression_params.level", message));
            }
        }
        for (name, value) in &self.headers {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(Invalid::at("headers", format!("{name:?} is not a header's name")));
            }
            // The value may be a secret, so it is not shown.
            if HeaderValue::from_str(value.secret().expose()).is_err() {
                return Err(Invalid::at("headers", format!("the value of {name:?} cannot stand in a header")));
            }
        }
        for (name, number) in [
            ("max_conns_per_host", self.max_conns_per_host),
            ("max_idle_conns_per_host", self.max_idle_conns_per_host),
            ("max_idle_conns", self.max_idle_conns),
        ] {
            if number < 0 {
                return Err(Invalid::at(name, format!("{name} must not be negative")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(endpoint: &str) -> OtlpHttpArguments {
        let client = Client { endpoint: endpoint.to_owned(), ..Client::default() };
        OtlpHttpArguments { client, ..OtlpHttpArguments::default() }
    }

    #[test]
    fn paths_are_added_to_the_endpoint_and_to_nothing_else() {
        let mut args = arguments("http://a:4318/otlp/");
        args.logs_endpoint = "https://b/loki/otlp/v1/logs/?x=1".to_owned();
        let shown = |kind| args.address(kind).unwrap().to_string();
        assert_eq!(shown(SignalKind::Traces), "http://a:4318/otlp/v1/traces");
        assert_eq!(shown(SignalKind::Metrics), "http://a:4318/otlp/v1/metrics");
        assert_eq!(shown(SignalKind::Logs), "https://b/loki/otlp/v1/logs/?x=1");
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        for (endpoint, part) in [
            ("localhost:4318", "http://"),
            ("ftp://a", "http://"),
            ("http://", "address"),
            ("", "http://"),
            ("http://user:pw@a", "password"),
        ] {
            let invalid = arguments(endpoint).check().unwrap_err();
            assert!(invalid.message.contains(part), "{endpoint}: {invalid:?}");
            assert!(!invalid.message.contains("pw@"));
        }
        let client = |compression: &str, level| Client {
            compression: compression.to_owned(),
            compression_params: Some(CompressionParams { level }),
            ..Client::default()
        };
        assert!(client("gzip", 9).check().is_ok() && client("gzip", 10).check().is_err());
        assert!(client("zstd", 11).check().is_ok() && client("zstd", 0).check().is_err());
        assert_eq!(client("brotli", 1).check().unwrap_err().field.as_deref(), Some("compression"));
        let headers = BTreeMap::from([("x".to_owned(), OptionalSecret::new("canary\n", true))]);
        let invalid = Client { headers, ..Client::default() }.check().unwrap_err();
        assert!(!invalid.message.contains("canary"));
    }
}
