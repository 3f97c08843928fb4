//! What the user writes.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::arguments::ByteSize;
use corten_component::{Arguments, Enumeration, Invalid};
use corten_delivery::{RetryOnFailure, SendingQueue};
use corten_net::args::{DebugMetrics, TlsClient};
use corten_net::auth::AuthHandle;
use corten_net::codec::Encoding;
use corten_net::grpc::Endpoint;
use corten_net::http::{HeaderName, HeaderValue};
use corten_syntax::OptionalSecret;

/// Sends OTLP over gRPC.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct OtlpArguments {
    /// How long a call may take.
    pub timeout: Duration,
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

impl Default for OtlpArguments {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            client: Client::default(),
            debug_metrics: DebugMetrics::default(),
            retry_on_failure: None,
            sending_queue: None,
        }
    }
}

/// How calls are spread over the addresses of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Balancer {
    /// Accepted; one connection is used, and the next address when it breaks.
    #[default]
    RoundRobin,
    /// One connection, and the next address when it breaks.
    PickFirst,
}

/// The connection to the server.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct Client {
    /// The server: `host:port`, `http://…` for plaintext, `https://…` for TLS, `dns:///host:port`, `unix:/path`.
    /// Without a scheme it is TLS, unless `tls` says `insecure = true`.
    #[arg(required)]
    pub endpoint: String,
    /// Adds credentials: the `handler` of an `otelcol.auth` component.
    pub auth: Option<AuthHandle>,
    /// The name that the server is called by (`:authority`), if it is not the endpoint's.
    pub authority: String,
    /// How calls are spread over the addresses of a name.
    pub balancer_name: Balancer,
    /// How messages are compressed: `gzip`, `zstd`, `snappy` or `none`.
    pub compression: String,
    /// Metadata of every call.
    pub headers: BTreeMap<String, OptionalSecret>,
    /// Accepted and without effect.
    pub read_buffer_size: ByteSize,
    /// Whether a call that finds no connection waits for one until its `timeout`, instead of being tried again as
    /// `retry_on_failure` says.
    pub wait_for_ready: bool,
    /// Accepted and without effect.
    pub write_buffer_size: ByteSize,
    /// Whether and when a silent server is asked if it is there.
    #[arg(block)]
    pub keepalive: Option<Keepalive>,
    /// TLS.
    #[arg(block)]
    pub tls: TlsClient,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            auth: None,
            authority: String::new(),
            balancer_name: Balancer::default(),
            compression: "gzip".to_owned(),
            headers: BTreeMap::new(),
            read_buffer_size: ByteSize(0),
            wait_for_ready: false,
            write_buffer_size: ByteSize::kib(512),
            keepalive: None,
            tls: TlsClient::default(),
        }
    }
}

/// Whether and when a silent server is asked if it is there.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct Keepalive {
    /// The silence after which it is asked; 0 for never.
    pub ping_wait: Duration,
    /// How long it may take to answer; 0 for 20 seconds.
    pub ping_response_timeout: Duration,
    /// Whether it is asked while no call is under way, too.
    pub ping_without_stream: bool,
}

impl Client {
    /// The compression; `None` if gRPC does not have it.
    pub(crate) fn encoding(&self) -> Option<Encoding> {
        match self.compression.as_str() {
            "" | "none" => Some(Encoding::Identity),
            "gzip" => Some(Encoding::Gzip),
            "zstd" => Some(Encoding::Zstd),
            "snappy" => Some(Encoding::SnappyFramed),
            _ => None,
        }
    }

    fn validate(&self) -> Result<(), Invalid> {
        Endpoint::parse(&self.endpoint, self.tls.insecure).map_err(|error| {
            Invalid::at("endpoint", error.to_string()).with_help("an endpoint is host:port, such as \"localhost:4317\"")
        })?;
        if self.encoding().is_none() {
            let message = format!("unsupported compression type {:?} for gRPC", self.compression);
            return Err(Invalid::at("compression", message).with_help("expected one of gzip, zstd, snappy, none"));
        }
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            if HeaderName::from_bytes(lower.as_bytes()).is_err() {
                return Err(Invalid::at("headers", format!("{name:?} is not a name for metadata")));
            }
            if lower.starts_with("grpc-") {
                let message = format!("{name:?} cannot be set: gRPC keeps names that begin with \"grpc-\" to itself");
                return Err(Invalid::at("headers", message));
            }
            // The value may be a secret, so it is not shown.
            if HeaderValue::from_str(value.secret().expose()).is_err() {
                return Err(Invalid::at("headers", format!("the value of {name:?} cannot stand in metadata")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_where_they_are() {
        let client = |endpoint: &str| Client { endpoint: endpoint.to_owned(), ..Client::default() };
        let field = |client: Client| client.check().unwrap_err().field.unwrap();
        for endpoint in ["a:4317", "http://a:4317", "https://a", "dns:///a:1", "unix:///run/x"] {
            assert_eq!(client(endpoint).check(), Ok(()), "{endpoint}");
        }
        assert_eq!(field(client("")), "endpoint");
        for compression in ["zlib", "deflate", "lz4"] {
            assert_eq!(field(Client { compression: compression.to_owned(), ..client("a:1") }), "compression");
        }
        let headers = |name: &str, value: &str| {
            let value = OptionalSecret::new(value, true);
            Client { headers: BTreeMap::from([(name.to_owned(), value)]), ..client("a:1") }
        };
        assert_eq!(headers("X-Scope-OrgID", "a").check(), Ok(()));
        assert_eq!(field(headers("grpc-timeout", "1S")), "headers");
        assert!(!headers("x", "canary\n").check().unwrap_err().message.contains("canary"));
    }
}
