//! Requests that are rare: in pieces, in chunks, many at once, too long, too slow, given up.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::http1::{Client, How, traceparent};
use crate::ledger::{Asked, compare, demand, now};
use crate::services::{go, node, threads, uvicorn};
use crate::watched::Watched;

fn shapes(name: &str, address: SocketAddr) -> Vec<Asked> {
    let path = |what: &str| format!("/200/1000/{name}-{what}");
    let mut all = Vec::new();
    let mut client = Client::connect(address);
    all.push(client.ask("POST", &path("chunks"), "", 5000, How::Chunked));
    all.push(client.ask("POST", &path("continue"), "", 5000, How::Continue));
    all.push(client.ask("POST", &path("pieces"), &traceparent(1), 300, How::Pieces(7)));
    all.push(client.ask("POST", &path("bytes"), &traceparent(2), 3, How::Pieces(1)));
    all.push(client.ask("GET", &format!("{}?a=secret&b=2", path("query")), "", 0, How::Plain));
    // Heads as long as servers bear them, `traceparent` first.
    for size in [3000, 7000, 12_000] {
        let long = format!("{}Cookie: {}\r\n", traceparent(size), "c".repeat(size));
        all.push(client.ask("POST", &path(&format!("head-{size}")), &long, 10, How::Plain));
        all.push(client.get(&path(&format!("behind-{size}"))));
    }
    let long = "l".repeat(1500);
    all.push(client.get(&path(&format!("long-{long}"))));
    // Chunked answers behind each other, and one that is awaited.
    for n in 0..5 {
        all.push(client.get(&format!("/200/c{}/{name}-chunked-{n}", 10_usize.pow(n))));
    }
    all.push(client.get(&format!("/200/10/{name}-slow/600")));
    all.push(client.ask("HEAD", &format!("/200/70000/{name}-no-body"), "", 0, How::Plain));
    all.push(client.get(&path("last")));
    all
}

/// A client that takes its time to send and to read.
fn slow(name: &str, address: SocketAddr) -> Asked {
    let (path, began) = (format!("/200/300000/{name}-slow-peer"), now());
    let mut client = Client::connect(address);
    for piece in [format!("GET {path} HT").as_str(), "TP/1.1\r\nHost: x\r\nX-Slow: ", "1\r\n", "\r\n"] {
        client.write(piece.as_bytes()).unwrap();
        // Longer than any silence that is taken for an end.
        std::thread::sleep(std::time::Duration::from_millis(450));
    }
    Asked { method: "GET", path, began, ..client.answer("GET").unwrap() }
}

fn right(name: &str, port: u16, asked: impl FnOnce() -> Vec<Asked>) {
    let Some(watched) = Watched::ports(&[port], 1) else { return };
    let asked = asked();
    watched.settle(asked.len());
    let (seen, _) = watched.finish();
    demand(&compare(name, &asked, seen.iter().filter(|span| span.server)));
}

#[test]
fn shapes_at_python() {
    let Some(server) = threads(0, None) else { return };
    right("shapes at python", server.port(), || {
        let mut all = shapes("python", server.address);
        all.push(slow("python", server.address));
        all.push(upgrade(server.address));
        all
    });
}

#[test]
fn shapes_at_node() {
    let Some(server) = node("http", 0, None) else { return };
    right("shapes at node", server.port(), || {
        let mut all = shapes("node", server.address);
        all.extend(pipelines("node", server.address));
        all.push(slow("node", server.address));
        all
    });
}

#[test]
fn shapes_at_go() {
    let Some(server) = go(0) else { return };
    right("shapes at go", server.port(), || {
        let mut all = shapes("go", server.address);
        all.extend(pipelines("go", server.address));
        all.push(slow("go", server.address));
        all
    });
}

#[test]
fn shapes_at_uvicorn() {
    let Some(server) = uvicorn("httptools") else { return };
    right("shapes at uvicorn", server.port(), || {
        let mut all = shapes("uvicorn", server.address);
        all.extend(pipelines("uvicorn", server.address));
        all
    });
}

fn pipelines(name: &str, address: SocketAddr) -> Vec<Asked> {
    let mut client = Client::connect(address);
    let mut all = Vec::new();
    for (round, many) in [2, 5, 30, 100].into_iter().enumerate() {
        let path =
            |n: usize| format!("/200/{}/{name}-pipeline-{round}-{n}", if n.is_multiple_of(9) { 6000 } else { 30 });
        all.extend(client.pipeline(&(0..many).map(path).collect::<Vec<_>>()));
    }
    all
}

/// The connection speaks something else afterwards, which looks like a request.
fn upgrade(address: SocketAddr) -> Asked {
    let mut client = Client::connect(address);
    let headers = "Connection: Upgrade\r\nUpgrade: corten-test\r\n";
    let asked = client.ask("GET", "/200/0/upgrade", headers, 0, How::Plain);
    client.write(b"GET /no/request HTTP/1.1\r\n").unwrap();
    asked
}

/// Clients that go away: a request whose answer nobody reads is told once, at most.
#[test]
fn clients_that_leave() {
    let Some(server) = threads(0, None) else { return };
    let Some(watched) = Watched::ports(&[server.port()], 1) else { return };
    for n in 0..20 {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "GET /200/300000/left-{n}/30 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        if n % 2 == 0 {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET /200/1/half HTTP/1.1\r\nHos").unwrap();
    drop(half);
    let asked = Client::connect(server.address).get("/200/5/after");
    watched.settle(21);
    let (seen, _) = watched.finish();
    for n in 0..20 {
        let path = format!("/200/300000/left-{n}/30");
        let spans: Vec<_> = seen.iter().filter(|span| span.path == path).collect();
        assert_eq!(spans.len(), 1, "{spans:?}");
    }
    assert_eq!(seen.iter().filter(|span| span.path == asked.path).count(), 1);
}
