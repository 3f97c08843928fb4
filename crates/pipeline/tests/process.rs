//! The running process: probes, reload, metrics, the API, the log, systemd, the end.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use corten_testkit::{Collector, eventually, free_address};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

/// A pipeline on a port of its own, to a back end that does not exist.
fn config(extra: &str) -> String {
    let address = free_address();
    format!(
        r#"
{extra}

otelcol.receiver.otlp "default" {{
	http {{
		endpoint = "{address}"
	}}

	output {{
		traces = [otelcol.processor.batch.default.input]
	}}
}}

otelcol.processor.batch "default" {{
	output {{
		traces = [otelcol.exporter.otlphttp.backend.input]
	}}
}}

otelcol.exporter.otlphttp "backend" {{
	client {{
		endpoint = "http://127.0.0.1:9"
	}}
}}
"#
    )
}

fn run(args: &[&str]) -> Output {
    Command::new(BINARY).arg("run").args(args).stdin(Stdio::null()).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A request with headers of its own.
fn ask(collector: &Collector, head: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(collector.http()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    write!(stream, "{head}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer)
}

#[test]
fn probes_and_pages_answer_as_alloy_s() {
    let collector = Collector::start(BINARY, &config(""));
    assert_eq!(collector.get("/-/ready"), (200, "Alloy is ready.\n".into()));
    assert_eq!(collector.get("/ready"), (200, "Alloy is ready.\n".into()));
    assert_eq!(collector.get("/-/healthy"), (200, "All Alloy components are healthy.\n".into()));
    assert_eq!(collector.get("/-/support").0, 404);
    assert_eq!(collector.get("/nothing/here").0, 404);
    assert_eq!(collector.get("/component/nothing.here").0, 404);
    let (status, body) = collector.get("/api/v0/component/nothing.here/metrics");
    assert_eq!(
        (status, body.as_str()),
        (400, "failed to parse URL path \"/api/v0/component/nothing.here/metrics\": invalid path\n")
    );
    assert_eq!(collector.get("/api/v0/component/otelcol.processor.batch.default/metrics").0, 404);

    let (status, page) = collector.get("/");
    assert_eq!(status, 200);
    for word in ["otelcol.processor.batch.default", "3 components", "all healthy", "<svg", "config.alloy"] {
        assert!(page.contains(word), "{word} is missing in {page}");
    }
    assert!(!page.contains("<script"), "{page}");
    let (status, page) = collector.get("/component/otelcol.exporter.otlphttp.backend");
    assert_eq!(status, 200);
    assert!(page.contains("http://127.0.0.1:9") && page.contains("Arguments"), "{page}");
}

#[test]
fn the_api_describes_components() {
    let collector = Collector::start(BINARY, &config(""));
    let json = |path: &str| -> serde_json::Value {
        let (status, body) = collector.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    };
    let list = json("/api/v0/web/components");
    let ids: Vec<&str> = list.as_array().expect("a list").iter().filter_map(|one| one["localID"].as_str()).collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let batch = json("/api/v0/web/components/otelcol.processor.batch.default");
    assert_eq!(batch["name"], "otelcol.processor.batch");
    assert_eq!(batch["type"], "block");
    assert_eq!(batch["label"], "default");
    assert_eq!(batch["health"]["state"], "healthy");
    assert_eq!(batch["referencesTo"], serde_json::json!(["otelcol.exporter.otlphttp.backend"]));
    assert_eq!(batch["referencedBy"], serde_json::json!(["otelcol.receiver.otlp.default"]));
    assert_eq!(batch["dataFlowEdgesTo"], serde_json::json!(["otelcol.exporter.otlphttp.backend"]));
    assert!(batch["arguments"].is_array() && batch["exports"].is_array(), "{batch}");
    assert_eq!(collector.get("/api/v0/web/components/nothing.here").0, 404);
    assert_eq!(json("/api/v0/web/modules/none/components"), serde_json::json!([]));
    let peers = json("/api/v0/web/peers");
    assert_eq!(peers[0]["isSelf"], true);
}

#[test]
fn metrics_have_alloy_s_names() {
    let collector = Collector::start(BINARY, &config(""));
    let metrics = collector.metrics();
    for name in [
        "alloy_build_info",
        "alloy_config_hash",
        "alloy_config_last_load_successful",
        "alloy_config_last_load_success_timestamp_seconds",
        "alloy_config_load_failures_total",
        "alloy_component_controller_running_components",
        "alloy_component_evaluation_seconds_count",
        "alloy_resources_process_cpu_seconds_total",
        "alloy_resources_process_resident_memory_bytes",
        "alloy_resources_process_virtual_memory_bytes",
        "alloy_resources_process_start_time_seconds",
        "alloy_resources_machine_rx_bytes_total",
        "alloy_resources_machine_tx_bytes_total",
        "process_open_fds",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.has(name, &[]), "{name} is missing");
    }
    assert_eq!(metrics.sum("alloy_component_controller_running_components", &[("health_type", "healthy")]), 3.0);
}

#[test]
fn a_broken_file_is_refused_and_the_old_pipeline_runs_on() {
    let good = config("");
    let collector = Collector::start(BINARY, &good);
    let hash = |collector: &Collector| collector.metrics().by_label("alloy_config_hash", "sha256");
    let first = hash(&collector);
    assert_eq!(first.len(), 1);

    let (status, body) = collector.reload("otelcol.receiver.otlp \"default\" {\n\thttp {\n\t\tendpoint = \n}\n");
    assert_eq!(status, 400, "{body}");
    assert!(body.starts_with("reading config path ") && body.contains("config.alloy:"), "{body}");
    let (status, body) =
        collector.reload(&good.replace("processor.batch.default.input", "processor.batch.other.input"));
    assert_eq!(status, 400, "{body}");
    assert!(
        body.starts_with("error during the initial load: ") && body.contains("otelcol.processor.batch.other"),
        "{body}"
    );
    let metrics = collector.metrics();
    assert_eq!(metrics.sum("alloy_config_last_load_successful", &[]), 0.0);
    assert_eq!(metrics.sum("alloy_config_load_failures_total", &[]), 2.0);
    assert_eq!(hash(&collector), first);
    assert_eq!(collector.get("/-/healthy").0, 200);
    assert!(collector.get("/").1.contains("The last reload failed"));

    assert_eq!(collector.reload(&(good + "\n// changed\n")), (200, "config reloaded\n".into()));
    assert_eq!(collector.metrics().sum("alloy_config_last_load_successful", &[]), 1.0);
    let second = hash(&collector);
    assert!(second.len() == 1 && second != first, "{second:?}");
}

#[test]
fn sighup_reloads() {
    let collector = Collector::start(BINARY, &config(""));
    std::fs::write(collector.config_path(), config("logging {\n\tformat = \"json\"\n}")).expect("a file");
    collector.signal("HUP");
    eventually("the reload", || collector.output().contains(r#""msg":"config reloaded""#).then_some(()));
    let line = collector.output().lines().find(|line| line.contains("config reloaded")).expect("a line").to_owned();
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["level"], "info");
    assert!(line["ts"].as_str().is_some_and(|ts| ts.ends_with('Z')));
}

#[test]
fn other_sites_may_not_reload() {
    let collector = Collector::start(BINARY, &config(""));
    let host = collector.http();
    let request =
        |headers: &str| ask(&collector, &format!("POST /-/reload HTTP/1.1\r\nContent-Length: 0\r\n{headers}")).0;
    assert_eq!(request(&format!("Host: {host}\r\nOrigin: http://evil.example")), 403);
    assert_eq!(request(&format!("Host: {host}\r\nSec-Fetch-Site: cross-site")), 403);
    assert_eq!(request("Host: evil.example"), 403);
    assert_eq!(request(&format!("Host: {host}\r\nOrigin: http://{host}")), 200);
    assert_eq!(ask(&collector, "DELETE /-/reload HTTP/1.1\r\nHost: localhost").0, 405);
    assert_eq!(collector.metrics().sum("alloy_config_load_failures_total", &[]), 0.0);
}

#[test]
fn the_http_block_protects_every_path_at_once() {
    let block = "http {\n\tauth {\n\t\tbasic {\n\t\t\tusername = \"u\"\n\t\t\tpassword = \"canary-password\"\n\t\t}\n\t\tfilter {\n\t\t\tpaths = [\"/-/ready\"]\n\t\t\tauthenticate_matching_paths = false\n\t\t}\n\t}\n}";
    let collector = Collector::start(BINARY, &config(block));
    for path in ["/", "/metrics", "/-/reload", "/-/healthy", "/api/v0/web/components"] {
        let (status, answer) = ask(&collector, &format!("GET {path} HTTP/1.1\r\nHost: localhost"));
        assert_eq!(status, 401, "{path}");
        assert!(answer.to_lowercase().contains("www-authenticate: basic realm=\"restricted\""), "{answer}");
    }
    // u:canary-password
    let right = "Authorization: Basic dTpjYW5hcnktcGFzc3dvcmQ=";
    assert_eq!(ask(&collector, &format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{right}")).0, 200);
    // Without the block, open again; the reload itself needs the password.
    std::fs::write(collector.config_path(), config("")).expect("a file");
    assert_eq!(ask(&collector, &format!("GET /-/reload HTTP/1.1\r\nHost: localhost\r\n{right}")).0, 200);
    eventually("the open door", || (collector.get("/metrics").0 == 200).then_some(()));
    assert!(!collector.output().contains("canary"), "{}", collector.output());
}

#[test]
fn secrets_are_on_no_page_and_in_no_log() {
    let auth = "logging {\n\tlevel = \"debug\"\n}\notelcol.auth.basic \"a\" {\n\tusername = \"u\"\n\tpassword = \"canary-password\"\n}";
    let config = config(auth).replace(
        "endpoint = \"http://127.0.0.1:9\"",
        "endpoint = \"http://127.0.0.1:9\"\n\t\tauth = otelcol.auth.basic.a.handler",
    );
    let collector = Collector::start(BINARY, &config);
    for path in [
        "/",
        "/metrics",
        "/component/otelcol.auth.basic.a",
        "/component/otelcol.exporter.otlphttp.backend",
        "/api/v0/web/components",
        "/api/v0/web/components/otelcol.auth.basic.a",
    ] {
        let (status, body) = collector.get(path);
        assert_eq!(status, 200, "{path}");
        assert!(!body.contains("canary"), "{path}");
    }
    assert!(collector.get("/component/otelcol.auth.basic.a").1.contains("password = (secret)"));
    // A mistake beside the secret must not quote it.
    let (status, body) = collector.reload(&config.replace("username = \"u\"", "usrname = \"u\""));
    assert_eq!(status, 400);
    assert!(!body.contains("canary") && !collector.get("/").1.contains("canary"), "{body}");
    assert!(!collector.output().contains("canary"), "{}", collector.output());
}

#[test]
fn a_second_instance_is_told_who_holds_the_storage() {
    let collector = Collector::start(BINARY, &config(""));
    let storage = collector.config_path().with_file_name("data");
    let config = collector.config_path();
    let second = run(&[
        "--server.http.listen-addr=127.0.0.1:0",
        &format!("--storage.path={}", storage.display()),
        config.to_str().expect("UTF-8"),
    ]);
    assert_eq!(second.status.code(), Some(1));
    let err = text(&second.stderr);
    let expected = format!(
        "Error: the storage path \"{}\" is in use by another corten (process {})\n\
         help: stop that one, or give this one its own directory with --storage.path\n",
        storage.display(),
        collector.pid()
    );
    assert!(err.ends_with(&expected), "{err}");
}

#[test]
fn a_taken_address_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = run(&[&format!("--server.http.listen-addr={address}")]);
    assert_eq!(ended.status.code(), Some(1));
    let err = text(&ended.stderr);
    assert!(err.contains(&format!("Error: listening on {address}: the address is already in use")), "{err}");
    assert!(err.contains("--server.http.listen-addr"), "{err}");
}

#[test]
fn a_failed_first_load_shows_the_place_and_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.alloy");
    std::fs::write(&path, "otelcol.processor.batch \"default\" {\n\ttimeuot = \"1s\"\n\toutput { }\n}\n")
        .expect("a file");
    let storage = format!("--storage.path={}", directory.path().join("data").display());
    let ended = run(&["--server.http.listen-addr=127.0.0.1:0", &storage, path.to_str().expect("UTF-8")]);
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(text(&ended.stdout), "\n");
    let err = text(&ended.stderr);
    let expected = format!("Error: {}:2:2: unrecognized attribute name \"timeuot\"\n\n1 | ", path.display());
    assert!(err.contains(&expected), "{err}");
    assert!(err.contains("help: did you mean \"timeout\"?"), "{err}");
    assert!(err.ends_with("Error: could not perform the initial load successfully\n"), "{err}");
}

#[test]
fn systemd_hears_every_step() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let next = |wanted: &str| loop {
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("waiting for {wanted}: {error}"));
        let message = text(&buffer[..length]);
        if message.contains(wanted) {
            return message;
        }
    };
    let path = directory.path().join("x.alloy");
    std::fs::write(&path, config("")).expect("a file");
    let mut child = Command::new(BINARY)
        .args(["run", "--server.http.listen-addr=127.0.0.1:0"])
        .arg(format!("--storage.path={}", directory.path().join("data").display()))
        .arg(&path)
        .env("NOTIFY_SOCKET", directory.path().join("notify"))
        .env("WATCHDOG_USEC", "200000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let signal = |name: &str| {
        let sent = Command::new("kill").arg(name).arg(child.id().to_string()).status().expect("kill runs");
        assert!(sent.success());
    };
    assert_eq!(next("READY=1"), "READY=1\nSTATUS=3 components, all healthy\n");
    next("WATCHDOG=1");
    next("WATCHDOG=1");
    signal("-HUP");
    assert!(next("RELOADING=1").contains("MONOTONIC_USEC="));
    next("READY=1");
    signal("-TERM");
    next("STOPPING=1");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn sigterm_ends_with_0_and_says_so() {
    let collector = Collector::start(BINARY, &config(""));
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);
    assert!(exited.output.contains("all components have ended"), "{}", exited.output);
}

#[test]
fn without_a_file_it_shows_how_to_send_or_names_the_taken_port() {
    // The default's ports are fixed: another process may hold them, which must be said.
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(BINARY)
        .args(["run", "--server.http.listen-addr=127.0.0.1:0"])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut first = String::new();
    use std::io::BufRead;
    std::io::BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut first).expect("a line");
    if first.starts_with("Corten is ready") {
        let sent = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().expect("kill runs");
        assert!(sent.success());
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    } else {
        let ended = child.wait_with_output().expect("it ends");
        let err = text(&ended.stderr);
        assert!(err.contains("<default>:") && err.contains("already in use"), "{err}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0, "nothing is left behind");
}

#[test]
fn what_is_worth_knowing_is_said_when_it_is_new() {
    let config = |batch: &str, door: &str| {
        config("").replace(
            "otelcol.processor.batch \"default\" {",
            &format!("otelcol.processor.batch \"default\" {{\n{batch}"),
        ) + &format!(
            "otelcol.receiver.otlp \"open\" {{\n grpc {{ endpoint = \"{door}\" }}\n http {{\n endpoint = \"127.0.0.1:0\"\n include_metadata = {} }}\n output {{ }}\n}}\n",
            batch.is_empty()
        )
    };
    let collector = Collector::start(BINARY, &config("", "0.0.0.0:0"));
    let said = || collector.output().matches("it has neither TLS nor auth").count();
    eventually("the warning", || (said() == 1).then_some(()));
    assert!(collector.output().contains("component_id=otelcol.receiver.otlp.open"), "{}", collector.output());
    // The receiver is replaced, its address is not.
    assert_eq!(collector.reload(&config("timeout = \"1s\"", "0.0.0.0:0")).0, 200);
    assert_eq!(said(), 1);
    assert_eq!(collector.reload(&config("timeout = \"1s\"", "[::]:0")).0, 200);
    eventually("the other address", || (said() == 2).then_some(()));
}

#[test]
fn a_file_with_a_secret_that_all_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let secret = "otelcol.auth.basic \"x\" {\n username = \"u\"\n password = \"canary\"\n}\n";
    let collector = Collector::start(BINARY, &config(""));
    let said = || collector.output().matches("everybody on this machine can read it").count();
    let text = config(secret);
    std::fs::set_permissions(collector.config_path(), std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    assert_eq!(collector.reload(&text).0, 200);
    std::fs::set_permissions(collector.config_path(), std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    assert_eq!(collector.reload(&text).0, 200);
    eventually("the warning", || (said() == 1).then_some(()));
    assert_eq!(collector.reload(&text).0, 200);
    eventually("the last reload", || {
        (collector.output().matches("msg=\"config reloaded\"").count() == 3).then_some(())
    });
    assert_eq!(said(), 1, "once");
    assert!(!collector.output().contains("canary"));
}
