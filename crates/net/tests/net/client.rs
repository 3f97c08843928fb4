//! Clients: deadlines, limits, proxies, redirects, credentials.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corten_component::NodeId;
use corten_net::Body;
use corten_net::args;
use corten_net::client::{ClientOptions, ConfiguredClient, Failure, HttpClient, Outgoing, Proxy};
use corten_net::grpc::{Code, Endpoint, GrpcClient, GrpcOptions};
use corten_net::http::{HeaderMap, Method, Request, Response};
use corten_net::server::{Installed, Listener, Serving};
use corten_syntax::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LONG: Duration = Duration::from_secs(30);

/// A server that answers by path and remembers what it was asked.
struct Server {
    listener: Listener,
    _installed: Installed,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

async fn server(other: Option<String>) -> Server {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let handler = move |request: Request<Body>| {
        let (other, log) = (other.clone(), Arc::clone(&log));
        async move {
            let path = request.uri().path().to_owned();
            log.lock().unwrap().push((format!("{} {path}", request.method()), request.headers().clone()));
            let to = |status: u16, location: String| {
                Response::builder().status(status).header("location", location).body(Body::empty()).unwrap()
            };
            match path.as_str() {
                "/here" => to(302, "there".into()),
                "/away" => to(307, format!("{}/there", other.unwrap_or_default())),
                "/round" => to(308, "/round".into()),
                "/token" => Response::new(r#"{"access_token":"abc","token_type":"bearer","expires_in":3600}"#.into()),
                "/large" => Response::new(vec![b'x'; 100_000].into()),
                "/never" => std::future::pending().await,
                _ => Response::new("there".into()),
            }
        }
    };
    let installed = listener.install(&NodeId::root("a"), Serving::new(Arc::new(handler))).await.unwrap();
    Server { listener, _installed: installed, seen }
}

impl Server {
    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr())
    }

    fn seen(&self) -> Vec<(String, HeaderMap)> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn get(url: String) -> Outgoing {
    Outgoing { method: Method::GET, uri: url.parse().unwrap(), headers: HeaderMap::new(), body: Default::default() }
}

fn plain(url: String) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    let server = server(None).await;
    let client = HttpClient::new(ClientOptions::default()).unwrap();
    let answer = client.send(plain(server.url() + "/large"), LONG, 1000).await.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (1000, true));
    let answer = client.send(plain(server.url() + "/large"), LONG, 100_000).await.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (100_000, false));
}

#[tokio::test]
async fn failures_say_where_they_happened() {
    let server = server(None).await;
    let client = HttpClient::new(ClientOptions::default()).unwrap();
    let error = client.send(plain(server.url() + "/never"), Duration::from_millis(20), 10).await.unwrap_err();
    assert_eq!(error.failure, Failure::Timeout);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client.send(plain(format!("http://{free}/")), LONG, 10).await.unwrap_err();
    assert_eq!(error.failure, Failure::Connect);
    assert!(error.message.contains(&free.to_string()) && error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn credentials_and_headers_go_to_their_server_only() {
    let other = server(None).await;
    let server = server(Some(other.url())).await;
    let settings = args::HttpClient {
        bearer_token: Secret::new("secret"),
        http_headers: BTreeMap::from([("X-Own".to_owned(), vec![Secret::new("own")])]),
        ..args::HttpClient::default()
    };
    let client = ConfiguredClient::new(&settings).unwrap();
    let answer = client.send(get(server.url() + "/away"), LONG, 100).await.unwrap();
    assert_eq!(answer.body, "there");
    let (_, headers) = server.seen().remove(0);
    assert_eq!(
        (headers["authorization"].as_bytes(), headers["x-own"].as_bytes()),
        (&b"Bearer secret"[..], &b"own"[..])
    );
    let (_, headers) = other.seen().remove(0);
    assert!(!headers.contains_key("authorization") && !headers.contains_key("x-own"));
}

#[tokio::test]
async fn redirects_are_followed_unless_told_not_to() {
    let server = server(None).await;
    let client = ConfiguredClient::new(&args::HttpClient::default()).unwrap();
    let post = Outgoing { method: Method::POST, body: "x".into(), ..get(server.url() + "/here") };
    assert_eq!(client.send(post, LONG, 100).await.unwrap().body, "there");
    let seen: Vec<_> = server.seen().into_iter().map(|(line, _)| line).collect();
    assert_eq!(seen, ["POST /here", "GET /there"]);
    let error = client.send(get(server.url() + "/round"), LONG, 100).await.unwrap_err();
    assert!(error.message.contains("redirects"), "{error}");
    let stay = ConfiguredClient::new(&args::HttpClient { follow_redirects: false, ..Default::default() }).unwrap();
    assert_eq!(stay.send(get(server.url() + "/here"), LONG, 100).await.unwrap().status.as_u16(), 302);
}

#[tokio::test]
async fn a_token_is_fetched_once() {
    let server = server(None).await;
    let oauth2 = args::OAuth2 {
        client_id: "id".into(),
        client_secret: Secret::new("secret"),
        token_url: server.url() + "/token",
        scopes: vec!["a".into(), "b".into()],
        ..args::OAuth2::default()
    };
    let client = ConfiguredClient::new(&args::HttpClient { oauth2: Some(oauth2), ..Default::default() }).unwrap();
    for _ in 0..2 {
        client.send(get(server.url() + "/there"), LONG, 100).await.unwrap();
    }
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["POST /token", "GET /there", "GET /there"]);
    assert!(seen[0].1["authorization"].to_str().unwrap().starts_with("Basic "));
    assert_eq!(seen[2].1["authorization"], "Bearer abc");
}

#[tokio::test]
async fn plain_requests_ask_the_proxy_and_encrypted_ones_ask_for_a_tunnel() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::fixed(&format!("http://user:pass@{}", listener.local_addr().unwrap())).unwrap();
    let client = HttpClient::new(ClientOptions { proxy, ..ClientOptions::default() }).unwrap();
    let heads = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            heads.push(String::from_utf8(head).unwrap());
        }
        heads
    });
    client.send(plain("http://example.test/a".into()), LONG, 10).await.unwrap();
    let error = client.send(plain("https://example.test/a".into()), LONG, 10).await.unwrap_err();
    assert!(error.failure == Failure::Connect && error.message.contains("403"), "{error}");
    let heads = heads.await.unwrap();
    assert!(heads[0].starts_with("GET http://example.test/a HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("CONNECT example.test:443 HTTP/1.1\r\n"), "{}", heads[1]);
    assert!(heads[1].contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{}", heads[1]);
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date() {
    let at = |value: &str| {
        let headers = HeaderMap::from_iter([(corten_net::http::header::RETRY_AFTER, value.parse().unwrap())]);
        corten_net::client::Answer {
            status: corten_net::http::StatusCode::OK,
            headers,
            body: Default::default(),
            truncated: false,
            trailers: None,
        }
        .retry_after()
    };
    assert_eq!(at("7"), Some(Duration::from_secs(7)));
    assert_eq!(at("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    assert!(at("Wed, 21 Oct 2099 07:28:00 GMT").is_some_and(|after| after > Duration::from_secs(1_000_000)));
    assert_eq!(at("soon"), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_connection_fails_at_once_or_waits_for_one() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let timeout = Duration::from_secs(20);
    for (wait_for_ready, expected) in [(false, 0..1), (true, 18..21)] {
        let endpoint = Endpoint::parse(&nobody.to_string(), true).unwrap();
        let client = GrpcClient::new(endpoint, GrpcOptions { wait_for_ready, ..GrpcOptions::default() }).unwrap();
        let start = tokio::time::Instant::now();
        let status = client.unary("/a.B/C", HeaderMap::new(), Vec::new(), false, timeout, 100).await.unwrap_err();
        assert_eq!(status.code, Code::Unavailable, "{}", status.message);
        assert!(expected.contains(&start.elapsed().as_secs()), "{wait_for_ready}: {:?}", start.elapsed());
    }
}
