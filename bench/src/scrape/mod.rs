//! `corten-bench scrape`: what scraping, relabelling and remote write cost, beside Prometheus in agent mode.
//!
//! Each collector scrapes the same targets in turn and back (A B B A), each run a process of its own. A run is over
//! when every target was scraped so often and everything has arrived; every sample that was shown and that no rule
//! drops must arrive once, which counts and sums of the values say.

mod book;
mod collectors;
mod exposer;
mod receiver;

use std::fs::File;
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use corten_testkit::free_address;
use tokio::time::sleep;

use crate::peer::Cores;
use crate::usage::Usage;
use book::Book;
use collectors::{Collector, Kind};
use exposer::{BLOCK, Exposer};

/// Without an arrival for so long, what is missing is lost.
const SILENCE: Duration = Duration::from_secs(60);

/// What is scraped.
#[derive(Debug, Clone)]
struct Plan {
    /// Targets.
    targets: u64,
    /// Series of all of them together, those that rules drop included.
    series: u64,
    /// Scrapes of each target, the first included.
    rounds: u64,
    /// Seconds from one to the next.
    interval: u64,
    /// Version of remote write: 1 or 2.
    version: u8,
}

impl Default for Plan {
    fn default() -> Self {
        Self { targets: 10, series: 1_000_000, rounds: 4, interval: 30, version: 1 }
    }
}

impl Plan {
    fn message(&self) -> &'static str {
        if self.version == 2 { "io.prometheus.write.v2.Request" } else { "prometheus.WriteRequest" }
    }

    /// Series of a target.
    fn each(&self) -> u64 {
        (self.series / self.targets.max(1) / BLOCK).max(1) * BLOCK
    }
}

/// What a run showed. Samples are those shown, those that rules drop included.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    /// CPU seconds for a million samples of the first round, when all series are new.
    first: f64,
    /// The same from then on. What is sent late counts here.
    later: f64,
    /// The same of the whole run.
    whole: f64,
    /// Memory at the end, and at most.
    resident: u64,
    /// Memory at most.
    peak: u64,
    /// Bytes of a sample on the wire.
    wire: f64,
    /// Samples that arrived, of those that had to.
    arrived: u64,
    /// Samples that had to arrive.
    expected: u64,
    /// Whether counts and sums agree, and nothing came that rules drop.
    is_exact: bool,
}

/// Runs a collector once.
fn run(collector: &Collector, plan: &Plan, cores: Option<&Cores>) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(one(collector, plan, cores))).context(collector.name())
}

struct Running {
    child: Child,
    directory: tempfile::TempDir,
}

impl Running {
    fn usage(&self) -> Result<Usage> {
        let output = || std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        Usage::of(self.child.id()).with_context(|| format!("its output:\n{}", output()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn one(collector: &Collector, plan: &Plan, cores: Option<&Cores>) -> Result<Outcome> {
    let book = Rc::new(Book::new());
    let exposer = Rc::new(Exposer::new(plan.targets, plan.each(), plan.rounds, Rc::clone(&book)));
    let (shows, takes) = (free_address(), free_address());
    Rc::clone(&exposer).start(shows).await?;
    receiver::start(takes, Rc::clone(&book)).await?;
    let directory = tempfile::tempdir()?;
    let mut command = collector.command(plan, directory.path(), shows, takes)?;
    let log = File::create(directory.path().join("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = match cores {
        Some(cores) => cores.spawn(&mut command),
        None => command.spawn(),
    };
    let running = Running { child: child.context("cannot be started")?, directory };
    until(&running, &exposer, &book, 1).await?;
    let (first, shown_first) = (running.usage()?, book.shown());
    until(&running, &exposer, &book, plan.rounds).await?;
    // All was shown; now it has to arrive.
    while book.arrived().samples < book.expected().samples && book.silent_since().elapsed() < SILENCE {
        sleep(Duration::from_millis(20)).await;
    }
    let last = running.usage()?;
    // What comes twice comes after the first.
    sleep(Duration::from_secs(1)).await;
    let (expected, arrived) = (book.expected(), book.arrived());
    let per_million = |cpu: f64, samples: u64| cpu / (samples.max(1) as f64 / 1e6);
    Ok(Outcome {
        first: per_million(first.cpu_seconds, shown_first),
        later: per_million(last.cpu_seconds - first.cpu_seconds, book.shown() - shown_first),
        whole: per_million(last.cpu_seconds, book.shown()),
        resident: last.resident,
        peak: last.peak,
        wire: book.wire() as f64 / arrived.samples.max(1) as f64,
        arrived: arrived.samples,
        expected: expected.samples,
        is_exact: arrived == expected && book.foreign() == 0,
    })
}

/// Waits until all targets were scraped so often.
async fn until(running: &Running, exposer: &Exposer, book: &Book, times: u64) -> Result<()> {
    let (mut shown, mut since) = (book.shown(), Instant::now());
    while !exposer.was_shown(times) {
        running.usage()?;
        if book.shown() != shown {
            (shown, since) = (book.shown(), Instant::now());
        }
        ensure!(since.elapsed() < 3 * SILENCE, "no target is scraped any more");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// What `corten-bench scrape` is asked for.
const USAGE: &str = "\
Usage: corten-bench scrape --corten PATH [--prometheus PATH] [OPTIONS]

  --corten PATH       the collector's program
  --prometheus PATH   Prometheus 3, which runs in agent mode beside it
  --series N          series of all targets together (1000000); a tenth of them is dropped by a rule
  --targets N         targets (10)
  --rounds N          scrapes of each target (4); the first is told apart
  --interval SECONDS  from one scrape to the next (30)
  --version 1|2       of remote write (1)
  --times N           there and back: A B B A is one (1)
  --most-memory MB    fail if Corten ever has more resident
  --most-ratio R      fail if Corten needs more than this part of Prometheus's CPU time
  --no-pin            do not part the cores between collector and load
";

/// Measures and prints a table.
///
/// # Errors
/// Something is not exact, or beyond what was allowed.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]
pub fn main(parser: &mut lexopt::Parser) -> Result<()> {
    use lexopt::prelude::{Long, ValueExt};
    let (mut plan, mut times, mut pin) = (Plan::default(), 1_usize, true);
    let (mut corten, mut prometheus, mut memory, mut ratio) = (None, None, None::<f64>, None::<f64>);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("corten") => corten = Some(parser.value()?.into()),
            Long("prometheus") => prometheus = Some(parser.value()?.into()),
            Long("series") => plan.series = parser.value()?.parse()?,
            Long("targets") => plan.targets = parser.value()?.parse()?,
            Long("rounds") => plan.rounds = parser.value()?.parse()?,
            Long("interval") => plan.interval = parser.value()?.parse()?,
            Long("version") => plan.version = parser.value()?.parse()?,
            Long("times") => times = parser.value()?.parse()?,
            Long("most-memory") => memory = Some(parser.value()?.parse()?),
            Long("most-ratio") => ratio = Some(parser.value()?.parse()?),
            Long("no-pin") => pin = false,
            Long("help") => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    ensure!(plan.rounds > 1 && plan.targets > 0, "a run has two rounds at least, and a target");
    let mut collectors = vec![Collector { kind: Kind::Corten, binary: corten.context("--corten PATH is needed")? }];
    collectors.extend(prometheus.map(|binary| Collector { kind: Kind::Prometheus, binary }));
    let cores = if pin { Cores::part()? } else { None };
    let mut runs: Vec<Vec<Outcome>> = vec![Vec::new(); collectors.len()];
    let order: Vec<usize> = (0..collectors.len()).chain((0..collectors.len()).rev()).collect();
    println!("| collector  | first CPU s/M | later | whole | RSS MB | peak MB | B/sample | arrived |");
    println!("|------------|---------------|-------|-------|--------|---------|----------|---------|");
    for at in order.iter().cycle().take(order.len() * times).copied() {
        let outcome = run(&collectors[at], &plan, cores.as_ref())?;
        line(collectors[at].name(), &outcome);
        ensure!(
            outcome.is_exact,
            "{}: {} samples arrived of {}, or their values differ",
            collectors[at].name(),
            outcome.arrived,
            outcome.expected
        );
        runs[at].push(outcome);
    }
    let means: Vec<f64> =
        runs.iter().map(|all| all.iter().map(|run| run.whole).sum::<f64>() / all.len().max(1) as f64).collect();
    let most = runs.first().into_iter().flatten().map(|run| run.peak).max().unwrap_or_default() as f64 / 1e6;
    if let Some(allowed) = memory.filter(|allowed| most > *allowed) {
        bail!("corten had {most:.0} MB resident, and {allowed} are allowed");
    }
    if let [corten, prometheus] = means[..] {
        let found = corten / prometheus;
        println!("\nCPU for a million samples, Corten to Prometheus: {corten:.2} to {prometheus:.2}, {found:.2}");
        if let Some(allowed) = ratio.filter(|allowed| found > *allowed) {
            bail!("the ratio is {found:.2}, and {allowed} is allowed");
        }
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a tool for the terminal")]
fn line(name: &str, outcome: &Outcome) {
    println!(
        "| {name:<10} | {:<13.2} | {:<5.2} | {:<5.2} | {:<6.0} | {:<7.0} | {:<8.1} | {} |",
        outcome.first,
        outcome.later,
        outcome.whole,
        outcome.resident as f64 / 1e6,
        outcome.peak as f64 / 1e6,
        outcome.wire,
        outcome.arrived
    );
}
