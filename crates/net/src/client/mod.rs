//! An HTTP client: pooled connections, one deadline for a whole exchange, answers read up to a limit.

mod configured;
mod connect;
mod meters;
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corten_component::BoxFuture;
use http::uri::Authority;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::Body;
use crate::args::TlsClient;
use crate::tls::{ClientTls, Offer, TlsError};
use connect::Connector;

pub use configured::{ConfiguredClient, Outgoing};
pub(crate) use connect::unix_host;
pub use meters::{ClientMeters, join_docs};
pub use proxy::{Proxy, ProxyError};

/// Which HTTP versions to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// Over TLS what the server prefers, HTTP/1.1 in plaintext.
    #[default]
    Negotiated,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, also in plaintext, as gRPC needs.
    Http2,
}

/// How to reach servers.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// TLS for `https` addresses.
    pub tls: TlsClient,
    /// HTTP versions.
    pub versions: Versions,
    /// The proxy.
    pub proxy: Proxy,
    /// Where connections go whatever the address says; the address then names the server for TLS and in the request.
    pub target: Option<Authority>,
    /// Whether a host's addresses are used in turn, one for each connection, instead of the first that answers.
    pub rotate: bool,
    /// For resolving, connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// Idle connections kept per server; 0 keeps none, so that every request connects anew.
    pub max_idle_per_host: usize,
    /// Silence after which an HTTP/2 server is asked whether it is there.
    pub ping_interval: Option<Duration>,
    /// How long it may take to answer.
    pub ping_timeout: Duration,
    /// Whether it is asked while no request runs, too.
    pub ping_while_idle: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            tls: TlsClient::default(),
            versions: Versions::Negotiated,
            proxy: Proxy::None,
            target: None,
            rotate: false,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(90)),
            max_idle_per_host: usize::MAX,
            ping_interval: None,
            ping_timeout: Duration::from_secs(15),
            ping_while_idle: false,
        }
    }
}

/// A pooling HTTP client. Cloning shares the pool.
#[derive(Clone)]
pub struct HttpClient {
    inner: legacy::Client<Connector, Body>,
    connector: Connector,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// Whether the body is longer than was to be read.
    pub truncated: bool,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// When the server wants the next try (`Retry-After`: seconds or a date), counted from now. A date is compared
    /// with the server's own, so that our clock may be wrong.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = |name: http::HeaderName| Some(self.headers.get(name)?.to_str().ok()?.trim());
        let value = text(http::header::RETRY_AFTER)?;
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let when = httpdate::parse_http_date(value).ok()?;
        let now = text(http::header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        Some(when.duration_since(now.unwrap_or_else(std::time::SystemTime::now)).unwrap_or_default())
    }
}

/// Where an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is no connection: nothing has been sent.
    Connect,
    /// The connection broke, or the peer broke the protocol; the request may have been handled.
    Transport,
    /// The deadline passed; the request may have been handled.
    Timeout,
    /// The request cannot be sent as it is.
    Request,
}

/// An exchange failed without an answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    /// Where.
    pub failure: Failure,
    /// Why, for a person.
    pub message: String,
}

impl ClientError {
    pub(crate) fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self { failure, message: message.into() }
    }
}

impl HttpClient {
    /// A client without connections.
    ///
    /// # Errors
    /// If certificates cannot be loaded.
    pub fn new(options: ClientOptions) -> Result<Self, TlsError> {
        let offer = match options.versions {
            Versions::Negotiated => Offer::Both,
            Versions::Http1 => Offer::Http1,
            Versions::Http2 => Offer::Http2,
        };
        let tls = ClientTls::new(&options.tls, offer)?;
        let connector = Connector {
            tls,
            proxy: Arc::new(options.proxy),
            target: options.target.clone(),
            turn: options.rotate.then(Default::default),
            timeout: options.connect_timeout,
        };
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.max_idle_per_host)
            .http2_only(options.versions == Versions::Http2)
            .http2_keep_alive_interval(options.ping_interval)
            .http2_keep_alive_timeout(options.ping_timeout)
            .http2_keep_alive_while_idle(options.ping_while_idle)
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(2 << 20);
        Ok(Self { inner: builder.build(connector.clone()), connector })
    }

    /// Whether a connection to the server can be made now, for who wants to know without sending anything. `None` where
    /// that says nothing, since a proxy stands in between.
    pub async fn reach(&self, server: &Uri) -> Option<bool> {
        self.connector.reach(server).await
    }

    /// Sends a request and reads the answer, at most `limit` bytes of its body, all within `timeout`.
    ///
    /// # Errors
    /// If there is no answer. A longer body is no error but [`Answer::truncated`].
    pub fn send(
        &self,
        request: Request<Body>,
        timeout: Duration,
        limit: usize,
    ) -> BoxFuture<'_, Result<Answer, ClientError>> {
        // Boxed, so that the code of HTTP lies in the program once, and not once for each crate that waits for this.
        Box::pin(async move {
            let late = || ClientError::new(Failure::Timeout, format!("no answer within {timeout:?}"));
            tokio::time::timeout(timeout, self.exchange(request, limit)).await.map_err(|_| late())?
        })
    }

    async fn exchange(&self, mut request: Request<Body>, limit: usize) -> Result<Answer, ClientError> {
        // A request in plaintext is the proxy's to read; an encrypted one goes through a tunnel.
        if request.uri().scheme_str() == Some("http")
            && let Some(hop) = self.connector.proxy.hop(request.uri())
        {
            request.headers_mut().extend(hop.headers);
        }
        let response = self.inner.request(request).await.map_err(|error| {
            let failure = if error.is_connect() { Failure::Connect } else { Failure::Transport };
            ClientError::new(failure, explain(&error))
        })?;
        let (head, mut body) = response.into_parts();
        let mut answer =
            Answer { status: head.status, headers: head.headers, body: Bytes::new(), truncated: false, trailers: None };
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                ClientError::new(Failure::Transport, format!("reading the answer: {}", explain(&error)))
            })?;
            match frame.into_data() {
                Ok(data) => {
                    let room = limit - read.len();
                    read.extend_from_slice(&data[..data.len().min(room)]);
                    if data.len() > room {
                        answer.truncated = true;
                        break;
                    }
                }
                Err(frame) => answer.trailers = frame.into_trailers().ok(),
            }
        }
        answer.body = read.freeze();
        Ok(answer)
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpClient")
    }
}

/// An error with its causes in one line: libraries say the useful part in the last.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
