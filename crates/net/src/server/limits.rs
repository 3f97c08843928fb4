//! What a connection may cost.

use std::time::Duration;

use super::pings::PingPolicy;

/// Connections of a listener.
const MAX_CONNECTIONS: usize = 1024;

/// Connections of one peer where there are others. A proxy or a gateway is one peer for all who are behind it, so it gets
/// most of what there is; who fills it keeps a quarter free for the rest.
pub const MAX_PER_PEER: usize = MAX_CONNECTIONS / 4 * 3;

/// Limits and deadlines of connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Connections at a time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections at a time of one peer (an address, or an IPv6 network of 64 bits); more are closed.
    pub max_per_peer: Option<usize>,
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// From a connection's beginning to the end of its first request's header, and from the first byte of any later
    /// header to its end.
    pub header_timeout: Duration,
    /// How long a connection may do nothing.
    pub idle_timeout: Option<Duration>,
    /// Bytes of a request's header.
    pub max_header_bytes: usize,
    /// Requests at a time on an HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// Whether an HTTP/1 connection serves more than one request.
    pub keep_alive: bool,
    /// When a connection is asked to go.
    pub max_age: Option<Duration>,
    /// How long a connection that is asked to go may take to finish.
    pub grace: Duration,
    /// Silence after which an HTTP/2 peer is asked whether it is there.
    pub ping_interval: Option<Duration>,
    /// How long it may take to answer.
    pub ping_timeout: Duration,
    /// How often an HTTP/2 peer may ask the same; `None`: as it likes.
    pub pings: Option<PingPolicy>,
    /// Largest HTTP/2 flow-control window of a request body, in bytes.
    pub stream_window: u32,
    /// Whether HTTP/1.1 is spoken (gRPC is HTTP/2 only).
    pub http1: bool,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            max_per_peer: None,
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(20),
            idle_timeout: Some(Duration::from_secs(60)),
            max_header_bytes: 32 << 10,
            max_concurrent_streams: 100,
            keep_alive: true,
            max_age: None,
            grace: Duration::from_secs(30),
            ping_interval: None,
            ping_timeout: Duration::from_secs(20),
            pings: None,
            stream_window: 1 << 20,
            http1: true,
            http2: true,
        }
    }
}
