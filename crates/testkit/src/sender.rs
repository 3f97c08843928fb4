//! An OTLP client that keeps its connection and hears every answer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use corten_signal::otlp::SignalKind;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::grpc;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive.
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    Http2,
    /// gRPC.
    Grpc,
}

enum Connection {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// An answer: the HTTP status (for gRPC: 200, or the HTTP status of a broken call), the gRPC code, headers and body.
#[derive(Debug)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The gRPC code; `None` over plain HTTP.
    pub grpc: Option<u16>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// The content type.
    pub content_type: String,
    /// The body; for gRPC without framing.
    pub body: Bytes,
}

impl Answered {
    /// Whether the data was taken.
    pub fn is_success(&self) -> bool {
        self.status == 200 && self.grpc.unwrap_or(0) == 0
    }
}

/// One connection to a receiver.
pub struct Sender {
    address: SocketAddr,
    protocol: Protocol,
    connection: Option<Connection>,
    /// How often it connected.
    pub connects: usize,
}

impl Sender {
    /// A client that connects at the first request.
    pub fn new(address: SocketAddr, protocol: Protocol) -> Self {
        Self { address, protocol, connection: None, connects: 0 }
    }

    /// Sends a protobuf message of a kind; an error is a connection that broke without an answer.
    pub async fn send(&mut self, kind: SignalKind, message: Vec<u8>) -> Result<Answered, String> {
        let (path, content_type, body) = match (self.protocol, kind) {
            (Protocol::Grpc, _) => {
                let (package, service) = match kind {
                    SignalKind::Traces => ("trace", "TraceService"),
                    SignalKind::Metrics => ("metrics", "MetricsService"),
                    _ => ("logs", "LogsService"),
                };
                let path = format!("/opentelemetry.proto.collector.{package}.v1.{service}/Export");
                (path, "application/grpc", grpc::frame(&message))
            }
            (_, kind) => {
                let path = match kind {
                    SignalKind::Traces => "/v1/traces",
                    SignalKind::Metrics => "/v1/metrics",
                    _ => "/v1/logs",
                };
                (path.to_owned(), "application/x-protobuf", message)
            }
        };
        let mut request = Request::post(path).header("content-type", content_type);
        if self.protocol == Protocol::Grpc {
            request = request.header("te", "trailers");
        }
        self.request(request.body(Full::from(body)).map_err(|error| error.to_string())?).await
    }

    /// Sends any request over the connection; the host is filled in.
    pub async fn request(&mut self, mut request: Request<Full<Bytes>>) -> Result<Answered, String> {
        let two = self.protocol != Protocol::Http1;
        if two {
            let uri = format!("http://{}{}", self.address, request.uri());
            *request.uri_mut() = uri.parse().map_err(|_| "a URI".to_owned())?;
        } else {
            let host = self.address.to_string().parse().map_err(|_| "a host".to_owned())?;
            request.headers_mut().insert("host", host);
        }
        let answer = tokio::time::timeout(Duration::from_secs(60), self.exchange(request)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer within a minute".into()));
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answered, String> {
        let closed = match &self.connection {
            None => true,
            Some(Connection::One(sender)) => sender.is_closed(),
            Some(Connection::Two(sender)) => sender.is_closed(),
        };
        if closed {
            self.connection = Some(self.connect().await.map_err(|error| format!("connect: {error}"))?);
            self.connects += 1;
        }
        let response = match self.connection.as_mut() {
            Some(Connection::One(sender)) => {
                sender.ready().await.map_err(|error| error.to_string())?;
                sender.send_request(request).await
            }
            Some(Connection::Two(sender)) => {
                sender.ready().await.map_err(|error| error.to_string())?;
                sender.send_request(request).await
            }
            None => return Err("not connected".into()),
        };
        read(response.map_err(|error| format!("{error:?}"))?).await
    }

    async fn connect(&self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        Ok(match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Connection::One(sender)
            }
            Protocol::Http2 | Protocol::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Connection::Two(sender)
            }
        })
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Answered, String> {
    let (head, body) = response.into_parts();
    let collected = body.collect().await.map_err(|error| format!("{error:?}"))?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let text = |name: &str| {
        let value = trailers.get(name).or_else(|| head.headers.get(name));
        value.and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let grpc = text("grpc-status").and_then(|code| code.parse().ok());
    let content_type = text("content-type").unwrap_or_default();
    let retry_after = text("retry-after");
    let body = collected.to_bytes();
    let body = if grpc.is_some() && body.len() >= 5 { body.slice(5..) } else { body };
    Ok(Answered { status: head.status.as_u16(), grpc, retry_after, content_type, body })
}
