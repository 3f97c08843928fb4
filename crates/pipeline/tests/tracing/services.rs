//! Servers as they are, started on free ports. Their sources are in `tests/services`; what they need is where
//! `cargo xtask campaign tracing` has put it.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use corten_testkit::{eventually, free_address};

use crate::loader::SIZES;

/// A running server, and whatever processes it has made. Dropping it kills them.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it works with.
    _folder: Option<tempfile::TempDir>,
}

impl Service {
    /// Starts a program that listens on the address, and waits until it does.
    fn start(mut command: Command, address: SocketAddr) -> Self {
        // A group of its own: servers that fork do not take their workers with them when they are killed.
        // Nor does Python leave files among the sources.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let service = Self { child, address, _folder: None };
        eventually(&format!("{command:?} to listen"), || TcpStream::connect(address).ok());
        service
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The processes that do its work.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let group = self.child.id().to_string();
        let output = Command::new("ps").args(["-eo", "pid=,pgid="]).output().unwrap().stdout;
        let lines = String::from_utf8_lossy(&output).into_owned();
        let of_group = |line: &str| {
            let (pid, of) = line.trim().split_once(char::is_whitespace)?;
            (of.trim() == group).then(|| pid.parse().ok()).flatten()
        };
        lines.lines().filter_map(of_group).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

fn sources(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/services").join(path)
}

/// What the campaign has prepared, beside the folder that this test was built into.
fn prepared(path: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("services").join(path)
}

/// Whether a program runs, which is said if it does not.
fn there(program: impl AsRef<Path>, args: &[&str]) -> bool {
    let program = program.as_ref();
    let mut command = Command::new(program);
    let works = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !works {
        println!("skipped: {} is not there", program.display());
    }
    works
}

/// A certificate and its key in one file.
pub(crate) fn certificate() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let path = folder.path().join("both.pem");
    std::fs::write(&path, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    (folder, path)
}

/// The server of Python's library, a thread for each connection.
pub(crate) fn threads(backend: u16, certificate: Option<&Path>) -> Option<Service> {
    there("python3", &["--version"]).then(|| {
        let address = free_address();
        let mut command = Command::new("python3");
        command.arg(sources("python/threads.py")).args([address.port().to_string(), backend.to_string()]);
        command.args(certificate);
        Service::start(command, address)
    })
}

/// A client that opens so many connections, numbered from `first`, and keeps them.
pub(crate) fn open(port: u16, first: usize, count: usize) -> Child {
    let mut command = Command::new("python3");
    command.arg(sources("python/open.py")).args([port as usize, first, count].map(|number| number.to_string()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// uvicorn with one of its parsers.
pub(crate) fn uvicorn(parser: &str) -> Option<Service> {
    let program = prepared("python/bin/uvicorn");
    there(&program, &["--version"]).then(|| {
        let address = free_address();
        let mut command = Command::new(program);
        command.args(["--http", parser, "--log-level", "critical", "--port", &address.port().to_string()]);
        command.arg("--app-dir").arg(sources("python")).arg("asgi:app");
        Service::start(command, address)
    })
}

/// gunicorn, whose workers end after some hundred requests each and are replaced.
pub(crate) fn gunicorn(worker: &str) -> Option<Service> {
    let program = prepared("python/bin/gunicorn");
    there(&program, &["--version"]).then(|| {
        let address = free_address();
        let mut command = Command::new(program);
        command.args([
            "--workers",
            "2",
            "--threads",
            "4",
            "--worker-class",
            worker,
            "--max-requests",
            "150",
            "--graceful-timeout",
            "2",
        ]);
        command.args(["--bind", &address.to_string(), "--log-level", "critical"]);
        command.arg("--chdir").arg(sources("python")).arg("wsgi:app");
        Service::start(command, address)
    })
}

/// nginx with files, and in front of another server.
pub(crate) struct Nginx {
    pub(crate) service: Service,
    /// HTTP/2 without TLS.
    pub(crate) http2: SocketAddr,
    /// HTTP/1.1 and HTTP/2 in TLS.
    pub(crate) tls: SocketAddr,
    pub(crate) proxy: SocketAddr,
}

pub(crate) fn nginx(backend: u16, workers: usize) -> Option<Nginx> {
    there("nginx", &["-v"]).then(|| {
        let (folder, pem) = certificate();
        let root = folder.path().display().to_string();
        std::fs::create_dir(folder.path().join("f")).unwrap();
        for size in SIZES {
            std::fs::write(folder.path().join(format!("f/{size}")), vec![b'x'; size]).unwrap();
        }
        let [address, http2, tls, proxy] = [(); 4].map(|()| free_address());
        let files = r#"
            location / { rewrite "^/200/(\d+)/" /f/$1 break; }
            location /tiny { return 200 "tiny"; }
            location /404/ { return 404 "none"; }"#;
        // One client has so many ports for each address of a server, so that there are several.
        let listen: String = (1..=5).map(|n| format!("listen 127.0.0.{n}:{} reuseport backlog=4096; ", address.port())).collect();
        let text = format!(
            r#"
user root; worker_processes {workers}; daemon off; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 16000; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type text/plain; root {root};
    client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d;
    scgi_temp_path {root}/e; ssl_certificate {pem}; ssl_certificate_key {pem};
    upstream back {{ server 127.0.0.1:{backend}; keepalive 16; }}
    server {{ {listen} {files} }}
    server {{ listen {http2} http2; {files} }}
    server {{ listen {tls} ssl http2; {files} }}
    server {{ listen {proxy}; location / {{ proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}"#,
            pem = pem.display()
        );
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-e").arg(folder.path().join("error.log")).arg("-c").arg(path);
        let mut service = Service::start(command, address);
        service._folder = Some(folder);
        Nginx { service, http2, tls, proxy }
    })
}

/// Node.js: `http`, `https`, `h2c` or `h2`.
pub(crate) fn node(kind: &str, backend: u16, certificate: Option<&Path>) -> Option<Service> {
    there("node", &["--version"]).then(|| {
        let address = free_address();
        let mut command = Command::new("node");
        command.arg(sources("node/server.mjs")).args([kind, &address.port().to_string(), &backend.to_string()]);
        command.args(certificate);
        Service::start(command, address)
    })
}

/// Go: HTTP/1.1 and HTTP/2 without TLS on one port.
pub(crate) fn go(backend: u16) -> Option<Service> {
    go_program().map(|program| {
        let address = free_address();
        let mut command = Command::new(program);
        command.args(["http", &address.port().to_string(), &backend.to_string()]);
        Service::start(command, address)
    })
}

/// Servers of gRPC by language.
pub(crate) fn calls(language: &str) -> Option<Service> {
    let address = free_address();
    let port = address.port().to_string();
    call_program(language).map(|mut command| {
        command.args([if language == "go" { "grpc" } else { "server" }, &port]);
        Service::start(command, address)
    })
}

/// A client of gRPC, which waits for a line before it begins.
pub(crate) fn call_client(language: &str, server: &Service, count: usize) -> Option<Command> {
    let mut command = call_program(language)?;
    command.args([if language == "go" { "grpc-client" } else { "client" }, &server.port().to_string()]);
    command.arg(count.to_string());
    Some(command)
}

fn call_program(language: &str) -> Option<Command> {
    if language == "go" {
        return go_program().map(Command::new);
    }
    let program = prepared("python/bin/python");
    there(&program, &["-c", "import grpc"]).then(|| {
        let mut command = Command::new(program);
        command.arg(sources("python/calls.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    })
}

fn go_program() -> Option<PathBuf> {
    let program = prepared("go/service");
    if !program.exists() {
        println!("skipped: {} is not there", program.display());
        return None;
    }
    Some(program)
}

/// A server in Java: `Http` or `Raw`.
pub(crate) fn java(class: &str) -> Option<Service> {
    let classes = prepared("java");
    if !classes.join(format!("{class}.class")).exists() {
        println!("skipped: {}/{class}.class is not there", classes.display());
        return None;
    }
    there("java", &["-version"]).then(|| {
        let address = free_address();
        let mut command = Command::new("java");
        command.arg("-cp").arg(classes).args([class, &address.port().to_string()]);
        Service::start(command, address)
    })
}
