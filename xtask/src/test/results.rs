//! Runs `cargo test`, passes its output on and adds its results up.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// What all runs of `cargo test` said.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// The last `test result:` line of each run.
    pub(super) closing: Vec<String>,
}

/// Numbers of one `test result:` line: passed, failed.
fn numbers(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let of = |what: &str| {
        let part = rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(what))?;
        part.trim().parse::<u64>().ok()
    };
    Some((of(" passed")?, of(" failed")?))
}

/// `cargo test` with these arguments.
pub(super) fn cargo_test(args: &[&str], totals: &mut Totals) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked"]).args(args);
    println!("$ {}", process::line(&cargo));
    let mut child = cargo.stdout(Stdio::piped()).spawn()?;
    let mut last = None;
    for line in BufReader::new(child.stdout.take().context("a pipe")?).lines() {
        let line = line?;
        println!("{line}");
        if let Some((passed, failed)) = numbers(&line) {
            totals.passed += passed;
            totals.failed += failed;
            last = Some(line);
        }
    }
    totals.closing.extend(last);
    let status = child.wait()?;
    if !status.success() {
        bail!("`cargo test {}` ended with {status}", args.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        let line = "test result: ok. 9 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(numbers(line), Some((9, 0)));
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.20s";
        assert_eq!(numbers(line), Some((12, 3)));
        assert_eq!(numbers("test a ... ok"), None);
    }
}
