//! Making connections: TCP or a unix socket, through a proxy if there is one, with TLS if the scheme says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::proxy::{Hop, Proxy};
use crate::stream::{Stream, Tap, Tapped};
use crate::tls::ClientTls;

/// A proxy's answer to CONNECT may have at most this many bytes.
const PROXY_ANSWER_LIMIT: usize = 8 << 10;

/// How long a connection may take that is made to see whether one can be made.
const REACH_WITHIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Connector {
    pub(super) tls: ClientTls,
    pub(super) proxy: Arc<Proxy>,
    pub(super) target: Option<Authority>,
    /// Counts connections, if a host's addresses are used in turn.
    pub(super) turn: Option<Arc<AtomicUsize>>,
    pub(super) timeout: Duration,
}

/// A connection.
pub(super) type Link = Tapped<Way>;

/// What the pool wants to know of a connection.
pub(super) struct Way {
    http2: bool,
    proxied: bool,
}

impl Tap for Way {}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Link>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.timeout;
            match tokio::time::timeout(limit, connector.connect(uri)).await {
                Ok(link) => link.map(TokioIo::new),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"))),
            }
        })
    }
}

impl Connector {
    /// The host to connect to, without brackets, and the port.
    fn target<'a>(&'a self, uri: &'a Uri) -> Option<(&'a str, u16)> {
        let target = self.target.as_ref().or(uri.authority())?;
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        Some((target.host().trim_matches(['[', ']']), target.port_u16().unwrap_or(default)))
    }

    /// Whether a connection can be made; it is closed at once. `None`: a proxy stands in between.
    pub(super) async fn reach(&self, uri: &Uri) -> Option<bool> {
        if self.proxy.hop(uri).is_some() {
            return None;
        }
        let (host, port) = self.target(uri)?;
        let connect = async {
            match unix_path(host) {
                Some(path) => UnixStream::connect(path).await.is_ok(),
                None => tcp(host, port, 0).await.is_ok(),
            }
        };
        Some(tokio::time::timeout(REACH_WITHIN, connect).await.unwrap_or(false))
    }

    async fn connect(self, uri: Uri) -> io::Result<Link> {
        let secure = uri.scheme_str() == Some("https");
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the address has no host");
        let name = uri.host().ok_or_else(invalid)?.trim_matches(['[', ']']);
        let (host, port) = self.target(&uri).ok_or_else(invalid)?;
        if let Some(path) = unix_path(host) {
            let stream = UnixStream::connect(&path)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("connecting to {path}: {error}")))?;
            return self.secured(Box::new(stream), name, secure, false).await;
        }
        match self.proxy.hop(&uri) {
            None => {
                let turn = self.turn.as_ref().map_or(0, |turn| turn.fetch_add(1, Ordering::Relaxed));
                let stream = tcp(host, port, turn).await?;
                self.secured(stream, name, secure, false).await
            }
            Some(hop) => {
                let stream = tcp(&hop.host, hop.port, 0).await.map_err(|error| {
                    io::Error::new(error.kind(), format!("proxy {}:{}: {error}", hop.host, hop.port))
                })?;
                let stream = if hop.tls { self.secured(stream, &hop.host, true, false).await?.stream } else { stream };
                if !secure {
                    return Ok(Link { stream, tap: Way { http2: false, proxied: true } });
                }
                let stream = tunnel(stream, host, port, &hop).await?;
                self.secured(stream, name, true, false).await
            }
        }
    }

    async fn secured(&self, stream: Stream, host: &str, secure: bool, proxied: bool) -> io::Result<Link> {
        if !secure {
            return Ok(Link { stream, tap: Way { http2: false, proxied } });
        }
        let name = match self.tls.server_name() {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} is not a host name")))?,
        };
        let connector = tokio_rustls::TlsConnector::from(self.tls.config());
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("TLS handshake with {host}: {error}")))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Link { stream: Box::new(stream), tap: Way { http2, proxied } })
    }
}

/// Tries every address of the host, from the one whose turn it is. A dead address must not use up the time of the next, so each gets a share.
async fn tcp(host: &str, port: u16, turn: usize) -> io::Result<Stream> {
    let mut addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("resolving {host}: {error}")))?
        .collect();
    if !addresses.is_empty() {
        // Resolvers may change the order with each answer.
        if turn > 0 {
            addresses.sort();
        }
        let first = turn % addresses.len();
        addresses.rotate_left(first);
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    for (index, address) in addresses.iter().enumerate() {
        let is_last = index + 1 == addresses.len();
        let attempt = TcpStream::connect(address);
        let result = if is_last {
            attempt.await
        } else {
            match tokio::time::timeout(Duration::from_secs(2), attempt).await {
                Ok(result) => result,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        };
        match result {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(Box::new(stream));
            }
            Err(error) => last = io::Error::new(error.kind(), format!("connecting to {address}: {error}")),
        }
    }
    Err(last)
}

/// Asks the proxy for a way through.
async fn tunnel(mut stream: Stream, host: &str, port: u16, hop: &Hop) -> io::Result<Stream> {
    let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    for (name, value) in &hop.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the empty line belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= PROXY_ANSWER_LIMIT || stream.read_buf(&mut (&mut answer).limited()).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the proxy's answer is not HTTP"));
        }
    }
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    match line.split(' ').nth(1) {
        Some(code) if code.starts_with('2') => Ok(stream),
        _ => Err(io::Error::other(format!("the proxy refuses the connection to {target}: {}", line.escape_debug()))),
    }
}

/// A buffer that takes one byte.
trait OneByte<'a> {
    fn limited(self) -> bytes::buf::Limit<&'a mut Vec<u8>>;
}

impl<'a> OneByte<'a> for &'a mut Vec<u8> {
    fn limited(self) -> bytes::buf::Limit<&'a mut Vec<u8>> {
        bytes::BufMut::limit(self, 1)
    }
}

/// The path that [`unix_host`] put into a host.
fn unix_path(host: &str) -> Option<String> {
    let hex = host.strip_suffix(".unix-socket")?;
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    String::from_utf8(bytes?).ok()
}

/// A host that stands for a unix socket in an address, since an address cannot hold a path there.
pub(crate) fn unix_host(path: &str) -> String {
    let hex: String = path.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.unix-socket")
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.tap.proxied);
        if self.tap.http2 { connected.negotiated_h2() } else { connected }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_survives_in_a_host() {
        let host = super::unix_host("/run/Corten/x.sock");
        assert!(format!("http://{host}/a").parse::<http::Uri>().is_ok());
        assert_eq!(super::unix_path(&host).as_deref(), Some("/run/Corten/x.sock"));
        assert_eq!(super::unix_path("example.org"), None);
    }
}
