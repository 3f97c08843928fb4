//! One run of one row with one collector, started for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use corten_testkit::free_address;
use tokio::time::sleep;

use crate::ledger::{Ledger, Verdict};
use crate::load::{self, Requests};
use crate::peer::{Cores, Peer};
use crate::row::{Job, Row};
use crate::{sink, usage::Usage};

/// Without an arrival for so long, what is missing is lost.
const SILENCE: Duration = Duration::from_secs(10);
/// What a collector does after its start is not part of a run.
const SETTLE: Duration = Duration::from_millis(300);

/// What a run showed.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The books.
    pub verdict: Verdict,
    /// Requests that were answered with "try again".
    pub refused: u64,
    /// CPU time of the collector from the first request to the last arrival.
    pub cpu_seconds: f64,
    /// The same on the wall, until the last answer.
    pub seconds: f64,
    /// Its memory at the end, and at most.
    pub resident: u64,
    /// Its memory at most.
    pub peak: u64,
    /// Its memory before the load.
    pub before: u64,
    /// How often its threads were switched.
    pub context_switches: u64,
    /// From exec to listening.
    pub listening: f64,
    /// Half of the answers came within so many seconds.
    pub answer_p50: f64,
    /// 99 % of the answers.
    pub answer_p99: f64,
    /// From sending a request to its arrival at the first sink, half of them.
    pub arrival_p50: f64,
    /// 99 % of them.
    pub arrival_p99: f64,
    /// After an outage: from the return of the back ends to the first arrival.
    pub first_send: f64,
    /// After an outage: bytes that arrived in a second, from the first arrival to the last.
    pub drained: f64,
}

/// How runs are done.
pub struct Options {
    pub(crate) cores: Option<Cores>,
    /// One body in so many is checked at the sinks.
    pub check_every: u64,
    /// Where `perf record` writes to.
    pub profile: Option<PathBuf>,
}

impl Options {
    /// Parts the cores between the collector and this process if `pin`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(pin: bool, check_every: u64, profile: Option<PathBuf>) -> Result<Self> {
        let cores = if pin { Cores::part()? } else { None };
        Ok(Self { cores, check_every, profile })
    }

    /// Whether collector and load have a core each.
    pub fn pinned(&self) -> bool {
        self.cores.is_some()
    }
}

/// Runs a row once.
///
/// # Errors
/// The collector does not start, ends, or answers with what no client can go on with.
pub fn run(row: &Row, peer: &Peer, number: u32, options: &Options) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let outcome = runtime.block_on(local.run_until(one(row, peer, number, options)));
    outcome.with_context(|| format!("{} with {}", row.name, peer.name))
}

async fn one(row: &Row, peer: &Peer, number: u32, options: &Options) -> Result<Outcome> {
    let ledger = Ledger::new(
        row.kind,
        number,
        row.requests(),
        row.per_request,
        if matches!(row.job, Job::Dead(_)) { 0 } else { row.destinations - row.dead },
        options.check_every,
    );
    let ledger = Rc::new(ledger);
    let sinks: Vec<SocketAddr> = (0..row.destinations).map(|_| free_address()).collect();
    let alive = if matches!(row.job, Job::Dead(_)) { 0 } else { row.destinations - row.dead };
    let open = || async {
        for (number, address) in sinks.iter().take(alive).enumerate() {
            sink::start(*address, number, Rc::clone(&ledger)).await?;
        }
        anyhow::Ok(())
    };
    if !matches!(row.job, Job::Outage(_)) {
        open().await?;
    }
    let requests = Requests::new(row, number)?;
    let running = peer.start(row, &sinks, options.cores.as_ref())?;
    sleep(SETTLE).await;
    let before = running.usage()?;
    let profiler = match &options.profile {
        Some(directory) => Some(Profiler::start(directory, row, peer, running.pid())?),
        None => None,
    };
    let seen = if let Job::Idle(seconds) = row.job {
        sleep(Duration::from_secs(seconds)).await;
        load::Seen { took: Duration::from_secs(seconds), ..load::Seen::default() }
    } else {
        let load = tokio::time::timeout(row.deadline(), load::run(row, requests, running.to, &ledger)).await;
        let seen =
            load.unwrap_or_else(|_| Err(anyhow::anyhow!("the clients were not done after {:?}", row.deadline())));
        seen.with_context(|| format!("its output:\n{}", running.output()))?
    };
    let back = Instant::now();
    if matches!(row.job, Job::Outage(_)) {
        ledger.forget_times();
        open().await?;
    }
    if matches!(row.job, Job::Full | Job::Rate(_) | Job::Outage(_)) {
        loop {
            let (done, last) = ledger.progress();
            if done || Instant::now().duration_since(last) > SILENCE {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
    let after = running.usage()?;
    let (first, last) = ledger.times();
    let drained = last.duration_since(first).as_secs_f64().max(1e-3);
    if let Some(profiler) = profiler {
        profiler.stop()?;
    }
    // What comes twice comes after the first.
    sleep(SETTLE).await;
    let (verdict, mut delays) = ledger.close();
    let is_outage = matches!(row.job, Job::Outage(_));
    let mut answers = seen.answers;
    answers.sort_unstable();
    delays.sort_unstable();
    Ok(Outcome {
        verdict,
        refused: seen.refused,
        seconds: seen.took.as_secs_f64(),
        listening: running.listening.as_secs_f64(),
        answer_p50: percentile(&answers, 50),
        answer_p99: percentile(&answers, 99),
        arrival_p50: percentile(&delays, 50),
        arrival_p99: percentile(&delays, 99),
        first_send: if is_outage { first.duration_since(back).as_secs_f64() } else { 0.0 },
        drained: if is_outage { verdict.wire_bytes as f64 / drained } else { 0.0 },
        ..used(before, after)
    })
}

fn used(before: Usage, after: Usage) -> Outcome {
    Outcome {
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        context_switches: after.context_switches.saturating_sub(before.context_switches),
        resident: after.resident,
        peak: after.peak,
        before: before.resident,
        ..Outcome::default()
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, Duration::as_secs_f64)
}

/// `perf record` on the collector while it works.
struct Profiler {
    child: Child,
    data: PathBuf,
}

impl Profiler {
    fn start(directory: &Path, row: &Row, peer: &Peer, pid: u32) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let data = directory.join(format!("{}-{}.perf", row.name, peer.name));
        let mut command = Command::new("perf");
        command.args(["record", "--quiet", "-F", "997", "-e", "cpu-clock", "-p", &pid.to_string(), "-o"]).arg(&data);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("starting perf")?;
        Ok(Self { child, data })
    }

    /// Ends it and writes the most expensive symbols beside its data.
    fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        let report = Command::new("perf")
            .args(["report", "--stdio", "--no-children", "--percent-limit", "0.5", "-s", "dso,symbol", "-i"])
            .arg(&self.data)
            .output()?;
        std::fs::write(self.data.with_extension("txt"), report.stdout)?;
        Ok(())
    }
}
