//! The collector as the demo's child: its output with a mark in front, its metrics as counts.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{process, workspace};

/// Items of each signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) spans: u64,
    pub(super) metric_points: u64,
    pub(super) log_records: u64,
}

impl Counts {
    /// Reads `spans=9 metric_points=6 log_records=6`.
    pub(super) fn parse(text: &str) -> Self {
        let of = |name: &str| {
            let word = text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            word.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        Self { spans: of("spans"), metric_points: of("metric_points"), log_records: of("log_records") }
    }

    /// Adds up the series `PREFIX_spans_total` and so on of a metrics page.
    fn of_metrics(page: &str, prefix: &str) -> Self {
        let of = |items: &str| {
            let name = format!("{prefix}_{items}_total");
            let series =
                page.lines().filter(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' '])));
            series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
        };
        Self { spans: of("spans"), metric_points: of("metric_points"), log_records: of("log_records") }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} spans, {} metric points, {} log records", self.spans, self.metric_points, self.log_records)
    }
}

/// Where the items are.
pub(super) struct Arrived {
    pub(super) accepted: Counts,
    pub(super) sent: Counts,
}

pub(super) struct Collector {
    child: Child,
    address: String,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

const ADDRESS: &str = "127.0.0.1:12345";
const PORTS: &[&str] = &["127.0.0.1:4317", "127.0.0.1:4318", ADDRESS];
/// Lines that are kept for a look at the end.
const KEPT: usize = 10_000;

impl Collector {
    /// Starts it on the embedded default and waits until it is ready.
    pub(super) fn start(binary: &Path, stop: &AtomicBool) -> Result<Self> {
        for port in PORTS {
            ensure!(
                std::net::TcpListener::bind(port).is_ok(),
                "{port} is in use, perhaps by another collector; end that one first"
            );
        }
        let data = workspace::target()?.join("demo-data");
        let mut command = Command::new(binary);
        command.arg("run").arg(format!("--storage.path={}", data.display()));
        println!("$ {}", process::line(&command));
        // A group of its own: Ctrl-C is ours to pass on, once.
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the collector")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let streams: [Option<Box<dyn Read + Send>>; 2] =
            [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
        let readers = streams.into_iter().flatten().map(|stream| show(stream, Arc::clone(&lines))).collect();
        let mut collector = Self { child, address: ADDRESS.to_owned(), lines, readers };
        let deadline = Instant::now() + Duration::from_secs(30);
        while collector.get("/-/ready").is_err() {
            if let Some(status) = collector.ended()? {
                bail!("the collector ended with {status} before it was ready");
            }
            ensure!(Instant::now() < deadline, "the collector is not ready after 30 s");
            ensure!(!stop.load(Ordering::Relaxed), "interrupted");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(collector)
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The summary page.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What its metrics say.
    pub(super) fn counts(&self) -> Result<Arrived> {
        let page = self.get("/metrics")?;
        Ok(Arrived {
            accepted: Counts::of_metrics(&page, "otelcol_receiver_accepted"),
            sent: Counts::of_metrics(&page, "otelcol_exporter_sent"),
        })
    }

    /// Lets it drain and end; what it printed.
    pub(super) fn stop(mut self) -> Result<Vec<String>> {
        let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                bail!("the collector does not end when told to");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        ensure!(status.success(), "the collector ended with {status}");
        Ok(std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        // HTTP/1.0: the body comes whole and the connection ends behind it.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        ensure!(head.split(' ').nth(1) == Some("200"), "{path}: {}", head.lines().next().unwrap_or_default());
        Ok(body.to_owned())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn show(stream: Box<dyn Read + Send>, lines: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            println!("corten | {line}");
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() < KEPT {
                lines.push(line);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_service_and_from_metrics() {
        let wanted = Counts { spans: 9, metric_points: 6, log_records: 4 };
        assert_eq!(Counts::parse("spans=9 metric_points=6 log_records=4"), wanted);
        let page = "# TYPE x_spans_total counter\n\
            x_spans_total{transport=\"grpc\"} 4\nx_spans_total{transport=\"http\"} 5\n\
            x_metric_points_total 6\nx_log_records_total{a=\"b c\"} 4\nx_log_records_totals 7\n";
        assert_eq!(Counts::of_metrics(page, "x"), wanted);
    }
}
