//! `cargo xtask campaign`: the long forms of the tests that break things on purpose.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use lexopt::Parser;
use lexopt::prelude::{Long, Value, ValueExt};

use crate::{process, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask campaign CAMPAIGN [--runs N] [--seed S] [--release]

Runs the long form of a test whose short form is in `cargo xtask test`, and says what it found.

  kill         the collector under load is killed N times (1000), with a back end that refuses now and then; what was
               acknowledged into a queue on disk arrives, nothing else does, and little arrives twice
  power-cuts   the log of such a queue on a simulated disk loses power N times (10000) with sectors lost, reordered
               and torn, writes and syncs failing in between; what was acknowledged is there, what is settled stays so

  --runs N     how many
  --seed S     kill: the moments and back ends of that run again; power-cuts: that one run alone
  --release    with the optimisations of a release
";

struct Campaign {
    name: &'static str,
    runs: u64,
    package: &'static str,
    /// What selects the test, and the test.
    target: &'static [&'static str],
    test: &'static str,
    variable: &'static str,
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign {
        name: "kill",
        runs: 1000,
        package: "corten-pipeline",
        target: &["--test", "durable"],
        test: "no_kill_loses_what_was_acknowledged",
        variable: "CORTEN_KILLS",
    },
    Campaign {
        name: "power-cuts",
        runs: 10_000,
        package: "corten-delivery",
        target: &["--lib"],
        test: "what_was_acknowledged_survives_every_power_cut",
        variable: "CORTEN_POWER_CUTS",
    },
];

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let (mut name, mut runs, mut seed, mut release) = (None, None, None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Value(word) if name.is_none() => name = Some(word.string()?),
            Long("runs") => runs = Some(parser.value()?.parse::<u64>()?),
            Long("seed") => seed = Some(parser.value()?.parse::<u64>()?),
            Long("release") => release = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let known = || CAMPAIGNS.iter().map(|campaign| campaign.name).collect::<Vec<_>>().join(", ");
    let name = name.with_context(|| format!("which? there are: {}", known()))?;
    let Some(campaign) = CAMPAIGNS.iter().find(|campaign| campaign.name == name) else {
        bail!("there is no campaign {name:?}; there are: {}", known());
    };
    let runs = runs.unwrap_or(campaign.runs);
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked", "--package", campaign.package]);
    if release {
        cargo.arg("--release");
    }
    cargo.args(campaign.target).args(["--", "--nocapture", campaign.test]);
    cargo.env(campaign.variable, runs.to_string());
    // The test says its seed if it takes one of its own.
    cargo.env_remove("CORTEN_SEED");
    if let Some(seed) = seed {
        cargo.env("CORTEN_SEED", seed.to_string());
    }
    let started = Instant::now();
    let outcome = one_test(&mut cargo);
    let took = process::duration(started.elapsed());
    match (&outcome, seed.filter(|_| name == "power-cuts")) {
        (Ok(()), Some(seed)) => println!("{name}: the run of seed {seed} passed in {took}"),
        (Ok(()), None) => println!("{name}: {runs} runs passed in {took}"),
        (Err(_), _) => println!("{name}: failed after {took}; CORTEN_SEED=... above repeats it with --seed"),
    }
    outcome
}

/// Runs a test, and fails as well if it was not there to be run.
fn one_test(cargo: &mut Command) -> Result<()> {
    println!("$ {}", process::line(cargo));
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let mut ran = false;
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line?;
        ran |= line.contains("1 passed; 0 failed");
        println!("{line}");
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}` ended with {status}", process::line(cargo));
    ensure!(ran, "no such test was run");
    Ok(())
}
