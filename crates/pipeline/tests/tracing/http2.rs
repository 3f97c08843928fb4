//! HTTP/2 without TLS by prior knowledge: one stream at a time, two, a hundred; and a server in Rust.

use std::convert::Infallible;
use std::net::SocketAddr;

use corten_testkit::free_address;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::count;
use crate::http1::waited;
use crate::ledger::{Asked, compare, demand, now};
use crate::loader::SIZES;
use crate::services::{go, nginx, node};
use crate::watched::Watched;

/// Asks over one connection, with so many streams at a time.
pub(crate) fn streams(address: SocketAddr, mark: &str, count: usize, at_once: usize, bodies: bool) -> Vec<Asked> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (mut running, mut asked) = (JoinSet::new(), Vec::new());
        for number in 0..count {
            if running.len() == at_once {
                asked.push(running.join_next().await.unwrap().unwrap());
            }
            let mut sender = sender.clone();
            let mark = mark.to_owned();
            running.spawn(async move { ask(&mut sender, &mark, number, bodies).await });
        }
        while let Some(one) = running.join_next().await {
            asked.push(one.unwrap());
        }
        asked
    })
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn ask(sender: &mut Sender, mark: &str, number: usize, bodies: bool) -> Asked {
    let size = SIZES[if number % 50 == 49 { 5 } else { number % 5 }];
    let wait = if bodies && number.is_multiple_of(20) { "/20" } else { "" };
    let path = format!("/200/{size}/{mark}-{number}{wait}");
    let (method, sent) = if bodies && number % 4 == 1 { ("POST", number % 30_000) } else { ("GET", 0) };
    let mut request = Request::builder().method(method).uri(format!("http://shop.example{path}"));
    let parent = number.is_multiple_of(3).then_some((0xdef_0000_u128 << 64 | number as u128, number as u64 + 1));
    if let Some((trace, span)) = parent {
        request = request.header("traceparent", format!("00-{trace:032x}-{span:016x}-01"));
    }
    // Headers that go into the dynamic table, and ones that push them out again.
    request = request.header("x-often", "the same").header("x-rare", format!("{number}").repeat(1 + number % 60));
    let began = now();
    let request = request.body(Full::new(Bytes::from(vec![b'y'; sent]))).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let got = answer.into_body().collect().await.unwrap().to_bytes().len() as u64;
    let waited = waited(&path);
    Asked { method, path, status, sent: sent as u64, got, began, ended: now(), waited, parent }
}

/// `each`: spans a request makes.
fn every_stream(name: &str, address: SocketAddr, processes: usize, bodies: bool, each: usize) {
    let Some(watched) = Watched::ports(&[address.port()], processes) else { return };
    let mut problems = Vec::new();
    let mut asked = Vec::new();
    for at_once in [1, 2, 100] {
        asked.push((at_once, streams(address, &format!("s{at_once}"), count(120), at_once, bodies)));
    }
    watched.settle(each * asked.iter().map(|(_, asked)| asked.len()).sum::<usize>());
    let (seen, counts) = watched.finish();
    println!("{counts:?}");
    for (at_once, asked) in asked {
        let mark = format!("/s{at_once}-");
        let spans = seen.iter().filter(|span| span.server && span.path.contains(&mark));
        problems.extend(compare(&format!("{name}, {at_once} streams at a time"), &asked, spans));
    }
    demand(&problems);
}

#[test]
fn streams_at_go() {
    if let Some(server) = go(0) {
        every_stream("HTTP/2 at go", server.address, 1, true, 1);
    }
}

#[test]
#[ignore = "of calls of more than 8 KiB some frames are missed"]
fn streams_at_node() {
    if let Some(server) = node("h2c", 0, None) {
        every_stream("HTTP/2 at node", server.address, 1, true, 1);
    }
}

#[test]
#[ignore = "of calls of more than 8 KiB some frames are missed"]
fn streams_at_nginx() {
    if let Some(nginx) = nginx(9, 2) {
        every_stream("HTTP/2 at nginx", nginx.http2, 3, false, 1);
    }
}

/// hyper, in this process: it is its own client, so that each request has a span of either kind.
#[test]
fn streams_at_rust() {
    let address = free_address();
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(serve(listener));
    });
    every_stream("HTTP/2 at rust", address, 1, true, 2);
    let Some(watched) = Watched::ports(&[address.port()], 1) else { return };
    let asked = crate::loader::mixed(address, "rust", count(120), crate::loader::ALL);
    watched.settle(asked.len() * 2);
    let (seen, counts) = watched.finish();
    println!("{counts:?}");
    let of = |server| seen.iter().filter(move |span| span.server == server && span.path.contains("/rust-"));
    let mut problems = compare("hyper", &asked, of(true));
    problems.extend(compare("this client", &asked, of(false)));
    for one in of(true).filter(|one| one.parent != 0) {
        if of(false).any(|client| client.path == one.path && client.trace != one.trace) {
            problems.push(format!("not connected: {one:?}"));
        }
    }
    demand(&problems);
}

async fn serve(listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let _ = body.collect().await;
    let parts: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    let [status, size, ..] = parts[..] else { return Ok(Response::new(Full::default())) };
    tokio::time::sleep(std::time::Duration::from_nanos(waited(head.uri.path()))).await;
    let body = Full::new(Bytes::from(vec![b'x'; size.trim_start_matches('c').parse().unwrap_or(0)]));
    Ok(Response::builder().status(status.parse::<u16>().unwrap_or(404)).body(body).unwrap())
}
