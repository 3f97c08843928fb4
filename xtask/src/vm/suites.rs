//! What is tested in guests: test programs, and what each of them needs there.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

use crate::{process, workspace};

/// A test program.
pub(super) struct Suite {
    pub(super) test: String,
    /// Names of tests to run must contain one of these; empty: all.
    pub(super) filters: &'static [&'static str],
    /// It runs the program `corten`, in a whole machine.
    pub(super) whole: bool,
    /// It observes servers.
    pub(super) serves: bool,
}

impl Suite {
    fn new(test: &str, whole: bool) -> Self {
        Self { test: test.to_owned(), filters: &[], whole, serves: test == "tracing" }
    }

    /// Any integration test of the workspace.
    pub(super) fn by_name(test: &str) -> Self {
        Self::new(test, test != "kernel")
    }

    /// What the kernel does.
    pub(super) fn kernel() -> Self {
        Self::new("kernel", false)
    }

    /// What the user is told of the machine.
    pub(super) fn doctor() -> Self {
        Self::new("doctor", true)
    }

    /// The whole product with a server.
    pub(super) fn product() -> Self {
        Self::new("beyla", true)
    }

    /// The whole product with all servers that there are.
    pub(super) fn servers() -> Self {
        const FILTERS: &[&str] = &["servers::", "http2::", "calls::", "chain::", "curl::", "shapes::"];
        Self { filters: FILTERS, ..Self::new("tracing", true) }
    }
}

/// Builds test programs and says where they are, in their order, and where `corten` is.
pub(super) fn build(suites: &[Suite]) -> Result<(Vec<PathBuf>, Option<PathBuf>)> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked", "--no-run", "--message-format=json-render-diagnostics"]);
    // The whole workspace, so that its libraries are not built anew with fewer features.
    cargo.arg("--workspace").stderr(Stdio::inherit());
    for suite in suites {
        cargo.args(["--test", &suite.test]);
    }
    println!("$ {}", process::line(&cargo));
    let output = cargo.output().context("cargo test")?;
    ensure!(output.status.success(), "the tests do not compile");
    let (mut programs, mut corten) = (vec![None; suites.len()], None);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Json = serde_json::from_str(line).unwrap_or_default();
        let (Some(path), Some(name)) = (message["executable"].as_str(), message["target"]["name"].as_str()) else {
            continue;
        };
        if name == "corten" {
            corten = Some(path.into());
        }
        if let Some(at) = suites.iter().position(|suite| suite.test == name) {
            programs[at] = Some(path.into());
        }
    }
    let found = suites.iter().zip(programs);
    let programs = found.map(|(suite, path)| path.with_context(|| format!("there is no test {}", suite.test)));
    Ok((programs.collect::<Result<_>>()?, corten))
}
