//! Scraped, kept and written, through the real binary: what a server has not taken outlives the process.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use corten_testkit::{Answer, Collector, Sink, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

const SERIES: u64 = 300;

/// Something to scrape: every answer has the next number as the value of all series.
struct Target {
    address: SocketAddr,
    answered: Arc<AtomicU64>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, answered) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&answered);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mut reader, mut stream) = (BufReader::new(&stream), &stream);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let value = count.load(Ordering::SeqCst) + 1;
                let mut body = String::from("# HELP m Things.\n# TYPE m gauge\n");
                (0..SERIES).for_each(|n| body.push_str(&format!("m{{n=\"{n}\"}} {value}\n")));
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
                if write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).is_ok() {
                    count.store(value, Ordering::SeqCst);
                }
            }
        });
        Self { address, answered }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }
}

fn config(target: &Target, sinks: &[(&Sink, &str)]) -> String {
    let endpoint = |(sink, rest): &(&Sink, &str)| {
        format!(
            "  endpoint {{\n    url = \"{}/api/v1/write\"\n    {rest}\n    queue_config {{\n      batch_send_deadline = \
             \"100ms\"\n      max_backoff = \"200ms\"\n    }}\n    metadata_config {{\n      send = false\n    }}\n  }}\n",
            sink.url()
        )
    };
    let endpoints: String = sinks.iter().map(endpoint).collect();
    format!(
        r#"
prometheus.scrape "default" {{
  targets         = [{{ __address__ = "{}" }}]
  scrape_interval = "200ms"
  scrape_timeout  = "200ms"
  forward_to      = [prometheus.remote_write.default.receiver]
}}

prometheus.remote_write "default" {{
{endpoints}}}
"#,
        target.address
    )
}

fn start(config: &str, storage: &Path) -> Collector {
    Collector::start_with(BINARY, config, &[&format!("--storage.path={}", storage.display())])
}

/// The values of `m` that a sink has taken, and how many samples of it.
fn taken(sink: &Sink) -> (BTreeSet<u64>, u64) {
    let (mut values, mut samples) = (BTreeSet::new(), 0);
    for request in sink.received().iter().filter(|request| request.answer == Answer::Ok) {
        for series in request.write().series.iter().filter(|series| series.name() == "m") {
            // A marker of staleness is not a value.
            for (_, value, _) in series.samples.iter().filter(|(_, value, _)| !value.is_nan()) {
                values.insert(*value as u64);
                samples += 1;
            }
        }
    }
    (values, samples)
}

fn law(collector: &Collector, sink: &Sink) -> [f64; 5] {
    let (metrics, url) = (collector.metrics(), format!("{}/api/v1/write", sink.url()));
    ["accepted_items_total", "delivered_items_total", "rejected_items_total", "dropped_items_total", "queued_items"]
        .map(|name| metrics.sum(&format!("corten_delivery_{name}"), &[("url", &url)]))
}

#[test]
fn a_kill_loses_nothing_that_was_scraped() {
    let (target, sink, storage) = (Target::start(), Sink::start(), tempfile::tempdir().unwrap());
    sink.answer(Answer::Status(503, None));
    let config = config(&target, &[(&sink, "")]);
    for _ in 0..3 {
        let collector = start(&config, storage.path());
        let before = target.answered();
        eventually("some scrapes", || (target.answered() > before + 5).then_some(()));
        eventually("the books", || (law(&collector, &sink)[4] >= 5.0 * SERIES as f64).then_some(()));
        collector.signal("KILL");
    }
    let scraped = target.answered();
    sink.answer(Answer::Ok);
    let collector = start(&config, storage.path());
    eventually("everything to arrive", || {
        let (values, _) = taken(&sink);
        values.last().is_some_and(|last| *last > scraped + 2).then_some(())
    });
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);
    let (values, samples) = taken(&sink);
    let newest = values.last().copied().unwrap();
    // Each kill may hit one scrape between its answer and the disk.
    let missing: Vec<u64> = (1..=newest).filter(|value| !values.contains(value)).collect();
    assert!(missing.len() <= 3, "of {newest}: {missing:?}");
    assert!(samples >= (newest - 3) * SERIES);
}

#[test]
fn a_restart_sends_the_rest_and_a_dead_endpoint_holds_nobody_up() {
    let (target, storage) = (Target::start(), tempfile::tempdir().unwrap());
    let (alive, dead) = (Sink::start(), Sink::start());
    dead.answer(Answer::Hang);
    let two = "protobuf_message = \"io.prometheus.write.v2.Request\"";
    let both = config(&target, &[(&alive, two), (&dead, "remote_timeout = \"300ms\"")]);
    let collector = start(&both, storage.path());
    eventually("scrapes", || (taken(&alive).0.len() > 5).then_some(()));
    let (status, body) = collector.reload(&both.replace("forward_to  ", "honor_labels    = true\n  forward_to  "));
    assert_eq!(status, 200, "{body}");
    let seen = taken(&alive).0.len();
    eventually("more scrapes", || (taken(&alive).0.len() > seen + 5).then_some(()));
    let [accepted, delivered, rejected, dropped, queued] = law(&collector, &dead);
    assert_eq!((delivered, rejected, dropped), (0.0, 0.0, 0.0));
    assert!(accepted > 0.0 && accepted >= queued);
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);
    let scraped = taken(&alive).0;
    assert!(taken(&dead).0.is_empty());
    dead.answer(Answer::Ok);
    let collector = start(&both, storage.path());
    eventually("the rest to arrive", || scraped.is_subset(&taken(&dead).0).then_some(()));
    assert!(collector.metrics().sum("prometheus_remote_storage_samples_total", &[]) > 0.0);
}

#[test]
fn a_full_disk_stops_no_scrape_and_corrupts_nothing() {
    let (target, sink, storage) = (Target::start(), Sink::start(), tempfile::tempdir().unwrap());
    sink.answer(Answer::Status(503, None));
    let config = config(&target, &[(&sink, "")]);
    let collector = start(&config, storage.path());
    eventually("samples that wait", || (law(&collector, &sink)[4] >= 3.0 * SERIES as f64).then_some(()));
    let kept = target.answered();
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);

    // No file may become larger than this: what the disk refuses then is refused as by one that is full.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"", BINARY]);
    let collector = Collector::start_by(shell, &config, &[&format!("--storage.path={}", storage.path().display())]);
    let dropped = || collector.metrics().sum("corten_delivery_dropped_items_total", &[("reason", "disk_full")]);
    eventually("a full disk", || (dropped() > 0.0).then_some(()));
    let before = target.answered();
    eventually("scrapes that go on", || (target.answered() > before + 5).then_some(()));
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);

    sink.answer(Answer::Ok);
    let collector = start(&config, storage.path());
    let again = target.answered();
    eventually("old and new samples", || {
        let (values, _) = taken(&sink);
        let old = values.iter().filter(|value| **value <= kept).count();
        (old >= 3 && values.last() > Some(&(again + 2))).then_some(())
    });
    let metrics = collector.metrics();
    assert_eq!(metrics.sum("prometheus_remote_write_wal_corruptions_total", &[]), 0.0);
    assert_eq!(metrics.sum("corten_delivery_dropped_items_total", &[("reason", "damaged")]), 0.0);
}
