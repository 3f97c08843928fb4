//! `cargo xtask docs`: the reference, generated from what the binary declares.
//!
//! The generator is a package of its own (`xtask/docs`), because it links all components and this tool should not.

use anyhow::Result;
use lexopt::Parser;
use lexopt::prelude::Long;

use crate::{process, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask docs [--check]

  --check   change nothing; fail and name the pages that are not as the code declares them
";

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let mut check = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("check") => check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    generate(check)
}

/// Writes the pages, or compares them.
pub(crate) fn generate(check: bool) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", "xtask-docs", "--"]);
    if check {
        cargo.arg("--check");
    }
    process::run(&mut cargo)
}
