//! `cargo xtask test`: everything that must hold before a change is merged. CI runs this and nothing else.

mod clients;
mod licences;
mod results;
mod steps;
pub(crate) mod toolchain;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use lexopt::Parser;
use lexopt::prelude::Long;
use results::Totals;
use steps::Steps;

use crate::{fuzz, process, services, tidy, vm, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask test [--quick] [--only STEP] [--all-clients] [--deny]

Toolchain, formatting, lints, house rules, licences, all tests, clients with the OpenTelemetry SDKs of other
languages, eBPF on two kernels in QEMU, a short run of each fuzz target, and the demo. What is missing is named; with root on Debian it is
installed. A client whose language is not installed is left out, and that is said.

  --quick         without clients of other languages, kernels, fuzzing and the demo
  --only STEP     one of: fmt, clippy, tidy, licences, tests, clients, kernels, fuzz, demo
  --all-clients   a missing language is installed or is a failure
  --deny          install cargo-deny if it is missing, for advisories (it is used whenever it is there)
";

/// How long all fuzz targets run together.
const FUZZ: Duration = Duration::from_secs(12);

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let (mut quick, mut only, mut all_clients, mut deny) = (false, None, false, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => quick = true,
            Long("only") => only = Some(parser.value()?.to_string_lossy().into_owned()),
            Long("all-clients") => all_clients = true,
            Long("deny") => deny = true,
            other => return Err(other.unexpected().into()),
        }
    }
    // Nothing else makes sense without these.
    toolchain::rust()?;
    toolchain::c_compiler()?;
    toolchain::ebpf_headers()?;
    let mut steps = Steps::only(only);
    let mut totals = Totals::default();
    steps.run("fmt", || cargo(&["fmt", "--all", "--check"]));
    steps.run("clippy", || cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny=warnings"]));
    steps.run("tidy", || tidy::check(true));
    steps.run("licences", || licences::check(deny));
    steps.run("tests", || {
        toolchain::clients_of_tests()?;
        services::prepare(false)?;
        results::cargo_test(&["--workspace", "--no-fail-fast"], &mut totals)
    });
    if !quick {
        steps.run("clients", || clients::run(all_clients, &mut totals));
        steps.run("kernels", vm::check);
        steps.run("fuzz", || {
            toolchain::cxx_compiler()?;
            let targets = fuzz::targets()?;
            fuzz::all(&targets, FUZZ / u32::try_from(targets.len().max(1))?, None)
        });
        steps.run("demo", || cargo(&["xtask", "demo", "--once"]));
    }
    ensure!(steps.all().next().is_some(), "there is no such step; `cargo xtask test --help` lists them");
    close(&steps, &totals)
}

/// The last lines: how long each step took, what failed, and one plain line that counts.
fn close(steps: &Steps, totals: &Totals) -> Result<()> {
    println!("\n{steps}");
    // A step that is not a test run counts as one test.
    let others = |passed: bool| steps.all().filter(|step| !step.is_tests() && step.passed() == passed).count() as u64;
    let (passed, mut failed) = (totals.passed + others(true), totals.failed + others(false));
    // A test run that failed without a failed test did not compile, or was killed.
    if totals.failed == 0 {
        failed += steps.all().filter(|step| step.is_tests() && !step.passed()).count() as u64;
    }
    for line in &totals.closing {
        println!("{line}");
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        let names: Vec<&str> = steps.all().filter(|step| !step.passed()).map(|step| step.name).collect();
        bail!("not all is well: {}", names.join(", "));
    }
    Ok(())
}

fn cargo(args: &[&str]) -> Result<()> {
    process::run(workspace::cargo().args(args))
}
