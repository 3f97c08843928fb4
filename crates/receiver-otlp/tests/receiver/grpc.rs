//! OTLP/gRPC.

use std::time::Duration;

use bytes::Bytes;
use corten_component::Refusal;
use corten_component::arguments::ByteSize;
use corten_net::codec::Encoding;
use corten_net::grpc::{Code, GrpcOptions};
use corten_net::http::HeaderMap;
use corten_receiver_otlp::Grpc;

use crate::support::{Harness, LONG, call, grpc, spans};

#[tokio::test]
async fn messages_arrive_in_every_encoding() {
    let harness = Harness::start(grpc(Grpc::default())).await;
    let body = spans(300);
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd, Encoding::SnappyFramed] {
        let client = harness.grpc(GrpcOptions { encoding, ..GrpcOptions::default() });
        let reply = call(&client, body.clone()).await.unwrap();
        assert!(reply.message.is_empty(), "{encoding:?}");
    }
    assert_eq!(harness.consumer.bodies(), vec![body; 4]);
    assert_eq!(harness.metric("otelcol_receiver_accepted_spans_total", &["transport=\"grpc\""]), Some(1200.0));
    assert_eq!(harness.metric("rpc_server_duration_milliseconds_count", &["rpc_grpc_status_code=\"0\""]), Some(4.0));
}

#[tokio::test]
async fn what_is_not_served_is_unimplemented() {
    let harness = Harness::start(grpc(Grpc::default())).await;
    let client = harness.grpc(GrpcOptions::default());
    let logs = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    for path in [logs, "/a.B/C"] {
        let status = client.unary(path, HeaderMap::new(), vec![Bytes::new()], false, LONG, 1000).await.unwrap_err();
        assert_eq!(status.code, Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn refusals_are_statuses() {
    let harness = Harness::start(grpc(Grpc::default())).await;
    let client = harness.grpc(GrpcOptions::default());
    let after = Some(Duration::from_millis(2500));
    for (refusal, code, retry_after) in [
        (Refusal::Retry { after, why: "full".into() }, Code::Unavailable, after),
        (Refusal::retry("full"), Code::Unavailable, None),
        (Refusal::reject("never"), Code::Internal, None),
        (Refusal::Closed, Code::Unavailable, None),
    ] {
        harness.consumer.refuse(refusal.clone());
        let status = call(&client, spans(1)).await.unwrap_err();
        assert_eq!((status.code, status.retry_after), (code, retry_after), "{refusal:?}");
        assert_eq!(status.message, refusal.to_string());
    }
    let status = call(&client, spans(1).slice(..20)).await.unwrap_err();
    assert_eq!(status.code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_message_is_limited_before_and_after_decompression() {
    let limit = 100_000;
    let harness = Harness::start(grpc(Grpc { max_recv_msg_size: ByteSize(limit), ..Grpc::default() })).await;
    let zeros = Bytes::from(vec![0; limit as usize + 1]);
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd, Encoding::SnappyFramed] {
        let client = harness.grpc(GrpcOptions { encoding, ..GrpcOptions::default() });
        let status = call(&client, zeros.clone()).await.unwrap_err();
        assert_eq!((status.code, status.retry_after), (Code::ResourceExhausted, None), "{encoding:?}");
    }
    *harness.consumer.room.lock().unwrap() = Err(Refusal::retry("no memory"));
    let status = call(&harness.grpc(GrpcOptions::default()), spans(1)).await.unwrap_err();
    assert_eq!((status.code, status.message.as_str()), (Code::Unavailable, "no memory"));
}

#[tokio::test]
async fn plain_http_on_the_port_is_told_where_to_go() {
    let harness = Harness::start(grpc(Grpc::default())).await;
    let answer = harness.post("application/x-protobuf", &[], spans(1)).await;
    assert_eq!(answer.status.as_u16(), 415);
    assert!(String::from_utf8_lossy(&answer.body).contains("4318"));
}

#[tokio::test]
async fn metadata_travels_with_the_data_if_wanted() {
    let harness = Harness::start(grpc(Grpc { include_metadata: true, ..Grpc::default() })).await;
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", "a".parse().unwrap());
    let client = harness.grpc(GrpcOptions::default());
    client.unary(crate::support::TRACES, headers, vec![spans(1)], false, LONG, 1000).await.unwrap();
    let taken = harness.consumer.taken.lock().unwrap();
    assert_eq!(taken[0].meta().unwrap().header("x-tenant").next().unwrap().expose(), "a");
}
