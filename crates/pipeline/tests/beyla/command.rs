//! `corten beyla` in place of the program of a unit.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use corten_testkit::{Sink, eventually, free_address};

use super::{BINARY, Client, Server, attribute, server_spans};

struct Unit(Child);

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn the_variables_of_a_unit_are_enough() {
    let (server, http, prometheus, sink) = (free_address(), free_address(), free_address(), Sink::start());
    let _server = Server::start(server);
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(BINARY);
    command.args(["beyla", "--server.http.listen-addr", &http.to_string()]).current_dir(directory.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, value) in [
        ("BEYLA_OPEN_PORT", server.port().to_string()),
        ("BEYLA_SERVICE_NAME", "workstation-services".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url()),
        ("BEYLA_PROMETHEUS_PORT", prometheus.port().to_string()),
        ("OTEL_EBPF_METRICS_FEATURES", "application,application_span".to_owned()),
    ] {
        command.env(name, value);
    }
    let _unit = Unit(command.spawn().expect("the program"));
    let health = eventually("a word about observing", || {
        let text = get(http, "/api/v0/web/components/beyla.ebpf.environment")?;
        (text.contains("observing 1 processes") || text.contains("nothing can be observed")).then_some(text)
    });
    if !health.contains("observing 1 processes") {
        println!("skipped: {health}");
        return;
    }
    let mut client = Client::connect(server);
    for path in ["/users/17", "/users/18", "/missing?password=hunter2"] {
        client.ask("GET", path, "", "");
    }
    let found = eventually("three spans", || Some(server_spans(&sink)).filter(|found| found.len() >= 3));
    assert_eq!(found.len(), 3);
    assert_eq!(attribute(&found[2], "url.query"), "password=REDACTED");
    let metrics = get(SocketAddr::from(([127, 0, 0, 1], prometheus.port())), "/metrics").expect("metrics");
    for wanted in [
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/users/*\",",
        "traces_spanmetrics_calls_total{",
        "target_info{",
        "beyla_build_info{",
    ] {
        assert!(metrics.contains(wanted), "{wanted} in\n{metrics}");
    }
    let elsewhere = get(http, "/api/v0/component/beyla.ebpf.environment/metrics").expect("metrics");
    assert!(elsewhere.contains("traces_target_info{"));
    assert!(get(prometheus, "/other").expect("an answer").contains("404"));
}
