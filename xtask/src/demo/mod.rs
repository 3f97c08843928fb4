//! `cargo xtask demo`: the collector with its embedded default, a service with a real SDK, and what arrives.

mod collector;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use collector::{Collector, Counts};
use lexopt::Parser;
use lexopt::prelude::Long;

use crate::{process, test, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask demo [--once]

Builds the collector and examples/demo-service, starts `corten run` without a file, and lets the service send
traces, metrics and logs with the OpenTelemetry SDK, over gRPC and over HTTP. What the collector prints is shown
as it comes. Goes on until Ctrl-C. Uses the ports 4317, 4318 and 12345 of 127.0.0.1.

  --once   end after a few rounds; fails unless every item that was sent has arrived
";

/// Rounds with `--once`.
const ROUNDS: u32 = 3;

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let mut once = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("once") => once = true,
            other => return Err(other.unexpected().into()),
        }
    }
    test::toolchain::c_compiler()?;
    println!("Building the collector and the demo service; the first time this takes some minutes.");
    let mut cargo = workspace::cargo();
    process::run(cargo.args([
        "build",
        "--locked",
        "--package",
        "corten-pipeline",
        "--package",
        "demo-service",
        "--bins",
    ]))?;
    demonstrate(&workspace::target()?.join("debug"), once)
}

/// Runs both programs.
fn demonstrate(binaries: &Path, once: bool) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let collector = Collector::start(&binaries.join("corten"), &stop)?;
    let mut command = Command::new(binaries.join("demo-service"));
    match once {
        true => drop(command.args(["--rounds", &ROUNDS.to_string(), "--pause", "200"])),
        false => drop(command.args(["--pause", "2000"])),
    }
    let mut service = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the demo service")?;
    if once { compare(collector, service) } else { watch(collector, &mut service, &stop) }
}

/// Until Ctrl-C.
fn watch(mut collector: Collector, service: &mut Child, stop: &AtomicBool) -> Result<()> {
    let mut shown = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(200));
        if let Some(status) = collector.ended()? {
            let _ = service.kill();
            bail!("the collector ended with {status}");
        }
        if let Some(status) = service.try_wait()?
            && !stop.load(Ordering::Relaxed)
        {
            bail!("the demo service ended with {status}");
        }
        if shown.elapsed() > Duration::from_secs(10) {
            println!("demo | arrived so far: {}; more at {}", collector.counts()?.accepted, collector.url());
            shown = Instant::now();
        }
    }
    let _ = service.kill();
    let _ = service.wait();
    collector.stop()?;
    println!("demo | ended");
    Ok(())
}

/// Lets the service end and compares what it sent with what arrived.
fn compare(collector: Collector, mut service: Child) -> Result<()> {
    let mut sent = None;
    for line in BufReader::new(service.stdout.take().context("a pipe")?).lines() {
        let line = line?;
        println!("demo-service | {line}");
        sent = line.strip_prefix("sent ").map(Counts::parse).or(sent);
    }
    let status = service.wait()?;
    ensure!(status.success(), "the demo service ended with {status}");
    let sent = sent.context("the demo service does not say what it sent")?;
    ensure!(sent.spans > 0 && sent.metric_points > 0 && sent.log_records > 0, "the demo service sent nothing: {sent}");
    // The debug exporter writes behind the answer to the sender.
    let deadline = Instant::now() + Duration::from_secs(10);
    let arrived = loop {
        let arrived = collector.counts()?;
        if (arrived.accepted == sent && arrived.sent == sent) || Instant::now() > deadline {
            break arrived;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    println!("demo | the service sent     {sent}");
    println!("demo | the receiver took    {}", arrived.accepted);
    println!("demo | the exporter wrote   {}", arrived.sent);
    println!("demo | summary page (while it runs): {}", collector.url());
    let lines = collector.stop()?;
    ensure!(arrived.accepted == sent && arrived.sent == sent, "not everything that was sent has arrived");
    ensure!(
        lines.iter().any(|line| line.contains("POST /orders")) && lines.iter().any(|line| line.contains("order paid")),
        "the collector does not show the spans and log records that it took"
    );
    println!("demo | everything that was sent has arrived");
    Ok(())
}
