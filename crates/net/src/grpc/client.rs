//! The client's side of a unary call.

use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use tokio::time::Instant;

use super::frame::{frame, unframe};
use super::{Code, Status};
use crate::Body;
use crate::args::TlsClient;
use crate::client::{Answer, ClientError, ClientOptions, Failure, HttpClient, Proxy, Versions, unix_host};
use crate::codec::{Encoding, Level, encode};
use crate::tls::TlsError;

/// Between attempts to connect of a call that waits for a connection.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where gRPC goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    /// What the server is told it is called.
    shown: Authority,
}

/// An endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndpointError(String);

impl Endpoint {
    /// Reads `host:port`, `http://…` (plaintext), `https://…` (TLS), `dns:///host:port`, `unix:/path`. Without a scheme it is TLS
    /// unless `insecure`.
    ///
    /// # Errors
    /// If there is no host and port in it.
    pub fn parse(text: &str, insecure: bool) -> Result<Self, EndpointError> {
        let fail = |why: &str| EndpointError(format!("endpoint {text:?}: {why}"));
        let default = if insecure { Scheme::HTTP } else { Scheme::HTTPS };
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            if path.is_empty() {
                return Err(fail("the socket's path is missing"));
            }
            let authority = unix_host(path).parse().map_err(|_| fail("the socket's path is too long"))?;
            return Ok(Self { scheme: default, authority, shown: Authority::from_static("localhost") });
        }
        let (scheme, rest) = match text {
            text if text.starts_with("http://") => (Scheme::HTTP, &text[7..]),
            text if text.starts_with("https://") => (Scheme::HTTPS, &text[8..]),
            text if text.starts_with("dns:") => {
                // dns://resolver/host:port; another resolver than the system's is not asked.
                let rest = &text[4..];
                (default, rest.strip_prefix("//").and_then(|rest| rest.split_once('/')).map_or(rest, |(_, host)| host))
            }
            text => (default, text.strip_prefix("passthrough:///").unwrap_or(text)),
        };
        let rest = rest.trim_end_matches('/');
        let rest = rest.strip_prefix(':').map_or_else(|| rest.to_owned(), |port| format!("localhost:{port}"));
        let authority: Authority = rest.parse().map_err(|_| fail("is not host:port"))?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(fail("is not host:port"));
        }
        Ok(Self { scheme, shown: authority.clone(), authority })
    }

    fn uri(&self, path: PathAndQuery) -> Result<Uri, http::uri::InvalidUriParts> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.shown.clone());
        uri.path_and_query = Some(path);
        Uri::from_parts(uri)
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.shown)
    }
}

/// How to call.
#[derive(Debug, Clone)]
pub struct GrpcOptions {
    /// TLS.
    pub tls: TlsClient,
    /// The name that the server is told (`:authority`), if it is not the endpoint's.
    pub authority: Option<String>,
    /// How requests are compressed.
    pub encoding: Encoding,
    /// How hard.
    pub level: Level,
    /// The proxy.
    pub proxy: Proxy,
    /// For resolving, connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// Silence after which the server is asked whether it is there.
    pub ping_interval: Option<Duration>,
    /// How long it may take to answer.
    pub ping_timeout: Duration,
    /// Whether it is asked while no call runs, too.
    pub ping_while_idle: bool,
    /// Whether a call that finds no connection tries to make one until its time is over, instead of failing at once.
    pub wait_for_ready: bool,
}

impl Default for GrpcOptions {
    fn default() -> Self {
        Self {
            tls: TlsClient::default(),
            authority: None,
            encoding: Encoding::Identity,
            level: Level::Default,
            proxy: Proxy::None,
            connect_timeout: Duration::from_secs(20),
            ping_interval: None,
            ping_timeout: Duration::from_secs(20),
            ping_while_idle: false,
            wait_for_ready: false,
        }
    }
}

/// A client of one server; all calls share a connection. Cloning shares it.
#[derive(Debug, Clone)]
pub struct GrpcClient {
    http: HttpClient,
    endpoint: Endpoint,
    encoding: Encoding,
    level: Level,
    wait_for_ready: bool,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The message.
    pub message: Bytes,
    /// The headers.
    pub headers: HeaderMap,
}

impl GrpcClient {
    /// A client without a connection yet.
    ///
    /// # Errors
    /// If certificates cannot be loaded, or `authority` is not one.
    pub fn new(mut endpoint: Endpoint, options: GrpcOptions) -> Result<Self, TlsError> {
        if let Some(authority) = options.authority.filter(|authority| !authority.is_empty()) {
            endpoint.shown =
                authority.parse().map_err(|_| TlsError::Config(format!("{authority:?} is not an authority")))?;
        }
        let http = HttpClient::new(ClientOptions {
            tls: options.tls,
            versions: Versions::Http2,
            proxy: options.proxy,
            target: Some(endpoint.authority.clone()),
            connect_timeout: options.connect_timeout,
            idle_timeout: None,
            ping_interval: options.ping_interval,
            ping_timeout: options.ping_timeout,
            ping_while_idle: options.ping_while_idle,
            ..ClientOptions::default()
        })?;
        Ok(Self {
            http,
            endpoint,
            encoding: options.encoding,
            level: options.level,
            wait_for_ready: options.wait_for_ready,
        })
    }

    /// Calls `path` (`/package.Service/Method`) with a message in parts. The message is compressed here unless `encoded` says that it
    /// is already compressed with the client's encoding. At most `limit` bytes of answer are read, before and after decompression.
    ///
    /// # Errors
    /// The server's status, or one that says why there is none: [`Code::Unavailable`] without a connection,
    /// [`Code::DeadlineExceeded`] after `timeout`.
    pub async fn unary(
        &self,
        path: &'static str,
        headers: HeaderMap,
        message: Vec<Bytes>,
        encoded: bool,
        timeout: Duration,
        limit: usize,
    ) -> Result<Reply, Status> {
        let compressed = self.encoding != Encoding::Identity;
        let message = if compressed && !encoded {
            let whole = encode(self.encoding, self.level, message.iter().map(|part| &part[..]));
            vec![whole.map_err(|error| Status::new(Code::Internal, error.to_string()))?]
        } else {
            message
        };
        let answer = self.send(path, headers, frame(message, compressed)?, timeout, limit).await?.map_err(|error| {
            let code = match error.failure {
                Failure::Connect | Failure::Transport => Code::Unavailable,
                Failure::Timeout => Code::DeadlineExceeded,
                Failure::Request => Code::Internal,
            };
            Status { failure: Some(error.failure), ..Status::new(code, error.message) }
        })?;
        let status =
            answer.trailers.as_ref().and_then(Status::from_headers).or_else(|| Status::from_headers(&answer.headers));
        match status {
            Some(Status { code: Code::Ok, .. }) => {}
            Some(status) => return Err(status),
            None if answer.truncated => {
                return Err(Status::new(Code::ResourceExhausted, format!("the answer is larger than {limit} bytes")));
            }
            None => {
                let message = format!("the server answers HTTP {} without a gRPC status", answer.status);
                return Err(Status::new(Code::from_http(answer.status), message));
            }
        }
        let name = answer.headers.get("grpc-encoding").and_then(|value| value.to_str().ok());
        let encoding = name.and_then(Encoding::from_grpc);
        let message = unframe(&mut Body::from(answer.body), encoding, limit, &mut |_| true).await?;
        Ok(Reply { message: message.unwrap_or_default(), headers: answer.headers })
    }

    /// Whether a connection to the server can be made now; see [`HttpClient::reach`].
    pub async fn reach(&self) -> Option<bool> {
        self.http.reach(&self.endpoint.uri(PathAndQuery::from_static("/")).ok()?).await
    }

    /// One attempt, or as many as fit into the time if each finds no connection and that is wanted.
    async fn send(
        &self,
        path: &'static str,
        headers: HeaderMap,
        body: Vec<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> Result<Result<Answer, ClientError>, Status> {
        let compressed = self.encoding != Encoding::Identity;
        let deadline = Instant::now() + timeout;
        let (mut left, mut pause) = (timeout, FIRST_PAUSE);
        loop {
            let request = self.request(path, headers.clone(), body.clone(), compressed, left)?;
            // A frame's head comes on top of the message.
            let answer = self.http.send(request, left, limit.saturating_add(5)).await;
            left = deadline.saturating_duration_since(Instant::now());
            match answer {
                Err(error) if self.wait_for_ready && error.failure == Failure::Connect && left > pause => {
                    tokio::time::sleep(pause).await;
                    left -= pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                answer => return Ok(answer),
            }
        }
    }

    fn request(
        &self,
        path: &'static str,
        headers: HeaderMap,
        body: Vec<Bytes>,
        compressed: bool,
        timeout: Duration,
    ) -> Result<Request<Body>, Status> {
        let uri = self.endpoint.uri(PathAndQuery::from_static(path));
        let uri = uri.map_err(|error| Status::new(Code::Internal, error.to_string()))?;
        let mut request = Request::new(Body::parts(body));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert("grpc-accept-encoding", HeaderValue::from_static("gzip,zstd,snappy"));
        // At most eight digits are allowed, so long times are told in seconds.
        let millis = timeout.as_millis();
        let text =
            if millis < 100_000_000 { format!("{millis}m") } else { format!("{}S", timeout.as_secs().min(99_999_999)) };
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert("grpc-timeout", value);
        }
        if let (true, Some(name)) = (compressed, self.encoding.grpc_name()) {
            headers.insert("grpc-encoding", HeaderValue::from_static(name));
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn endpoints_say_whether_they_are_encrypted() {
        for (text, insecure, tls, shown) in [
            ("a:4317", false, true, "a:4317"),
            ("a:4317", true, false, "a:4317"),
            ("http://a:4317", false, false, "a:4317"),
            ("https://a:4317/", true, true, "a:4317"),
            ("dns:///a:4317", false, true, "a:4317"),
            ("dns:a:4317", false, true, "a:4317"),
            ("unix:///run/x", true, false, "localhost"),
            (":4317", true, false, "localhost:4317"),
            ("[::1]:4317", true, false, "[::1]:4317"),
        ] {
            let endpoint = Endpoint::parse(text, insecure).unwrap();
            assert_eq!((endpoint.is_tls(), endpoint.to_string().as_str()), (tls, shown), "{text}");
        }
        for text in ["", "unix:", "http://", "user@a:1"] {
            assert!(Endpoint::parse(text, true).is_err(), "{text}");
        }
    }
}
