//! `cargo xtask fuzz`: libFuzzer over what reads bytes from outside.
//!
//! The targets are ordinary `libfuzzer-sys` programs in `fuzz/`, so that `cargo fuzz` with a nightly compiler can
//! run them too, with sanitizers. This verb needs neither: coverage instrumentation is an LLVM pass that the stable
//! compiler has, and code without `unsafe` has little for an address sanitizer to find.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lexopt::Parser;
use lexopt::prelude::{Long, Value, ValueExt};

use crate::{process, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask fuzz [TARGET] [--seconds N] [--seed N] [--list]

  TARGET       one target; all in turn without it
  --seconds N  how long each runs (60)
  --seed N     start from this seed, to repeat a run
  --list       print the targets

Inputs that found new code are kept in fuzz/corpus/TARGET (not committed); an input that fails is written to
fuzz/artifacts/TARGET, and the message says how to run it again. Needs a C++ compiler (libFuzzer is C++).
";

/// Instruments edges and comparisons. `--cfg fuzzing` is what crates expect of a fuzzer's build.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebuginfo=line-tables-only -Cdebug-assertions=on \
    -Ccodegen-units=16";

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let (mut only, mut seconds, mut seed, mut list) = (None, 60, None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("seconds") => seconds = parser.value()?.parse::<u64>()?,
            Long("seed") => seed = Some(parser.value()?.parse::<u32>()?),
            Long("list") => list = true,
            Value(name) if only.is_none() => only = Some(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let targets = targets()?;
    if list {
        targets.iter().for_each(|target| println!("{target}"));
        return Ok(());
    }
    let chosen = match only {
        Some(name) if targets.contains(&name) => vec![name],
        Some(name) => bail!("there is no target {name:?}; there are {}", targets.join(", ")),
        None => targets,
    };
    all(&chosen, Duration::from_secs(seconds), seed)
}

/// The files in `fuzz/fuzz_targets`.
pub(crate) fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(workspace::root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the targets and runs each for so long.
pub(crate) fn all(targets: &[String], each: Duration, seed: Option<u32>) -> Result<()> {
    let binaries = build()?;
    for target in targets {
        let folder = |kind: &str| workspace::root().join("fuzz").join(kind).join(target);
        for kind in ["corpus", "artifacts"] {
            std::fs::create_dir_all(folder(kind))?;
        }
        let seed = seed.unwrap_or_else(|| std::process::id().wrapping_mul(2_654_435_761).max(1));
        println!("fuzz {target}: {}, seed {seed}", process::duration(each));
        let started = Instant::now();
        let output = Command::new(binaries.join(target))
            .arg(format!("-max_total_time={}", each.as_secs().max(1)))
            .arg(format!("-seed={seed}"))
            .args(["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", folder("artifacts").display()))
            .arg(folder("corpus"))
            .arg(workspace::root().join("fuzz/seeds").join(target))
            .output()
            .with_context(|| format!("starting the fuzz target {target}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            eprintln!("{said}");
            bail!(
                "{target} fails; run it again with `{} FILE`, FILE being what the message above names",
                binaries.join(target).display()
            );
        }
        let stat = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_owned();
        println!("  {} runs in {}", stat("stat::number_of_executed_units:"), process::duration(started.elapsed()));
    }
    Ok(())
}

/// Where the instrumented binaries are.
fn build() -> Result<PathBuf> {
    let Some(host) = process::says("rustc", &["-vV"])
        .and_then(|said| said.lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned)))
    else {
        bail!("rustc does not say for which machine it compiles");
    };
    let folder = workspace::target()?.join("fuzz");
    let mut cargo = workspace::cargo();
    // With a target named, build scripts and macros are compiled without instrumentation.
    cargo.args(["build", "--locked", "--release", "--bins", "--manifest-path=fuzz/Cargo.toml", "--target", &host]);
    cargo.arg("--target-dir").arg(&folder).env("RUSTFLAGS", RUSTFLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::run(&mut cargo)?;
    Ok(folder.join(host).join("release"))
}
