//! Encrypted connections, HTTP/2, cookies, unix sockets: what needs a server of another kind.

use std::sync::{Arc, Mutex};

use corten_component::NodeId;
use corten_net::args::{TlsFiles, TlsServer};
use corten_net::http::{Request, Response, Version, header};
use corten_net::server::{Installed, Listener, Serving};
use corten_net::tls::ServerTls;
use corten_net::{Address, Body};
use corten_testkit::eventually;
use corten_testkit::exporter::traces;

use crate::bench::start;

/// A request as such a server sees it.
#[derive(Debug, Clone)]
struct Seen {
    version: Version,
    cookie: Option<String>,
    connection: Option<String>,
}

struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    listener: Arc<Listener>,
    _installed: Installed,
}

async fn server(address: &str, tls: Option<ServerTls>) -> Server {
    let listener = Arc::new(Listener::bind(&Address::parse(address).unwrap()).unwrap());
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let log = Arc::clone(&seen);
    let handler = move |request: Request<Body>| {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let version = request.version();
        log.lock().unwrap().push(Seen { version, cookie: text(header::COOKIE), connection: text(header::CONNECTION) });
        async move {
            let answer = Response::builder().header(header::SET_COOKIE, "route=7; Path=/");
            let _ = request.into_body().collect(10 << 20).await;
            answer.body(Body::empty()).unwrap()
        }
    };
    let serving = Serving { tls, ..Serving::new(Arc::new(handler)) };
    let installed = listener.install(&NodeId::root("test"), serving).await.unwrap();
    Server { seen, listener, _installed: installed }
}

impl Server {
    fn address(&self) -> String {
        self.listener.local_addr().to_string()
    }

    fn wait(&self, count: usize) -> Vec<Seen> {
        eventually("requests", || Some(self.seen.lock().unwrap().clone()).filter(|seen| seen.len() >= count))
    }
}

/// A server's TLS for `localhost`, and its authority as PEM.
fn tls() -> (ServerTls, String) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = pair.cert.pem();
    let key_pem = corten_syntax::Secret::new(pair.signing_key.serialize_pem());
    let files = TlsFiles { cert_pem: pem.clone(), key_pem, ..TlsFiles::default() };
    (ServerTls::new(&TlsServer { files, ..TlsServer::default() }).unwrap(), pem)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_http_2_is_spoken_unless_the_file_says_otherwise() {
    let (tls, authority) = tls();
    let server = server("127.0.0.1:0", Some(tls)).await;
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    for (extra, version) in [("", Version::HTTP_2), ("force_attempt_http2 = false", Version::HTTP_11)] {
        let text = format!(
            "client {{\n endpoint = \"https://localhost:{port}\"\n {extra}\n tls {{\n ca_pem = {authority:?}\n insecure = true }}\n}}"
        );
        let exporter = start(&text).await;
        let before = server.seen.lock().unwrap().len();
        exporter.send(traces(&["a"])).await;
        assert_eq!(server.wait(before + 1)[before].version, version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_trusted_gets_nothing() {
    let (tls, _) = tls();
    let server = server("127.0.0.1:0", Some(tls)).await;
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    let exporter = start(&format!("client {{ endpoint = \"https://localhost:{port}\" }}")).await;
    exporter.send(traces(&["a"])).await;
    eventually("a failure", || {
        (exporter.metric("corten_delivery_retries_total", &[("data_type", "traces")]) > 0.0).then_some(())
    });
    assert!(server.seen.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_go_back_only_where_they_are_wanted() {
    let server = server("127.0.0.1:0", None).await;
    for (extra, expected) in [("cookies { enabled = true }", Some("route=7".to_owned())), ("", None)] {
        let text = format!("client {{\n endpoint = \"http://{}\"\n {extra}\n}}", server.address());
        let exporter = start(&text).await;
        let before = server.seen.lock().unwrap().len();
        exporter.send(traces(&["a"])).await;
        eventually("the answer", || (exporter.metric("otelcol_exporter_sent_spans_total", &[]) == 1.0).then_some(()));
        exporter.send(traces(&["b"])).await;
        assert_eq!(server.wait(before + 2)[before + 1].cookie, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keep_alive_every_request_says_so() {
    let server = server("127.0.0.1:0", None).await;
    let text = format!("client {{\n endpoint = \"http://{}\"\n disable_keep_alives = true\n}}", server.address());
    let exporter = start(&text).await;
    exporter.send(traces(&["a"])).await;
    assert_eq!(server.wait(1)[0].connection.as_deref(), Some("close"));
}
