//! The real binary as a child process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{Samples, eventually};

/// A running `corten run`. Dropping it kills it.
pub struct Collector {
    child: Child,
    http: SocketAddr,
    directory: tempfile::TempDir,
    output: Arc<Mutex<String>>,
}

/// How a collector ended.
#[derive(Debug)]
pub struct Exited {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Everything it printed, both streams.
    pub output: String,
}

impl Collector {
    /// Starts the binary on a configuration and waits until it is ready. Panics with its output if it ends before.
    pub fn start(binary: impl AsRef<Path>, config: &str) -> Self {
        Self::start_with(binary, config, &[])
    }

    /// The same with more flags.
    pub fn start_with(binary: impl AsRef<Path>, config: &str, flags: &[&str]) -> Self {
        Self::start_by(Command::new(binary.as_ref()), config, flags)
    }

    /// The same by a command that ends in becoming the binary, such as `prlimit --nofile=64 corten`.
    pub fn start_by(mut command: Command, config: &str, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("config.alloy");
        std::fs::write(&path, config).expect("a writable directory");
        let http = free_address();
        let mut child = command
            .arg("run")
            .arg(format!("--server.http.listen-addr={http}"))
            .arg(format!("--storage.path={}", directory.path().join("data").display()))
            .args(flags)
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let output = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in streams {
            let output = Arc::clone(&output);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                    output.push_str(&line);
                    output.push('\n');
                }
            });
        }
        let mut collector = Self { child, http, directory, output };
        eventually("the collector to be ready", || {
            if let Ok(Some(status)) = collector.child.try_wait() {
                panic!("the collector ended with {status}:\n{}", collector.output());
            }
            (collector.get("/-/ready").0 == 200).then_some(())
        });
        collector
    }

    /// Where its HTTP server listens.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("config.alloy")
    }

    /// Everything it printed so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// GETs a path of its HTTP server: status and body; status 0 if nobody listens.
    pub fn get(&self, path: &str) -> (u16, String) {
        http(self.http, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http), b"")
    }

    /// Its metrics now.
    pub fn metrics(&self) -> Samples {
        let (status, body) = self.get("/metrics");
        assert_eq!(status, 200, "{body}");
        Samples::parse(&body)
    }

    /// Writes a new configuration and reloads: status and body of the answer.
    pub fn reload(&self, config: &str) -> (u16, String) {
        std::fs::write(self.config_path(), config).expect("a writable directory");
        http(
            self.http,
            &format!(
                "POST /-/reload HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                self.http
            ),
            b"",
        )
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that it ever was.
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Of its memory, what is its own and no page of a file.
    pub fn anonymous(&self) -> u64 {
        self.memory("RssAnon:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// CPU time that it has used, in hundredths of a second.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // Behind the name, which may hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    }

    /// Sends a signal by its name (`TERM`, `HUP`, `KILL`).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Ends it with SIGTERM and waits.
    pub fn stop(mut self) -> Exited {
        self.signal("TERM");
        let status = eventually("the collector to end", || self.child.try_wait().ok().flatten());
        Exited { code: status.code(), output: self.output() }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- output of the collector ---\n{}", self.output());
        }
    }
}

/// A loopback address that nobody listens on at the moment.
pub fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// An address where nobody answers: taken, so that no other program comes to listen there, and connections are refused.
#[derive(Debug)]
pub struct Nobody {
    address: SocketAddr,
    _socket: tokio::net::TcpSocket,
}

impl Nobody {
    /// On a port of its own.
    pub fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        Self { address: socket.local_addr().expect("an address"), _socket: socket }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leaves the address to somebody who will answer.
    pub fn leave(self) -> SocketAddr {
        self.address
    }
}

impl Default for Nobody {
    fn default() -> Self {
        Self::new()
    }
}

/// One HTTP/1.1 exchange with `Connection: close`: status and body; status 0 if nobody answers.
fn http(address: SocketAddr, head: &str, body: &[u8]) -> (u16, String) {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let Ok(answer) = exchange() else { return (0, String::new()) };
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (status, unchunked(body));
    }
    (status, body.to_owned())
}

fn unchunked(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let (Some(chunk), Some(after)) = (rest.get(..size), rest.get(size + 2..)) else { break };
        out.push_str(chunk);
        body = after;
    }
    out
}
