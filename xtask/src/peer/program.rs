//! A program that runs as long as it is looked at, and talking HTTP to it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// How long a program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A child process; it ends with this value.
pub(super) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it; what it prints goes to the file `log`.
    pub(super) fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        println!("$ {}   (prints to {})", process::line(command), log.display());
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        // A group of its own: Ctrl-C ends us, and our end ends it.
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Asks until there is an answer. The end of the program, or of our patience, is an error with its last words.
    pub(super) fn until<T>(&mut self, what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}; its last words:\n{}", self.name, self.last_words());
            }
            if Instant::now() > deadline {
                bail!("{}: {what}: not within {PATIENCE:?}; its last words:\n{}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tells it to end, and waits for that.
    pub(super) fn stop(mut self) -> Result<()> {
        process::says("kill", &[&self.child.id().to_string()]);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{} ended with {status}; its last words:\n{}", self.name, self.last_words());
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{} does not end when told to", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As many addresses of 127.0.0.1 that were free a moment ago.
pub(super) fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    // All are held until all are known, so that none comes twice.
    let held = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<Vec<_>>>()?;
    let addresses = held.iter().map(TcpListener::local_addr).collect::<std::io::Result<Vec<_>>>()?;
    addresses.try_into().map_err(|_| anyhow::anyhow!("not as many addresses as asked for"))
}

/// An HTTP exchange; the body of a 200.
pub(super) fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // HTTP/1.0: the answer comes whole and the connection ends behind it.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(head.split(' ').nth(1) == Some("200"), "{method} {path}: {status}: {}", body.trim());
    Ok(body.to_owned())
}
