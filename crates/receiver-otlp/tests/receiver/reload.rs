//! Replacing the receiver under load loses, doubles and breaks nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use corten_component::arguments::ByteSize;
use corten_net::Body;
use corten_net::client::{HttpClient, Versions};
use corten_net::grpc::{Endpoint, GrpcClient, GrpcOptions};
use corten_net::http::{HeaderMap, Request};
use corten_proto::otlp::collector::ExportTraceServiceRequest;
use corten_receiver_otlp::{Grpc, Http, OtlpArguments};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Harness, LONG, TRACES, client, grpc, http, request};

const RELOADS: u64 = 200;

fn args(round: u64) -> OtlpArguments {
    let http = http(Http { max_request_body_size: ByteSize(1_000_000 + round), ..Http::default() });
    let grpc = grpc(Grpc { max_recv_msg_size: ByteSize(1_000_000 + round), ..Grpc::default() });
    OtlpArguments { grpc: grpc.grpc.map(|grpc| Grpc { endpoint: Some("localhost:0".into()), ..grpc }), ..http }
}

/// Sends until told to stop; every answer must be success.
async fn load(name: String, sent: Arc<AtomicUsize>, done: Arc<AtomicBool>, send: impl AsyncFn(bytes::Bytes)) {
    let mut index = 0;
    while !done.load(Ordering::SeqCst) {
        send(request([format!("{name} {index}")])).await;
        sent.fetch_add(1, Ordering::SeqCst);
        index += 1;
    }
}

async fn over_http(client: &HttpClient, url: &str, body: bytes::Bytes) {
    let request = Request::post(url).header("content-type", "application/x-protobuf").body(Body::from(body)).unwrap();
    let answer = client.send(request, LONG, 1000).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{:?}", answer.body);
}

async fn over_grpc(client: &GrpcClient, body: bytes::Bytes) {
    client.unary(TRACES, HeaderMap::new(), vec![body], false, LONG, 1000).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_replacements_lose_and_double_nothing() {
    let mut harness = Harness::idle();
    // Two addresses, since both ask for any port: HTTP on 127.0.0.1, gRPC on a unix socket.
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("grpc.sock").display().to_string();
    let with_socket = |round| {
        let mut args = args(round);
        if let Some(grpc) = &mut args.grpc {
            grpc.endpoint = Some(socket.clone());
            grpc.transport = corten_receiver_otlp::Transport::Unix;
        }
        args
    };
    harness.replace(with_socket(0)).await.unwrap();
    let address = harness.addresses().into_iter().find_map(|address| address.socket_addr()).unwrap();
    let url = format!("http://{address}/v1/traces");
    let (sent, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = Vec::new();
    for sender in 0..2 {
        for versions in [Versions::Http1, Versions::Http2] {
            let (client, url) = (client(versions), url.clone());
            let send = async move |body| over_http(&client, &url, body).await;
            let name = format!("{versions:?} {sender}");
            tasks.push(tokio::spawn(load(name, sent.clone(), done.clone(), send)));
        }
        let endpoint = Endpoint::parse(&format!("unix:{socket}"), true).unwrap();
        let client = GrpcClient::new(endpoint, GrpcOptions::default()).unwrap();
        let send = async move |body| over_grpc(&client, body).await;
        tasks.push(tokio::spawn(load(format!("grpc {sender}"), sent.clone(), done.clone(), send)));
    }
    for round in 1..=RELOADS {
        let before = sent.load(Ordering::SeqCst);
        harness.replace(with_socket(round)).await.unwrap();
        // The next replacement falls into traffic of this instance.
        while sent.load(Ordering::SeqCst) < before + 3 {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    harness.stop().await;
    let sent = sent.load(Ordering::SeqCst);
    let bodies = harness.consumer.bodies();
    let names: HashSet<String> = bodies
        .iter()
        .map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap())
        .map(|request| format!("{:?}", request.resource_spans[0].scope_spans[0].spans[0].name))
        .collect();
    assert_eq!((bodies.len(), names.len()), (sent, sent));
}

#[tokio::test]
async fn a_connection_outlives_its_instance_and_requests_wait_for_the_next() {
    let mut harness = Harness::start(http(Http::default())).await;
    let mut stream = TcpStream::connect(harness.address().socket_addr().unwrap()).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let mut answer = [0; 15];
    for round in 1..=3 {
        harness.stop().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), stream.read(&mut answer)).await;
        assert!(waiting.is_err(), "nobody is there to answer");
        harness.replace(http(Http { max_request_body_size: ByteSize(1000 + round), ..Http::default() })).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = Vec::new();
        while !rest.ends_with(br#"{"partialSuccess":{}}"#) {
            stream.read_buf(&mut rest).await.unwrap();
        }
    }
}
