//! `cargo xtask vm-test`: test programs on real kernels, in QEMU. Software emulation is enough.
//!
//! Kernels and QEMU are Debian packages, unpacked below the target folder; nothing is installed. A guest has the
//! kernel, busybox, the test programs with the libraries that they are linked with, and nothing else: it is up in three
//! seconds, runs them, says how they ended on its console, and is gone.

mod apt;
mod archive;
mod guest;
mod kernels;
mod machine;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lexopt::Parser;
use lexopt::prelude::{Long, Value};
use serde_json::Value as Json;

use crate::{process, workspace};
use kernels::Kernel;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask vm-test [--kernel NAME]... [--all] [--test PACKAGE:TEST]... [--list] [--count] [FILTER]

Runs test programs as root in a guest for each kernel, one after the other, and prints a table.

  --kernel NAME        one of those that --list names; may be repeated (default: 5.10 and 6.12)
  --all                all of them
  --test PACKAGE:TEST  an integration test of a package (default: all that are meant for kernels)
  --list               what there is
  --count              count instructions: runs the tests that measure, slower, on the last of the kernels
  FILTER               only tests whose name contains it
";

/// Integration tests that are meant to run on kernels.
const TESTS: &[(&str, &str)] = &[("corten-ebpf-beyla", "kernel")];
/// What CI runs.
const TWO: &[&str] = &["5.10", "6.12"];
/// Emulated, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(420);

/// What to run where.
#[derive(Default)]
struct Wanted {
    kernels: Vec<&'static Kernel>,
    tests: Vec<(String, String)>,
    filter: String,
    count: bool,
}

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let mut wanted = Wanted::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("kernel") => wanted.kernels.push(kernels::by_name(&parser.value()?.to_string_lossy())?),
            Long("all") => wanted.kernels = kernels::ALL.iter().collect(),
            Long("count") => wanted.count = true,
            Long("list") => {
                kernels::ALL.iter().for_each(|kernel| println!("{:14} {}", kernel.name, kernel.suite));
                return Ok(());
            }
            Long("test") => {
                let value = parser.value()?.to_string_lossy().into_owned();
                let (package, test) = value.split_once(':').context("expected PACKAGE:TEST")?;
                wanted.tests.push((package.to_owned(), test.to_owned()));
            }
            Value(filter) if wanted.filter.is_empty() => wanted.filter = filter.to_string_lossy().into_owned(),
            other => return Err(other.unexpected().into()),
        }
    }
    wanted.fill()?;
    test(&wanted)
}

/// What CI runs: all tests on two kernels, and the instructions of an event on the last of them.
pub(crate) fn check() -> Result<()> {
    for count in [false, true] {
        let mut wanted = Wanted { count, ..Wanted::default() };
        wanted.fill()?;
        test(&wanted)?;
    }
    Ok(())
}

impl Wanted {
    /// What was not said.
    fn fill(&mut self) -> Result<()> {
        if self.kernels.is_empty() {
            self.kernels = TWO.iter().map(|name| kernels::by_name(name)).collect::<Result<_>>()?;
        }
        if self.tests.is_empty() {
            self.tests = TESTS.iter().map(|(package, test)| ((*package).to_owned(), (*test).to_owned())).collect();
        }
        if self.count {
            self.kernels.drain(..self.kernels.len() - 1);
        }
        Ok(())
    }
}

fn test(wanted: &Wanted) -> Result<()> {
    let store = workspace::target()?.join("vm");
    let programs = wanted.tests.iter().map(|(package, test)| program(package, test)).collect::<Result<Vec<_>>>()?;
    let qemu = machine::find(&store)?;
    let busybox = guest::busybox(&store)?;
    let mut rows = Vec::new();
    for kernel in &wanted.kernels {
        println!("\n--- {} ---", kernel.name);
        let row = kernel.fetch(&store).and_then(|image| {
            let payload = guest::payload(&wanted.filter, wanted.count);
            let initramfs = store.join(format!("initramfs-{}", std::process::id()));
            guest::write(&initramfs, &busybox, &programs, &payload)?;
            let outcome = machine::boot(&qemu, &image, &initramfs, wanted.count, DEADLINE);
            std::fs::remove_file(&initramfs)?;
            outcome
        });
        rows.push((kernel.name, row));
    }
    table(&rows)
}

/// One line for each kernel; a guest that said nothing at its end has failed.
fn table(rows: &[(&str, Result<machine::Outcome>)]) -> Result<()> {
    println!("\n{:14} {:24} {:>8} {:>8} {:>10}  what failed", "kernel", "release", "passed", "failed", "took");
    let mut failed = 0;
    for (name, row) in rows {
        match row {
            Ok(outcome) => {
                let took = process::duration(outcome.took);
                let why = outcome.failures.join(", ");
                println!(
                    "{name:14} {:24} {:>8} {:>8} {took:>10}  {why}",
                    outcome.release,
                    outcome.passed,
                    outcome.failures.len()
                );
                failed += usize::from(!outcome.good);
            }
            Err(error) => {
                println!("{name:14} {error:#}");
                failed += 1;
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} kernels failed", rows.len());
    Ok(())
}

/// Builds an integration test and says where it is.
fn program(package: &str, test: &str) -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked", "--no-run", "--message-format=json-render-diagnostics"]);
    cargo.args(["--package", package, "--test", test]).stderr(std::process::Stdio::inherit());
    println!("$ {}", process::line(&cargo));
    let output = cargo.output().context("cargo test")?;
    ensure!(output.status.success(), "the test {package}:{test} does not compile");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Json = serde_json::from_str(line).unwrap_or_default();
        if message["target"]["name"] == test
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo does not say where the test {package}:{test} is")
}
