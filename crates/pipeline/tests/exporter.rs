//! `corten exporter` through the real binary: what a Prometheus that comes by itself sees.

#![cfg(feature = "source-node")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use corten_testkit::{Collector, eventually, free_address};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

/// A running `corten exporter`. Dropping it kills it.
struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Exporter {
    fn start(which: &str, flags: &[&str]) -> Self {
        Self::start_at(which, free_address(), flags)
    }

    fn start_at(which: &str, address: SocketAddr, flags: &[&str]) -> Self {
        let child = Command::new(BINARY)
            .args(["exporter", which, &format!("--listen={address}")])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let exporter = Self { child, address };
        eventually("the exporter to answer", || (exporter.get("/-/ready").0 == 200).then_some(()));
        exporter
    }

    fn get(&self, path: &str) -> (u16, String) {
        let exchange = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let Ok(answer) = exchange() else { return (0, String::new()) };
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
    }

    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        let status = eventually("the exporter to end", || self.child.try_wait().ok().flatten());
        let mut log = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
        (status.code(), log)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn failing(args: &[&str]) -> String {
    let output = Command::new(BINARY).arg("exporter").args(args).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn a_recorded_nixos_is_served_and_ends_cleanly() {
    let root = tempfile::tempdir().expect("a folder");
    let profiles = root.path().join("nix/var/nix/profiles");
    std::fs::create_dir_all(&profiles).expect("folders");
    for link in ["system-3-link", "system-4-link"] {
        std::os::unix::fs::symlink("/nix/store/x-nixos", profiles.join(link)).expect("a link");
    }
    std::os::unix::fs::symlink("system-4-link", profiles.join("system")).expect("a link");
    let exporter = Exporter::start("nixos", &[&format!("--path.rootfs={}", root.path().display())]);
    let (status, metrics) = exporter.get("/metrics");
    assert_eq!(status, 200);
    for line in ["# TYPE nixos_generations_total gauge", "nixos_generations_total 2", "nixos_generation_current 4"] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in {metrics}");
    }
    let (status, page) = exporter.get("/");
    assert!(status == 200 && page.contains("href=\"metrics\"") && page.contains("NixOS"), "{page}");
    assert_eq!(exporter.get("/nothing").0, 404);
    let (code, log) = exporter.end("-TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("metrics are at /metrics"), "{log}");
}

#[test]
fn without_a_bus_the_systemd_exporter_answers_all_the_same() {
    let exporter = Exporter::start("systemd", &["--bus-address=unix:path=/nowhere/bus"]);
    let (status, metrics) = exporter.get("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("\nsystemd_exporter_scrape_success 0\n"), "{metrics}");
    let (code, log) = exporter.end("-INT");
    assert_eq!(code, Some(0));
    assert!(log.contains("systemd could not be asked over D-Bus"), "{log}");
}

#[test]
fn the_machine_is_served_in_node_exporter_s_names() {
    let exporter = Exporter::start("node", &["--no-collector.cpu"]);
    let (status, metrics) = exporter.get("/metrics");
    assert_eq!(status, 200);
    for start in ["node_load1 ", "node_exporter_build_info{", "node_scrape_collector_success{collector=\"stat\"} 1"] {
        assert!(metrics.lines().any(|found| found.starts_with(start)), "{start} is missing in {metrics}");
    }
    assert!(!metrics.contains("node_cpu_seconds_total"), "{metrics}");
    let (_, only) = exporter.get("/metrics?collect[]=loadavg");
    assert!(only.contains("node_load1 ") && !only.contains("node_memory_"), "{only}");
    let url = format!("http://{}/metrics", exporter.address);
    let plain = Command::new("curl").args(["-sD", "-", &url]).output().expect("curl").stdout;
    let packed = Command::new("curl").args(["-sD", "-", "-H", "Accept-Encoding: gzip", &url]).output().expect("curl");
    let packed = packed.stdout;
    assert!(String::from_utf8_lossy(&packed).to_ascii_lowercase().contains("content-encoding: gzip"));
    assert!(packed.len() * 3 < plain.len(), "{} bytes packed, {} plain", packed.len(), plain.len());
    assert_eq!(exporter.end("-TERM").0, Some(0));
}

/// Reads what a component sends until a line has all of these words.
fn await_sent(collector: &Collector, component: &str, words: &[&str]) {
    let mut stream = TcpStream::connect(collector.http()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let host = collector.http();
    write!(stream, "GET /api/v0/web/debug/{component} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("it reads");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("another line"));
    let found = lines.any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "the stream has ended without {words:?}");
}

#[test]
fn up_turns_one_when_the_exporters_run() {
    let (nixos, systemd) = (free_address(), free_address());
    let config = format!(
        r#"
        livedebugging {{
            enabled = true
        }}
        prometheus.scrape "nixos_exporters" {{
            job_name        = "nixos-exporters"
            targets         = [{{"__address__" = "{nixos}"}}, {{"__address__" = "{systemd}"}}]
            scrape_interval = "250ms"
            scrape_timeout  = "250ms"
            forward_to      = [prometheus.relabel.up.receiver]
        }}
        prometheus.relabel "up" {{
            rule {{
                source_labels = ["__name__"]
                regex         = "up|nixos_exporter_build_info|systemd_exporter_scrape_success"
                action        = "keep"
            }}
            forward_to = [prometheus.relabel.end.receiver]
        }}
        prometheus.relabel "end" {{
            forward_to = []
        }}
        "#
    );
    let collector = Collector::start(BINARY, &config);
    let sent = |words: &[&str]| await_sent(&collector, "prometheus.relabel.up", words);
    let (nixos_name, systemd_name) = (format!("instance=\"{nixos}\""), format!("instance=\"{systemd}\""));
    for instance in [&nixos_name, &systemd_name] {
        sent(&["up{", instance, "job=\"nixos-exporters\"", "value=0"]);
    }
    let _nixos = Exporter::start_at("nixos", nixos, &[]);
    let _systemd = Exporter::start_at("systemd", systemd, &["--bus-address=unix:path=/nowhere/bus"]);
    for instance in [&nixos_name, &systemd_name] {
        sent(&["up{", instance, "value=1"]);
    }
    sent(&["nixos_exporter_build_info{", &nixos_name, "value=1"]);
    sent(&["systemd_exporter_scrape_success{", &systemd_name, "value=0"]);
}

#[test]
fn what_is_wrong_is_said() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("an address");
    let error = failing(&["nixos", &format!("--listen={taken}")]);
    assert!(error.contains("already in use") && error.contains("--listen"), "{error}");
    let error = failing(&["systemd", "--systemd.collector.unit-include=("]);
    assert!(error.contains("error parsing regexp"), "{error}");
    let error = failing(&["nixos", "--listen=9101"]);
    assert!(error.contains("port is missing"), "{error}");
    let error = failing(&["nixos", "--path.root=/"]);
    assert!(error.contains("unknown flag") && error.contains("--path.rootfs"), "{error}");
}

#[test]
fn exporters_of_a_configuration_are_found_below_their_component() {
    let collector = Collector::start(
        BINARY,
        r#"
        prometheus.exporter.nixos "host" { }
        prometheus.exporter.gpu "host" { }
        prometheus.exporter.self "host" { }
        prometheus.exporter.systemd "host" { bus_address = "unix:path=/nowhere/bus" }
        prometheus.exporter.process "host" {
            matcher {
                name    = "{{.Comm}}"
                cmdline = [".+"]
            }
        }
        "#,
    );
    for (component, line) in [
        ("nixos", "nixos_exporter_build_info{"),
        ("gpu", "gpu_exporter_build_info{"),
        ("self", "alloy_build_info{"),
        ("self", "alloy_component_controller_running_components{"),
        ("systemd", "systemd_exporter_scrape_success 0"),
        ("process", "namedprocess_namegroup_num_procs{groupname=\"corten\"} "),
    ] {
        let path = format!("/api/v0/component/prometheus.exporter.{component}.host/metrics");
        let (status, body) = collector.get(&path);
        assert_eq!(status, 200, "{path}: {body}");
        assert!(body.lines().any(|found| found.starts_with(line)), "{line} is missing in {body}");
    }
    // The reason is in the component's health.
    let (_, detail) = collector.get("/api/v0/web/components/prometheus.exporter.systemd.host");
    assert!(detail.contains("could not be asked over D-Bus"), "{detail}");
    let (status, _) = collector.reload("prometheus.exporter.nixos \"host\" { }");
    assert_eq!(status, 200);
    let (status, body) = collector.get("/api/v0/component/prometheus.exporter.process.host/metrics");
    assert_ne!(status, 200, "{body}");
    let (status, _) = collector.get("/api/v0/component/prometheus.exporter.nixos.host/metrics");
    assert_eq!(status, 200);
}
