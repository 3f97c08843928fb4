//! `beyla.ebpf` through the real binary: servers that know nothing of it, and exactly one span for each request.
//!
//! Needs a kernel and rights that let programs in; where there are none, a test says so and ends.
#![cfg(feature = "ebpf")]
#![allow(clippy::print_stdout, reason = "a test that cannot run says why")]

mod command;
mod privileged;
mod requests;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use corten_proto::otlp::common::any_value::Value;
use corten_proto::otlp::trace::Span;
use corten_proto::otlp::trace::span::SpanKind;
use corten_testkit::{Collector, Sink, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

/// Answers `/n` with n bytes, `/missing` with 404, and keeps connections.
const SERVER: &str = r#"
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        name = self.path.split("?")[0].strip("/")
        status, size = (200, int(name)) if name.isdigit() else (404 if name == "missing" else 200, 2)
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(b"x" * size)
    do_GET = do_POST = answer
    def log_message(self, *args):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

struct Server(Child);

impl Server {
    fn start(address: SocketAddr) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", SERVER, &address.port().to_string()]).stdin(Stdio::null());
        let server = Self(command.spawn().expect("python3"));
        eventually("the server", || TcpStream::connect(address).ok());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A connection that is kept.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).expect("a connection")))
    }

    fn ask(&mut self, method: &str, target: &str, headers: &str, body: &str) -> u16 {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).expect("a request");
        let mut status = String::new();
        self.0.read_line(&mut status).expect("a status line");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a header");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        self.0.read_exact(&mut vec![0; length]).expect("a body");
        status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
    }
}

fn spans(sink: &Sink) -> Vec<Span> {
    let resources = sink.received().into_iter().flat_map(|received| received.traces().resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn attribute(span: &Span, name: &str) -> String {
    let value = span.attributes.iter().find(|pair| pair.key == name).and_then(|pair| pair.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Those of what processes answered.
fn server_spans(sink: &Sink) -> Vec<Span> {
    spans(sink).into_iter().filter(|span| span.kind() == SpanKind::Server).collect()
}

/// Waits until so many processes are observed; `false` where the kernel or our rights do not allow it.
fn observes(collector: &Collector, processes: usize) -> bool {
    let wanted = format!("observing {processes} processes");
    let health = eventually("a word about observing", || {
        let (_, text) = collector.get("/api/v0/web/components/beyla.ebpf.apps");
        (text.contains(&wanted) || text.contains("nothing can be observed")).then_some(text)
    });
    let works = health.contains(&wanted);
    if !works {
        println!("skipped: {health}");
    }
    works
}
