//! Encrypted connections and unix sockets: what needs a server of another kind.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use corten_component::NodeId;
use corten_net::args::{TlsFiles, TlsServer};
use corten_net::http::Request;
use corten_net::server::{Installed, Listener, Serving};
use corten_net::tls::ServerTls;
use corten_net::{Address, Body, grpc};
use corten_testkit::eventually;
use corten_testkit::exporter::traces;

use crate::bench::start;

struct Server {
    /// The authority that each call named.
    called: Arc<Mutex<Vec<String>>>,
    listener: Arc<Listener>,
    _installed: Installed,
}

async fn server(address: &str, tls: Option<ServerTls>) -> Server {
    let listener = Arc::new(Listener::bind(&Address::parse(address).unwrap()).unwrap());
    let called: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&called);
    let handler = move |request: Request<Body>| {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        log.lock().unwrap().push(authority);
        async move {
            let _ = request.into_body().collect(10 << 20).await;
            grpc::reply(Bytes::new())
        }
    };
    let serving = Serving { tls, ..Serving::new(Arc::new(handler)) };
    let installed = listener.install(&NodeId::root("test"), serving).await.unwrap();
    Server { called, listener, _installed: installed }
}

async fn delivers(text: &str) {
    let exporter = start(text).await;
    exporter.send(traces(&["a"])).await;
    eventually("delivery", || (exporter.metric("otelcol_exporter_sent_spans_total", &[]) == 1.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_scheme_it_is_tls() {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let authority = pair.cert.pem();
    let key_pem = corten_syntax::Secret::new(pair.signing_key.serialize_pem());
    let files = TlsFiles { cert_pem: authority.clone(), key_pem, ..TlsFiles::default() };
    let tls = ServerTls::new(&TlsServer { files, ..TlsServer::default() }).unwrap();
    let server = server("127.0.0.1:0", Some(tls)).await;
    let port = server.listener.local_addr().to_string().rsplit(':').next().unwrap().to_owned();
    delivers(&format!("client {{\n endpoint = \"localhost:{port}\"\n tls {{ ca_pem = {authority:?} }}\n}}")).await;
    delivers(&format!(
        "client {{\n endpoint = \"dns:///127.0.0.1:{port}\"\n tls {{ ca_pem = {authority:?}\n server_name = \"localhost\" }}\n}}"
    ))
    .await;
    let exporter = start(&format!("client {{ endpoint = \"localhost:{port}\" }}")).await;
    exporter.send(traces(&["a"])).await;
    eventually("a failure", || {
        (exporter.metric("corten_delivery_retries_total", &[("data_type", "traces")]) > 0.0).then_some(())
    });
    assert_eq!(server.called.lock().unwrap().len(), 2, "a server that is not trusted gets nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_is_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otlp.sock");
    let server = server(&format!("unix:{}", path.display()), None).await;
    let text = format!(
        "client {{\n endpoint = \"unix://{}\"\n authority = \"collector.example\"\n tls {{ insecure = true }}\n}}",
        path.display()
    );
    delivers(&text).await;
    assert_eq!(*server.called.lock().unwrap(), ["collector.example"]);
}
