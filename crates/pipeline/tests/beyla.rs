//! `beyla.ebpf` through the real binary: a server that knows nothing of it, and exactly one span for each request.
//!
//! Needs a kernel and rights that let programs in; where there are none, the test says so and ends.
#![cfg(feature = "ebpf")]
#![allow(clippy::print_stdout, reason = "a test that cannot run says why")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use corten_proto::otlp::common::any_value::Value;
use corten_proto::otlp::trace::Span;
use corten_testkit::{Collector, Sink, eventually, free_address};

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

/// Waits until processes are observed; `false` where the kernel or our rights do not allow it.
fn observes(collector: &Collector) -> bool {
    let health = eventually("a word about observing", || {
        let (_, text) = collector.get("/api/v0/web/components/beyla.ebpf.apps");
        (text.contains("observing 1 processes") || text.contains("nothing can be observed")).then_some(text)
    });
    let works = health.contains("observing 1 processes");
    if !works {
        println!("skipped: {health}");
    }
    works
}

#[test]
fn every_request_is_one_right_span() {
    let (sink, address) = (Sink::start(), free_address());
    let _server = Server::start(address);
    let config = format!(
        r#"
beyla.ebpf "apps" {{
	discovery {{
		instrument {{
			name       = "shop"
			open_ports = "{}"
		}}
	}}
	output {{
		traces = [otelcol.exporter.otlphttp.sink.input]
	}}
}}

otelcol.exporter.otlphttp "sink" {{
	client {{
		endpoint = "{}"
	}}
}}
"#,
        address.port(),
        sink.url()
    );
    let collector = Collector::start(BINARY, &config);
    if !observes(&collector) {
        return;
    }

    let mut client = Client::connect(address);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for n in 0..40 {
        assert_eq!(client.ask("GET", &format!("/{}", n * 500), "", ""), 200);
    }
    assert_eq!(client.ask("GET", "/missing?token=secret", "", ""), 404);
    assert_eq!(client.ask("POST", "/orders", &format!("traceparent: {parent}\r\n"), &"y".repeat(5000)), 200);
    // An export of telemetry is no request of the service.
    assert_eq!(client.ask("POST", "/v1/traces", "Content-Type: application/x-protobuf\r\n", "x"), 200);
    let mut others: Vec<Client> = (0..10).map(|_| Client::connect(address)).collect();
    for client in &mut others {
        assert_eq!(client.ask("GET", "/last", "", ""), 200);
    }

    let wanted = 40 + 2 + 10;
    let found = eventually("a span for each request", || Some(spans(&sink)).filter(|found| found.len() >= wanted));
    assert_eq!(found.len(), wanted, "{:?}", found.iter().map(|span| &span.name).collect::<Vec<_>>());
    let with_path =
        |path: &str| -> Vec<&Span> { found.iter().filter(|span| attribute(span, "url.path") == path).collect() };
    for n in 0..40 {
        let path = format!("/{}", n * 500);
        let span = with_path(&path);
        assert_eq!(span.len(), 1, "{path}");
        assert_eq!(span[0].name, "GET /*");
        assert_eq!(attribute(span[0], "http.response.body.size"), (n * 500).to_string());
        assert_eq!(attribute(span[0], "http.response.status_code"), "200");
        assert_eq!(attribute(span[0], "server.address"), "shop.example");
        assert!(span[0].end_time_unix_nano > span[0].start_time_unix_nano);
    }
    let missing = with_path("/missing")[0];
    assert_eq!(attribute(missing, "http.response.status_code"), "404");
    assert!(missing.attributes.iter().all(|pair| !format!("{pair:?}").contains("secret")));
    let order = with_path("/orders")[0];
    assert_eq!(attribute(order, "http.request.body.size"), "5000");
    assert_eq!(order.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(order.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(with_path("/last").len(), 10);
    let resource = &sink.received()[0].traces().resource_spans[0];
    let resource = resource.resource.as_ref().expect("a resource");
    assert!(resource.attributes.iter().any(|pair| pair.key == "service.name" && format!("{pair:?}").contains("shop")));

    let told = collector.metrics().sum("corten_beyla_exchanges_total", &[("outcome", "told")]);
    assert!((told - wanted as f64).abs() < f64::EPSILON, "{told}");
    let (status, metrics) = collector.get("/api/v0/component/beyla.ebpf.apps/metrics");
    assert_eq!(status, 200);
    let counted: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("http_server_request_duration_seconds_count"))
        .map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).expect("a count"))
        .sum();
    assert_eq!(counted, wanted as u64);
}

#[test]
fn without_rights_the_component_is_unhealthy_and_the_rest_lives() {
    let config = "beyla.ebpf \"apps\" {\n\tdiscovery {\n\t\tinstrument {\n\t\t\topen_ports = \"1\"\n\t\t}\n\t}\n}\n";
    // A user without rights, in place of dropping them one by one.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", BINARY]);
    if Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: there is no setpriv");
        return;
    }
    let collector = Collector::start_by(command, config, &[]);
    let health = eventually("a word about observing", || {
        let (_, text) = collector.get("/api/v0/web/components/beyla.ebpf.apps");
        (text.contains("observing") || text.contains("nothing can be observed")).then_some(text)
    });
    assert!(health.contains("unhealthy") && health.contains("nothing can be observed"), "{health}");
    assert_eq!(collector.get("/-/ready").0, 200);
}
