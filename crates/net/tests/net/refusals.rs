//! Connections that are not borne with: how they are told, and what is counted.

use std::net::SocketAddr;
use std::time::Duration;

use corten_component::metrics::Registry;
use corten_net::server::{Installed, Limits, Listener, PingPolicy, Refusals};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::listener::{connect, serve_counting};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const LONG: Duration = Duration::from_secs(60);

struct Server {
    registry: Registry,
    listener: Listener,
    _installed: Installed,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let registry = Registry::new();
        let scope = registry.process();
        let refusals = Refusals::new(|reason| scope.counter("refused_total", "", &[("reason", reason)]));
        let (listener, installed) = serve_counting(limits, refusals).await;
        Self { registry, listener, _installed: installed }
    }

    async fn connect(&self) -> TcpStream {
        connect(self.listener.local_addr()).await
    }

    /// The reasons that were counted.
    fn refused(&self) -> Vec<String> {
        let text = self.registry.render();
        let of = |line: &str| {
            let (reason, count) = line.strip_prefix("refused_total{reason=\"")?.split_once("\"} ")?;
            Some(vec![reason.to_owned(); count.parse().ok()?])
        };
        text.lines().filter_map(of).flatten().collect()
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn hello() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// GET / as literals of HPACK.
fn get() -> Vec<u8> {
    frame(1, 5, 1, &[0x82, 0x86, 0x84, 0x01, 1, b'x'])
}

/// Every frame until the server closes: kind and payload.
async fn frames(stream: &mut TcpStream) -> Vec<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    let _ = timeout(LONG * 10, stream.read_to_end(&mut bytes)).await.expect("it closes");
    let (mut rest, mut frames) = (&bytes[..], Vec::new());
    while let [a, b, c, kind, ..] = rest {
        let end = 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        frames.push((*kind, rest[9..end].to_vec()));
        rest = &rest[end..];
    }
    frames
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_that_asks_for_nothing_is_told_to_go() {
    let server = Server::start(Limits { idle_timeout: None, ..Limits::default() }).await;
    for start in [&PREFACE[..10], PREFACE, &hello()] {
        let begun = Instant::now();
        let mut stream = server.connect().await;
        stream.write_all(start).await.unwrap();
        let said = frames(&mut stream).await;
        let waited = begun.elapsed().as_secs();
        assert!((20..30).contains(&waited), "{waited} s");
        if start.len() > PREFACE.len() {
            assert!(said.iter().any(|(kind, _)| *kind == GOAWAY), "{said:?}");
        }
    }
    assert_eq!(server.refused(), ["header"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_header_block_that_never_ends_ends_the_connection() {
    let server = Server::start(Limits { idle_timeout: None, ..Limits::default() }).await;
    // Without its end, and without the last of its bytes; after a request that was answered.
    let endless = frame(1, 0, 3, &[0x82]);
    let mut cut = get();
    cut[8] = 3;
    cut.pop();
    for block in [endless, cut] {
        let mut stream = server.connect().await;
        stream.write_all(&hello()).await.unwrap();
        stream.write_all(&get()).await.unwrap();
        // Silence alone is borne with.
        tokio::time::sleep(LONG).await;
        let begun = Instant::now();
        stream.write_all(&block).await.unwrap();
        frames(&mut stream).await;
        let waited = begun.elapsed().as_secs();
        assert!((20..30).contains(&waited), "{waited} s");
    }
    assert_eq!(server.refused(), ["header"; 2]);
}

#[tokio::test(start_paused = true)]
async fn who_pings_too_often_is_told_so_and_closed() {
    let pings = Some(PingPolicy { min_time: LONG, without_requests: true });
    let server = Server::start(Limits { pings, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    stream.write_all(&hello()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(&frame(PING, 0, 0, &[7; 8])).await.unwrap();
    }
    let mut answered = 0;
    while answered < 3 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        stream.read_exact(&mut vec![0; head[2].into()]).await.unwrap();
        answered += usize::from(head[3] == PING);
    }
    stream.write_all(&frame(PING, 0, 0, &[7; 8])).await.unwrap();
    let said = frames(&mut stream).await;
    let (_, words) = said.iter().find(|(kind, _)| *kind == GOAWAY).expect("GOAWAY");
    assert_eq!(words[..8], [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11], "ENHANCE_YOUR_CALM");
    assert_eq!(words[8..], *b"too_many_pings");
    assert_eq!(server.refused(), ["pings"]);
}

#[tokio::test]
async fn pings_after_answers_and_without_a_policy_are_fine() {
    let pings = Some(PingPolicy { min_time: LONG, without_requests: false });
    for pings in [pings, None] {
        let server = Server::start(Limits { pings, ..Limits::default() }).await;
        let mut stream = server.connect().await;
        stream.write_all(&hello()).await.unwrap();
        let mut request = get();
        let mut answers = 0;
        for number in 0..20 {
            request[8] = 2 * number + 1;
            stream.write_all(&request).await.unwrap();
            // The end of the answer.
            loop {
                let mut head = [0; 9];
                timeout(LONG, stream.read_exact(&mut head)).await.unwrap().unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                stream.read_exact(&mut vec![0; length]).await.unwrap();
                if head[3] == 0 && head[4] & 1 == 1 {
                    answers += 1;
                    break;
                }
            }
            stream.write_all(&frame(PING, 0, 0, &[7; 8])).await.unwrap();
        }
        assert_eq!((answers, server.refused().len()), (20, 0));
    }
}

async fn from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn a_peer_with_all_it_may_have_gets_no_more_and_others_do() {
    let server = Server::start(Limits { max_per_peer: Some(2), ..Limits::default() }).await;
    let to = server.listener.local_addr().socket_addr().unwrap();
    let mut held = Vec::new();
    for address in ["127.0.0.1", "127.0.0.1", "127.0.0.2"] {
        let mut stream = from(address, to).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut one_more = from("127.0.0.1", to).await;
    assert_eq!(timeout(LONG, one_more.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0, "closed at once");
    assert_eq!(server.refused(), ["peer_limit"]);
    drop(held);
    // Who has gone makes room.
    let again = async {
        loop {
            let mut stream = from("127.0.0.1", to).await;
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            if stream.read_exact(&mut [0; 12]).await.is_ok() {
                return;
            }
        }
    };
    timeout(LONG, again).await.unwrap();
}
