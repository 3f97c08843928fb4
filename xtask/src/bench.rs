//! `cargo xtask bench`: what the collector costs. The tool is a package of its own (`bench`), built here with the
//! collector, both as they are released.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use lexopt::Parser;

use crate::{process, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask bench [--binary PATH] [--quick] [--rows A,B,...] [--rounds N] [--scale F] [--json FILE] [--list]
                         [--peer FILE=PATH] [--peers DIR] [--profile DIR] [--check-every N] [--no-pin]

Builds the collector and the load tool for release, runs both pinned to a core each, the collector and a bare relay
in turn (A B B A), each run a fresh process, and prints CPU seconds per million items, items a second, memory, context
switches, times to answer and to arrive, time from exec to listening, and size. Every item has a number: anything
lost, doubled or foreign is a failure.

  --binary PATH     measure this collector instead of building one
  --quick           a few rows, in less than a minute (without the build)
  --rows A,B,...    only these rows, or those that begin so; --list prints them
  --rounds N        times there and back (1)
  --scale F         F times as many items (1)
  --json FILE       write all runs there
  --peer FILE=PATH  one more collector: a description like bench/peers/corten.toml, and its program
  --peers DIR       all of bench/peers whose programs are in DIR, by the same names: otelcol, rotel, alloy
  --profile DIR     perf record on the collectors, and their most expensive symbols as text
  --check-every N   one body in so many is checked strictly at the back ends (8)
  --no-pin          do not part the cores
";

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let mut words: Vec<OsString> = parser.raw_args()?.collect();
    let mut binary = None;
    if let Some(at) = words.iter().position(|word| word == "--binary") {
        words.remove(at);
        anyhow::ensure!(at < words.len(), "--binary PATH");
        binary = Some(PathBuf::from(words.remove(at)));
    }
    let mut packages = vec!["--package", "corten-bench"];
    if binary.is_none() {
        packages.extend(["--package", "corten-pipeline", "--bin", "corten", "--bin", "corten-bench"]);
    }
    process::run(workspace::cargo().args(["build", "--release", "--locked"]).args(packages))?;
    let built = workspace::target()?.join("release");
    let mut tool = std::process::Command::new(built.join("corten-bench"));
    tool.arg("--corten").arg(binary.unwrap_or_else(|| built.join("corten"))).args(words);
    process::run(&mut tool)
}
