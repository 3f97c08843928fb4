//! `cargo xtask campaign`: the long forms of the tests that break things on purpose.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use lexopt::Parser;
use lexopt::prelude::{Long, Value, ValueExt};

use crate::{process, services, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask campaign CAMPAIGN [--count N] [--seed S] [--release]
       cargo xtask campaign all [--seed S] [--release]

Runs the long form of a test whose short form is in `cargo xtask test`, and says what it found: what was acknowledged
has arrived, nothing else has, what came twice was under way at a fault, and the counters agree to the item.

  kill          the collector under load is killed (1000 times), with a batch in front of a back end that refuses now and
                then and one that is dead until the end
  disk          the same on a file system that is full now and then, and on one whose device fails with EIO (500 rounds each;
                the second needs root)
  power-cuts    the log on a simulated disk loses power with sectors lost, reordered and torn, writes and syncs failing
                with ENOSPC and EIO in between (10000)
  bytes         every byte of the head and tail of a log flipped, every cut, bad and unreadable blocks (once)
  damage        buffers written into at random, under the real program (300)
  books         queues in virtual time: random back ends, reloads, ends (2000 seeds)
  backends      one back end that refuses, answers every wrong status with and without Retry-After, says nothing, one
                byte a second or without end, beside one that is well (200 rounds, each in memory and on disk)
  returns       a back end that goes and comes back, with the usual pauses between attempts (20 times)
  descriptors   no file descriptor left (60 times)
  clock         the wall clock jumps by an hour, ten years, to 1970 and 2038 (300 times; needs libfaketime)
  pause         SIGSTOP and SIGCONT (20 times, once for longer than every deadline)
  shutdown      SIGTERM with a healthy and a dead back end (100 times each)
  slow-clients  clients of one byte a second, and of none (1000)
  http2         rapid reset, endless headers, pings, settings, open streams, empty frames (200000 frames of each)
  overload      as much as comes, for 120 seconds, one destination dead, in a control group of 200 MB
  tracing       real servers and clients observed from the kernel: one right span for each request (1000 to each)
  tracing-costs what that costs them, rounds with and without in turn (CORTEN_BINARY names another build)

  --count N     how many
  --seed S      the faults of that run again; the order in which processes run is not repeated
  --release     with the optimisations of a release
";

struct Campaign {
    name: &'static str,
    count: u64,
    package: &'static str,
    /// What selects the test program, and the tests in it (a part of their names, or `--skip=` with one).
    target: &'static [&'static str],
    tests: &'static str,
    /// What tells the tests how many.
    variable: &'static str,
    /// Brings what the tests need.
    prepare: fn() -> Result<()>,
}

impl Campaign {
    /// One of the real program.
    const fn of(name: &'static str, count: u64, tests: &'static str) -> Self {
        let target = &["--test", "campaigns"];
        Self { name, count, package: "corten-pipeline", target, tests, variable: "CORTEN_COUNT", prepare: || Ok(()) }
    }

    /// One of real servers and clients.
    const fn of_services(name: &'static str, count: u64, tests: &'static str) -> Self {
        let prepare = || services::prepare(true);
        Self { target: &["--test", "tracing"], prepare, ..Self::of(name, count, tests) }
    }
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign::of("kill", 1000, "kill::"),
    Campaign::of("disk", 500, "disk::"),
    Campaign {
        name: "power-cuts",
        count: 10_000,
        package: "corten-delivery",
        target: &["--lib"],
        tests: "log::tests::power::",
        variable: "CORTEN_POWER_CUTS",
        prepare: || Ok(()),
    },
    Campaign {
        name: "bytes",
        count: 1,
        package: "corten-delivery",
        target: &["--lib"],
        tests: "log::tests::damage::",
        variable: "CORTEN_COUNT",
        prepare: || Ok(()),
    },
    Campaign::of("damage", 300, "damage::"),
    Campaign {
        name: "books",
        count: 2000,
        package: "corten-delivery",
        target: &["--test", "it"],
        tests: "simulation::",
        variable: "CORTEN_RUNS",
        prepare: || Ok(()),
    },
    Campaign::of("backends", 200, "backends::"),
    Campaign::of("returns", 20, "returns::"),
    Campaign::of("descriptors", 60, "descriptors::"),
    Campaign::of("clock", 300, "clock::"),
    Campaign::of("pause", 20, "pause::"),
    Campaign::of("shutdown", 100, "shutdown::"),
    Campaign::of("slow-clients", 1000, "slow_clients::"),
    Campaign::of("http2", 200_000, "http2::"),
    Campaign::of("overload", 120, "overload::"),
    Campaign::of_services("tracing", 1000, "--skip=costs::"),
    Campaign::of_services("tracing-costs", 1000, "costs::"),
];

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let (mut name, mut count, mut seed, mut release) = (None, None, None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Value(word) if name.is_none() => name = Some(word.string()?),
            Long("count") => count = Some(parser.value()?.parse::<u64>()?),
            Long("seed") => seed = Some(parser.value()?.parse::<u64>()?),
            Long("release") => release = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let known = || CAMPAIGNS.iter().map(|campaign| campaign.name).collect::<Vec<_>>().join(", ");
    let name = name.with_context(|| format!("which? there are: all, {}", known()))?;
    let chosen: Vec<&Campaign> = CAMPAIGNS.iter().filter(|campaign| name == "all" || campaign.name == name).collect();
    ensure!(!chosen.is_empty(), "there is no campaign {name:?}; there are: all, {}", known());
    let mut failed = Vec::new();
    for campaign in chosen {
        if let Err(error) = one(campaign, count, seed, release) {
            println!("{}: {error:#}", campaign.name);
            failed.push(campaign.name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn one(campaign: &Campaign, count: Option<u64>, seed: Option<u64>, release: bool) -> Result<()> {
    let name = campaign.name;
    let count = count.unwrap_or(campaign.count);
    (campaign.prepare)()?;
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked", "--package", campaign.package]);
    if release {
        cargo.arg("--release");
    }
    // One after the other, so that they do not disturb each other.
    cargo.args(campaign.target).args(["--", "--nocapture", "--test-threads=1", campaign.tests]);
    cargo.env(campaign.variable, count.to_string());
    // The test says its seed if it takes one of its own.
    cargo.env_remove("CORTEN_SEED");
    if let Some(seed) = seed {
        cargo.env("CORTEN_SEED", seed.to_string());
    }
    let started = Instant::now();
    let outcome = tests(&mut cargo);
    let took = process::duration(started.elapsed());
    match &outcome {
        Ok(()) => println!("{name}: count {count} passed in {took}"),
        Err(_) => println!("{name}: failed after {took}; CORTEN_SEED=... above repeats it with --seed"),
    }
    outcome
}

/// Runs tests, and fails as well if there were none or one could not be run here.
fn tests(cargo: &mut Command) -> Result<()> {
    println!("$ {}", process::line(cargo));
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let (mut ran, mut skipped) = (false, None);
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line?;
        ran |= line.contains("test result: ok") && !line.contains(" 0 passed");
        skipped = skipped.or_else(|| line.strip_prefix("skipped: ").map(str::to_owned));
        println!("{line}");
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}` ended with {status}", process::line(cargo));
    if let Some(why) = skipped {
        bail!("it could not be run here: {why}");
    }
    ensure!(ran, "no such test was run");
    Ok(())
}
