//! The listener's limits and deadlines.

use std::sync::Arc;
use std::time::Duration;

use corten_component::NodeId;
use corten_net::client::{ClientOptions, HttpClient, Versions};
use corten_net::http::{Request, Response, StatusCode};
use corten_net::server::{Installed, Limits, Listener, Refusals, Serving};
use corten_net::{Address, Body, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

const LONG: Duration = Duration::from_secs(30);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn hello(request: Request<Body>) -> Response<Body> {
    let has_peer = request.extensions().get::<Peer>().is_some_and(|peer| peer.address.is_some());
    Response::new(if has_peer { "hello" } else { "who?" }.into())
}

async fn serve(limits: Limits) -> (Listener, Installed) {
    serve_counting(limits, Refusals::default()).await
}

pub(crate) async fn serve_counting(limits: Limits, refusals: Refusals) -> (Listener, Installed) {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let serving = Serving { limits, refusals, ..Serving::new(Arc::new(hello)) };
    let installed = listener.install(&NodeId::root("a"), serving).await.unwrap();
    (listener, installed)
}

pub(crate) async fn connect(address: &Address) -> TcpStream {
    TcpStream::connect(address.socket_addr().unwrap()).await.unwrap()
}

/// The answer's body.
async fn exchange(stream: &mut TcpStream) -> String {
    stream.write_all(GET).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert_ne!(timeout(LONG, stream.read_buf(&mut answer)).await.unwrap().unwrap(), 0);
    }
    String::from_utf8(answer).unwrap()
}

async fn until_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is as closed as an end.
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn both_versions_share_the_port() {
    let (listener, _installed) = serve(Limits::default()).await;
    let mut clients = Vec::new();
    for (connections, versions) in [Versions::Http1, Versions::Http2].into_iter().enumerate() {
        let client = HttpClient::new(ClientOptions { versions, ..ClientOptions::default() }).unwrap();
        for _ in 0..3 {
            let request = Request::get(format!("http://{}/", listener.local_addr())).body(Body::empty()).unwrap();
            assert_eq!(client.send(request, LONG, 100).await.unwrap().body, "hello", "{versions:?}");
            clients.push(client.clone());
        }
        assert_eq!(listener.connections(), connections + 1);
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let (listener, _installed) = serve(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut first = connect(listener.local_addr()).await;
    exchange(&mut first).await;
    let mut second = connect(listener.local_addr()).await;
    second.write_all(GET).await.unwrap();
    assert_eq!(listener.connections(), 1);
    drop(first);
    let mut answer = [0; 15];
    timeout(LONG, second.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test(start_paused = true)]
async fn connections_that_do_nothing_are_closed() {
    let (listener, _installed) = serve(Limits::default()).await;
    let start = Instant::now();
    let mut silent = connect(listener.local_addr()).await;
    until_closed(&mut silent).await;
    let mut idle = connect(listener.local_addr()).await;
    exchange(&mut idle).await;
    let used = Instant::now();
    until_closed(&mut idle).await;
    // A connection begins with a header; one that has brought something may be silent for longer.
    assert!((20..30).contains(&(used - start).as_secs()), "{:?}", used - start);
    assert!((59..95).contains(&used.elapsed().as_secs()), "{:?}", used.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_header_that_never_ends_is_given_up() {
    // Its time begins with its first byte and is its own, however long silence may last.
    let limits = Limits {
        header_timeout: Duration::from_secs(5),
        idle_timeout: Some(Duration::from_secs(3600)),
        ..Limits::default()
    };
    let (listener, _installed) = serve(limits).await;
    for requests_before in [0, 2] {
        let mut slow = connect(listener.local_addr()).await;
        for _ in 0..requests_before {
            exchange(&mut slow).await;
        }
        slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").await.unwrap();
        let closed = timeout(LONG, until_closed(&mut slow)).await;
        assert!(closed.is_ok(), "after {requests_before} requests");
    }
}

#[tokio::test]
async fn a_header_that_is_too_long_is_refused() {
    let (listener, _installed) = serve(Limits::default()).await;
    let mut stream = connect(listener.local_addr()).await;
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200 << 10));
    // The server may close before all is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = [0; 12];
    if stream.read_exact(&mut answer).await.is_ok() {
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
    exchange(&mut connect(listener.local_addr()).await).await;
}

#[tokio::test]
async fn another_component_has_to_wait_until_the_address_is_free() {
    let (listener, installed) = serve(Limits::default()).await;
    let listener = Arc::new(listener);
    let second = tokio::spawn({
        let listener = Arc::clone(&listener);
        async move { listener.install(&NodeId::root("b"), Serving::new(Arc::new(hello))).await.map(drop) }
    });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    assert!(installed.finish(Instant::now() + LONG).await);
    timeout(LONG, second).await.unwrap().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_address_that_stays_taken_names_its_holder() {
    let (listener, _installed) = serve(Limits::default()).await;
    let Err(error) = listener.install(&NodeId::root("b"), Serving::new(Arc::new(hello))).await else {
        panic!("two owners")
    };
    assert!(error.message.contains("already served by a"), "{error}");
}

#[tokio::test]
async fn finishing_waits_for_the_requests_inside() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let (gate, begun) = (watch::Sender::new(false), watch::Sender::new(false));
    let (open, inside) = (gate.subscribe(), begun.clone());
    let handler = move |_request: Request<Body>| {
        let (mut open, inside) = (open.clone(), inside.clone());
        async move {
            inside.send_replace(true);
            open.wait_for(|open| *open).await.unwrap();
            Response::new(Body::from("hello"))
        }
    };
    let installed = listener.install(&NodeId::root("a"), Serving::new(Arc::new(handler))).await.unwrap();
    let mut stream = connect(listener.local_addr()).await;
    let asking = tokio::spawn(async move { exchange(&mut stream).await });
    begun.subscribe().wait_for(|begun| *begun).await.unwrap();
    let finishing = tokio::spawn(installed.finish(Instant::now() + LONG));
    tokio::task::yield_now().await;
    assert!(!finishing.is_finished());
    gate.send_replace(true);
    assert!(timeout(LONG, finishing).await.unwrap().unwrap());
    assert!(asking.await.unwrap().contains("200 OK"));
}

#[tokio::test]
async fn a_handler_that_panics_costs_one_answer() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let handler = async |request: Request<Body>| {
        assert_ne!(request.uri().path(), "/panic", "as the test wants");
        Response::new(Body::from("hello"))
    };
    let _installed = listener.install(&NodeId::root("a"), Serving::new(Arc::new(handler))).await.unwrap();
    let client = HttpClient::new(ClientOptions { versions: Versions::Http2, ..ClientOptions::default() }).unwrap();
    let get = async |path: &str| {
        let uri = format!("http://{}{path}", listener.local_addr());
        client.send(Request::get(uri).body(Body::empty()).unwrap(), LONG, 100).await.unwrap().status
    };
    assert_eq!(get("/panic").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(get("/").await, StatusCode::OK);
    assert_eq!(listener.connections(), 1, "the connection has survived");
}
