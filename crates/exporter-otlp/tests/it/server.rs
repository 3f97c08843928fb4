//! Servers that ask for time, come late, or fall silent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corten_component::{BoxFuture, NodeId};
use corten_net::Body;
use corten_net::grpc::{Code, Status, reply, reply_status};
use corten_net::http::{Request, Response};
use corten_net::server::{Handler, Listener, Serving};
use corten_testkit::exporter::traces;
use corten_testkit::{Sink, eventually, free_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::bench::start;

fn to(address: impl std::fmt::Display, client: &str, rest: &str) -> String {
    format!("client {{\n endpoint = \"{address}\"\n tls {{ insecure = true }}\n {client}\n}}\n{rest}")
}

/// Answers as told, then with success; remembers when it was asked.
struct Server {
    answers: Mutex<VecDeque<Status>>,
    asked: Mutex<Vec<Instant>>,
}

impl Handler for Server {
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            request.into_body().collect(1 << 20).await.unwrap();
            self.asked.lock().unwrap().push(Instant::now());
            let answer = self.answers.lock().unwrap().pop_front();
            answer.map_or_else(|| reply(bytes::Bytes::new()), |status| reply_status(&status))
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_info_is_when_it_is_tried_again() {
    // Far from the back-off, which would try again after 5 ms, or a minute for the code that is otherwise final.
    let wait = Duration::from_millis(700);
    for code in [Code::Unavailable, Code::ResourceExhausted] {
        let status = Status::new(code, "later").with_retry_after(Some(wait));
        let server = Arc::new(Server { answers: Mutex::new([status].into()), asked: Mutex::default() });
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let handler: Arc<dyn Handler> = server.clone();
        let serving = Serving::new(handler);
        let installed = listener.install(&NodeId::root("test"), serving).await.unwrap();
        let retry = "retry_on_failure { initial_interval = \"5ms\"\n max_interval = \"10ms\" }";
        let exporter = start(&to(installed.local_addr(), "", retry)).await;
        exporter.send(traces(&["a"])).await;
        let label = [("rpc_grpc_status_code", "0")];
        eventually("success", || {
            (exporter.metric("rpc_client_duration_milliseconds_count", &label) == 1.0).then_some(())
        });
        let asked = server.asked.lock().unwrap().clone();
        assert_eq!(asked.len(), 2, "{code:?}");
        assert!(asked[1] - asked[0] >= wait, "{code:?}: after {:?}", asked[1] - asked[0]);
        let refused = [("rpc_grpc_status_code", (code as u8).to_string())];
        let refused = refused.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(exporter.metric("rpc_client_duration_milliseconds_count", &refused), 1.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_may_wait_for_its_server() {
    let address = free_address();
    // Tried again after an hour: what arrives, arrives with the first call.
    let rest = "timeout = \"20s\"\nretry_on_failure {\n initial_interval = \"1h\"\n max_interval = \"1h\"\n max_elapsed_time = \"0s\"\n }";
    let exporter = start(&to(address, "wait_for_ready = true", rest)).await;
    exporter.send(traces(&["a"])).await;
    let sink = Sink::start_at(address);
    eventually("the call", || (sink.received().len() == 1).then_some(()));
    assert_eq!(exporter.metric("corten_delivery_retries_total", &[]), 0.0);
}

/// Whether bytes of an HTTP/2 client hold a ping.
fn has_ping(bytes: &[u8]) -> bool {
    let mut rest = bytes.get("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()..).unwrap_or_default();
    while let Some((head, more)) = rest.split_at_checked(9) {
        if head[3] == 6 && head[4] & 1 == 0 {
            return true;
        }
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        rest = more.get(len..).unwrap_or_default();
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_asked_and_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keepalive = "keepalive {\n ping_wait = \"50ms\"\n ping_response_timeout = \"50ms\"\n }";
    let rest = "timeout = \"1h\"\nretry_on_failure { initial_interval = \"10ms\" }";
    let exporter = start(&to(listener.local_addr().unwrap(), keepalive, rest)).await;
    exporter.send(traces(&["a"])).await;
    let (mut silent, _) = listener.accept().await.unwrap();
    silent.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut heard = Vec::new();
    // Its end is the client's: the call alone would wait for an hour.
    let ended = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "the connection is still there");
    assert!(has_ping(&heard));
    let again = tokio::time::timeout(Duration::from_secs(20), listener.accept()).await;
    assert!(again.is_ok(), "the call is tried again on another connection");
}
