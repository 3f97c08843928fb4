//! Pages in browsers.

use corten_net::Body;
use corten_net::http::{Method, Request};
use corten_receiver_otlp::{Cors, Http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Harness, http, send, spans};

fn preflight(harness: &Harness) -> Request<Body> {
    Request::builder()
        .method(Method::OPTIONS)
        .uri(harness.url("/v1/traces"))
        .header("origin", "https://app.test")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn an_allowed_page_may_send() {
    let cors = Some(Cors { allowed_origins: vec!["https://app.test".into()], ..Cors::default() });
    let harness = Harness::start(http(Http { cors, ..Http::default() })).await;
    let answer = send(preflight(&harness)).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.test");
    let answer = harness.post("application/x-protobuf", &[("origin", "https://app.test")], spans(1)).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.test");
}

#[tokio::test]
async fn without_cors_a_preflight_grants_nothing() {
    let harness = Harness::start(http(Http::default())).await;
    let answer = send(preflight(&harness)).await;
    assert_eq!(answer.status.as_u16(), 405);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn forms_that_need_no_preflight_are_refused() {
    let harness = Harness::start(http(Http::default())).await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let answer = harness.post(kind, &[("origin", "https://evil.test")], spans(1)).await;
        assert_eq!(answer.status.as_u16(), 415, "{kind}");
    }
    assert!(harness.consumer.bodies().is_empty());
}

/// What a browser sends that was made to believe that `host` is this machine; the status of the answer.
async fn from_page(harness: &Harness, origin: &str, host: &str) -> String {
    let body = spans(1);
    let mut socket = TcpStream::connect(harness.address().socket_addr().unwrap()).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Type: application/x-protobuf\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), &body[..]].concat()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_is_refused() {
    // The file names a port, as files do: with port 0 nobody knows beforehand what a page would have to say.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let args = Http { endpoint: Some(format!("127.0.0.1:{port}")), ..Http::default() };
    let mut harness = Harness::start(http(args.clone())).await;
    let own = format!("evil.test:{port}");
    assert_eq!(from_page(&harness, &format!("http://{own}"), &own).await, "403");
    assert!(harness.consumer.bodies().is_empty());
    let local = format!("localhost:{port}");
    assert_eq!(from_page(&harness, &format!("http://{local}"), &local).await, "200");
    let cors = Some(Cors { allowed_origins: vec![format!("http://{own}")], ..Cors::default() });
    harness.replace(http(Http { cors, ..args })).await.unwrap();
    assert_eq!(from_page(&harness, &format!("http://{own}"), &own).await, "200", "allowed by cors");
}
