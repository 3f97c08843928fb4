//! Sockets of all kinds, with and without TLS.

use corten_net::Body;
use corten_net::args::{TlsClient, TlsFiles, TlsServer};
use corten_net::client::{ClientOptions, Failure, HttpClient, Versions};
use corten_net::grpc::{Code, Endpoint, GrpcClient, GrpcOptions};
use corten_net::http::Request;
use corten_receiver_otlp::{Grpc, Http, Transport};
use corten_syntax::Secret;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpStream, UnixStream};

use crate::support::{Harness, LONG, call, grpc, http, spans};

#[tokio::test]
async fn ipv6_is_served() {
    let harness = Harness::start(http(Http { endpoint: Some("[::1]:0".into()), ..Http::default() })).await;
    assert!(harness.address().socket_addr().unwrap().is_ipv6());
    assert_eq!(harness.post("application/x-protobuf", &[], spans(1)).await.status.as_u16(), 200);
}

#[tokio::test]
async fn unix_sockets_are_served_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("otlp.sock");
    // Left over from a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let endpoint = Some(path.display().to_string());
    let args = grpc(Grpc { endpoint, transport: Transport::Unix, ..Grpc::default() });
    let mut harness = Harness::start(args).await;
    let endpoint = Endpoint::parse(&format!("unix://{}", path.display()), true).unwrap();
    let client = GrpcClient::new(endpoint, GrpcOptions::default()).unwrap();
    call(&client, spans(1)).await.unwrap();
    assert_eq!(harness.consumer.items(), 1);
    harness.stop().await;
    harness.release();
    while path.exists() {
        tokio::task::yield_now().await;
    }
    assert!(UnixStream::connect(&path).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_told_while_preparing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut harness = Harness::idle();
    let error = harness.replace(http(Http { endpoint: Some(address.clone()), ..Http::default() })).await.unwrap_err();
    assert!(error.message.contains(&address) && error.message.contains("in use"), "{error}");
}

#[tokio::test]
async fn nothing_listens_when_the_last_user_has_gone() {
    let mut harness = Harness::start(http(Http::default())).await;
    let address = harness.address().socket_addr().unwrap();
    TcpStream::connect(address).await.unwrap();
    harness.stop().await;
    harness.release();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// An authority with certificates for a server and a client.
struct Pki {
    ca: String,
    server: (String, String),
    client: (String, String),
}

fn pki() -> Pki {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    Pki { server: signed("localhost"), client: signed("client"), ca: ca_pem }
}

fn files(ca: &str, identity: Option<&(String, String)>) -> TlsFiles {
    let (cert_pem, key_pem) = identity.cloned().unwrap_or_default();
    TlsFiles { ca_pem: ca.to_owned(), cert_pem, key_pem: Secret::new(key_pem), ..TlsFiles::default() }
}

#[tokio::test]
async fn tls_is_spoken_by_http_and_grpc() {
    let pki = pki();
    let server = TlsServer { files: files("", Some(&pki.server)), ..TlsServer::default() };
    let tls = TlsClient { files: files(&pki.ca, None), ..TlsClient::default() };
    let harness = Harness::start(http(Http { tls: Some(server.clone()), ..Http::default() })).await;
    for versions in [Versions::Http1, Versions::Negotiated, Versions::Http2] {
        let client = HttpClient::new(ClientOptions { tls: tls.clone(), versions, ..ClientOptions::default() }).unwrap();
        let request = Request::post(format!("https://{}/v1/traces", harness.address()));
        let request = request.header("content-type", "application/x-protobuf").body(Body::from(spans(1))).unwrap();
        assert_eq!(client.send(request, LONG, 1000).await.unwrap().status.as_u16(), 200, "{versions:?}");
    }
    let stranger = HttpClient::new(ClientOptions::default()).unwrap();
    let request = Request::post(format!("https://{}/v1/traces", harness.address())).body(Body::empty()).unwrap();
    let error = stranger.send(request, LONG, 1000).await.unwrap_err();
    assert!(error.failure == Failure::Connect && error.message.contains("TLS"), "{error}");
    let harness = Harness::start(grpc(Grpc { tls: Some(server), ..Grpc::default() })).await;
    let endpoint = Endpoint::parse(&harness.address().to_string(), false).unwrap();
    let client = GrpcClient::new(endpoint, GrpcOptions { tls, ..GrpcOptions::default() }).unwrap();
    call(&client, spans(1)).await.unwrap();
}

#[tokio::test]
async fn mutual_tls_lets_in_who_has_a_certificate() {
    let pki = pki();
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, &pki.ca).unwrap();
    let server = TlsServer { files: files("", Some(&pki.server)), client_ca_file: ca_file.display().to_string() };
    let harness = Harness::start(grpc(Grpc { tls: Some(server), ..Grpc::default() })).await;
    let client = |identity| {
        let tls = TlsClient { files: files(&pki.ca, identity), ..TlsClient::default() };
        let endpoint = Endpoint::parse(&harness.address().to_string(), false).unwrap();
        GrpcClient::new(endpoint, GrpcOptions { tls, ..GrpcOptions::default() }).unwrap()
    };
    call(&client(Some(&pki.client)), spans(1)).await.unwrap();
    assert_eq!(call(&client(None), spans(1)).await.unwrap_err().code, Code::Unavailable);
    assert_eq!(harness.consumer.items(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_certificates_names_the_place() {
    let pki = pki();
    let mut harness = Harness::idle();
    let mut with = async |files: TlsFiles| {
        let tls = Some(TlsServer { files, ..TlsServer::default() });
        harness.replace(http(Http { tls, ..Http::default() })).await.unwrap_err().to_string()
    };
    let missing = TlsFiles { cert_file: "/no/such.pem".into(), key_file: "/no/key.pem".into(), ..TlsFiles::default() };
    assert!(with(missing).await.contains("/no/such.pem"));
    let none = with(TlsFiles::default()).await;
    assert!(none.contains("certificate"), "{none}");
    let broken = with(files("", Some(&(pki.server.0.clone(), "canary".into())))).await;
    assert!(broken.contains("key_pem") && !broken.contains("canary"), "{broken}");
    let other = with(files("", Some(&(pki.server.0.clone(), pki.client.1.clone())))).await;
    assert!(other.contains("do not fit"), "{other}");
}
