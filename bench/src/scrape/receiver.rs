//! The back end: takes remote write requests of both versions and counts what it was to get.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use bytes::Bytes;
use corten_net::codec::{self, Encoding};
use corten_proto::prometheus::{v1, v2};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use super::book::{Book, Total, quarters};

const LIMIT: usize = 256 << 20;

pub(super) async fn start(address: SocketAddr, book: Rc<Book>) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let book = Rc::clone(&book);
            spawn_local(async move {
                let service = service_fn(move |request| take(request, Rc::clone(&book)));
                let http = hyper::server::conn::http1::Builder::new();
                // A collector that is killed breaks its connections.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(())
}

async fn take(request: Request<Incoming>, book: Rc<Book>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let version = request.headers().get("x-prometheus-remote-write-version");
    let is_new = version.is_some_and(|version| version.as_bytes().starts_with(b"2."));
    let body = request.into_body().collect().await?.to_bytes();
    let wire = body.len();
    let decoded = codec::decode(Encoding::Snappy, [body], LIMIT, &mut |_| true).ok();
    let read = decoded.and_then(|body| if is_new { two(&body) } else { one(&body) });
    let Some(Found { wanted, foreign, rows }) = read else {
        book.arrive(wire, Total::default(), 1);
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    book.arrive(wire, wanted, foreign);
    let mut response = Response::new(Full::default());
    response.headers_mut().insert("x-prometheus-remote-write-samples-written", HeaderValue::from(rows));
    Ok(response)
}

#[derive(Default)]
struct Found {
    wanted: Total,
    foreign: u64,
    /// Everything, reports of scrapes included.
    rows: u64,
}

impl Found {
    fn series(&mut self, name: &str, values: impl Iterator<Item = f64>) {
        let is_ours = name.starts_with("bench_");
        for value in values {
            self.rows += 1;
            match (is_ours, name.starts_with("bench_unwanted")) {
                // The end of a series is not a value.
                (true, false) if !value.is_nan() => self.wanted.add(quarters(value)),
                (true, true) => self.foreign += 1,
                _ => {}
            }
        }
    }
}

fn one(body: &[u8]) -> Option<Found> {
    let request = v1::WriteRequest::decode(body).ok()?;
    let mut found = Found::default();
    for series in &request.timeseries {
        let name = series.labels.iter().find(|label| label.name == "__name__");
        let name = name.map(|label| label.value.as_str()).unwrap_or_default();
        found.series(name, series.samples.iter().map(|sample| sample.value));
    }
    Some(found)
}

fn two(body: &[u8]) -> Option<Found> {
    let request = v2::Request::decode(body).ok()?;
    let text = |at: u32| request.symbols.get(at as usize).map(String::as_str).unwrap_or_default();
    let mut found = Found::default();
    for series in &request.timeseries {
        let name = series.labels_refs.chunks_exact(2).find(|pair| text(pair[0]) == "__name__");
        let name = name.map(|pair| text(pair[1])).unwrap_or_default();
        found.series(name, series.samples.iter().map(|sample| sample.value));
    }
    Some(found)
}
