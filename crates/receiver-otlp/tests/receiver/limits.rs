//! Bodies that are too large, too slow or too many.

use bytes::Bytes;
use corten_component::Refusal;
use corten_component::arguments::ByteSize;
use corten_net::Body;
use corten_net::codec::{Encoding, Level, encode};
use corten_receiver_otlp::Http;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Harness, LONG, http, spans};

const PROTO: &str = "application/x-protobuf";
const LIMIT: usize = 256 << 10;

fn limited() -> Http {
    Http { max_request_body_size: ByteSize(LIMIT as u64), ..Http::default() }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let harness = Harness::start(http(limited())).await;
    let body = Bytes::from(vec![0; LIMIT + 1]);
    assert_eq!(harness.post(PROTO, &[], body.clone()).await.status.as_u16(), 413, "announced");
    let chunks = Body::stream(http_body_util::Full::new(body)).with_trailers(Default::default());
    let hidden = Body::stream(Unsized(chunks));
    assert_eq!(harness.post(PROTO, &[], hidden).await.status.as_u16(), 413, "chunked");
    assert_eq!(harness.metric("corten_receiver_rejected_requests_total", &["too_large"]), Some(2.0));
    assert!(harness.consumer.bodies().is_empty());
}

/// A body that does not tell its size.
struct Unsized(Body);

impl http_body::Body for Unsized {
    type Data = Bytes;
    type Error = corten_net::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn a_bomb_of_any_encoding_is_413() {
    let harness = Harness::start(http(limited())).await;
    let zeros = vec![0; 64 << 20];
    for encoding in Encoding::ALL.into_iter().filter(|encoding| *encoding != Encoding::Identity) {
        // Snappy and LZ4 shrink by less, and are over the limit on the wire already if the bomb is large.
        let size = if matches!(encoding, Encoding::Snappy | Encoding::SnappyFramed) { 4 << 20 } else { zeros.len() };
        let bomb = encode(encoding, Level::Default, [&zeros[..size]]).unwrap();
        let answer = harness.post(PROTO, &[("content-encoding", encoding.http_name())], bomb).await;
        assert_eq!(answer.status.as_u16(), 413, "{encoding:?}");
    }
    assert!(harness.consumer.bodies().is_empty());
}

#[tokio::test]
async fn a_bomb_of_many_members_is_413() {
    let harness = Harness::start(http(limited())).await;
    let member = encode(Encoding::Gzip, Level::Default, [&vec![0; LIMIT - 1][..]]).unwrap();
    let bomb = [&member[..]; 3].concat();
    assert_eq!(harness.post(PROTO, &[("content-encoding", "gzip")], bomb).await.status.as_u16(), 413);
}

#[tokio::test]
async fn without_room_a_body_is_not_asked_for() {
    let harness = Harness::start(http(Http::default())).await;
    *harness.consumer.room.lock().unwrap() = Err(Refusal::retry("no memory"));
    let mut stream = TcpStream::connect(harness.address().socket_addr().unwrap()).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n\
        Content-Length: 100000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.contains("HTTP/1.1 503 ") && answer.contains("no memory"), "{answer}");
    assert_eq!(harness.metric("corten_receiver_rejected_requests_total", &["overload"]), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up() {
    let harness = Harness::start(http(Http::default())).await;
    let mut stream = TcpStream::connect(harness.address().socket_addr().unwrap()).await.unwrap();
    let head =
        "POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\nx";
    stream.write_all(head.as_bytes()).await.unwrap();
    let start = tokio::time::Instant::now();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    let waited = start.elapsed().as_secs();
    assert!((25..60).contains(&waited), "{waited}");
}

#[tokio::test]
async fn what_downstream_began_ends_though_the_client_is_gone() {
    let mut harness = Harness::start(http(Http::default())).await;
    harness.consumer.open.send_replace(false);
    let body = spans(3);
    let mut stream = TcpStream::connect(harness.address().socket_addr().unwrap()).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: {PROTO}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    harness.consumer.begun.subscribe().wait_for(|begun| *begun == 1).await.unwrap();
    drop(stream);
    harness.consumer.open.send_replace(true);
    harness.stop().await;
    assert_eq!(harness.consumer.items(), 3);
    assert_eq!(harness.metric("otelcol_receiver_accepted_spans_total", &["http"]), Some(3.0));
}
