//! Bodies that are forwarded as they came, and how long downstream may take.

use bytes::Bytes;
use corten_component::arguments::ByteSize;
use corten_net::Body;
use corten_net::client::Versions;
use corten_net::codec::{Encoding, Level, encode};
use corten_net::grpc::{Code, GrpcOptions, Status, frame};
use corten_net::http::Request;
use corten_receiver_otlp::{Grpc, Http};

use crate::support::{Harness, LONG, TRACES, call, client, grpc, http, spans};

const PROTO: &str = "application/x-protobuf";

fn gzip(body: &[u8]) -> Bytes {
    encode(Encoding::Gzip, Level::Default, [body]).unwrap()
}

/// What travels with the last batch.
fn forwarded(harness: &Harness) -> Option<Bytes> {
    let taken = harness.consumer.taken.lock().unwrap();
    let encoded = taken.last().unwrap().encoded()?;
    assert_eq!(encoded.encoding, "gzip");
    Some(encoded.body.clone())
}

#[tokio::test]
async fn gzip_travels_with_what_it_holds() {
    let harness = Harness::start(http(Http::default())).await;
    // One that stays on the loop, one that leaves it.
    for body in [spans(10), Bytes::from([spans(8000), noisy()].concat())] {
        let encoded = gzip(&body);
        let answer = harness.post(PROTO, &[("content-encoding", "gzip")], encoded.clone()).await;
        assert_eq!(answer.status.as_u16(), 200);
        assert_eq!(forwarded(&harness), Some(encoded));
        assert_eq!(harness.consumer.bodies().last(), Some(&body));
    }
}

#[tokio::test]
async fn what_not_everybody_could_read_does_not_travel() {
    let harness = Harness::start(http(Http::default())).await;
    let (body, other) = (spans(10), spans(5));
    let members = [gzip(&body), gzip(&other)].concat();
    assert_eq!(harness.post(PROTO, &[("content-encoding", "gzip")], members).await.status.as_u16(), 200);
    assert_eq!(forwarded(&harness), None, "two members");
    assert_eq!(harness.consumer.bodies().last().unwrap(), &[&body[..], &other[..]].concat());
    let zstd = encode(Encoding::Zstd, Level::Default, [&body[..]]).unwrap();
    assert_eq!(harness.post(PROTO, &[("content-encoding", "zstd")], zstd).await.status.as_u16(), 200);
    assert_eq!(forwarded(&harness), None, "another encoding");
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]}"#;
    let answer = harness.post("application/json", &[("content-encoding", "gzip")], gzip(json.as_bytes())).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(forwarded(&harness), None, "another format");
    // A span whose name is written twice is written again at the door.
    let twice = [0x0a, 0x0a, 0x12, 0x08, 0x12, 0x06, 0x2a, 0x01, b'a', 0x2a, 0x01, b'b'];
    let answer = harness.post(PROTO, &[("content-encoding", "gzip")], gzip(&twice)).await;
    assert_eq!(answer.status.as_u16(), 200, "{:?}", answer.body);
    assert_eq!(forwarded(&harness), None, "rewritten");
}

#[tokio::test]
async fn gzip_messages_travel_too() {
    let harness = Harness::start(grpc(Grpc { max_recv_msg_size: ByteSize::mib(8), ..Grpc::default() })).await;
    let client = harness.grpc(GrpcOptions { encoding: Encoding::Gzip, ..GrpcOptions::default() });
    for body in [spans(10), Bytes::from([spans(8000), noisy()].concat())] {
        call(&client, body.clone()).await.unwrap();
        assert_eq!(forwarded(&harness), Some(gzip(&body)));
    }
    call(&harness.grpc(GrpcOptions::default()), spans(1)).await.unwrap();
    assert_eq!(forwarded(&harness), None);
}

/// A request that does not compress to less than the loop decompresses itself.
fn noisy() -> Bytes {
    let mut state = 1u32;
    let names = (0..4000).map(|_| {
        (0..5)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                format!("{:08x}", state)
            })
            .collect::<String>()
    });
    crate::support::request(names)
}

#[tokio::test]
async fn a_calls_own_deadline_holds_for_downstream() {
    let harness = Harness::start(grpc(Grpc::default())).await;
    harness.consumer.open.send_replace(false);
    for timeout in ["50m", "0S"] {
        // By hand, since a gRPC client would end the call itself.
        let request = Request::post(harness.url(TRACES))
            .version(corten_net::http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", timeout)
            .body(Body::parts(frame([spans(3)], false).unwrap()))
            .unwrap();
        let answer = client(Versions::Http2).send(request, LONG, 1000).await.unwrap();
        assert_eq!(Status::from_headers(&answer.headers).unwrap().code, Code::DeadlineExceeded, "{timeout}");
    }
    assert_eq!(*harness.consumer.begun.borrow(), 1, "what has no time left is not begun");
    assert_eq!(harness.metric("otelcol_receiver_refused_spans_total", &["transport=\"grpc\""]), Some(3.0));
    assert_eq!(harness.metric("corten_receiver_rejected_requests_total", &["reason=\"incomplete\""]), Some(1.0));
}
