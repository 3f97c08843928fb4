//! The back ends: HTTP/1.1 servers in this process that count what comes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use corten_net::codec::{self, Encoding};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::ledger::Ledger;

const LIMIT: usize = 256 << 20;

/// Starts the sink of this number; it ends with the local set it runs on.
pub(crate) async fn start(address: SocketAddr, number: usize, ledger: Rc<Ledger>) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let ledger = Rc::clone(&ledger);
            spawn_local(async move {
                let service = service_fn(move |request| take(request, number, Rc::clone(&ledger)));
                let mut http = hyper::server::conn::http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(600));
                // A collector that is killed breaks its connections.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(())
}

async fn take(
    request: Request<Incoming>,
    number: usize,
    ledger: Rc<Ledger>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let encoding = request.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    let encoding = Encoding::from_http(encoding);
    let body = request.into_body().collect().await?.to_bytes();
    let wire = body.len();
    match encoding {
        Some(Encoding::Identity) => ledger.arrived(number, wire, Some(&body)),
        Some(other) => {
            let decoded = codec::decode(other, [body], LIMIT, &mut |_| true).ok();
            ledger.arrived(number, wire, decoded.as_deref());
        }
        None => ledger.arrived(number, wire, None),
    }
    let mut response = Response::new(Full::default());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    Ok(response)
}
