//! Prometheus: the one that is installed, and a release of version 3 that is built with Go. Both have their receiver for
//! remote write, and are asked over their query API.

mod kinds;
mod restarts;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use lexopt::Parser;
use lexopt::prelude::Long;

use super::golang;
use super::program::{Program, http};
use crate::{process, test, workspace};

const MODULE: &str = "github.com/prometheus/prometheus";
/// 3.15.
const VERSION: &str = "v0.315.0";

pub(super) fn run(parser: &mut Parser) -> Result<()> {
    let mut scale = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("scale") => scale = true,
            other => return Err(other.unexpected().into()),
        }
    }
    test::toolchain::c_compiler()?;
    // Most ways of discovery bring the clients of a cloud, and none is used here.
    let built = golang::build("prometheus", MODULE, VERSION, &["-tags=remove_all_sd", "./cmd/prometheus"])?;
    if scale {
        return bench(&built);
    }
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--locked", "--package", "corten-pipeline", "--bins"]);
    process::run(&mut cargo)?;
    let corten = workspace::target()?.join("debug").join("corten");
    let installed = Path::new("prometheus");
    match process::says("prometheus", &["--version"]) {
        Some(version) => {
            println!("peer | {}", version.lines().next().unwrap_or_default());
            restarts::run(installed, &corten)?;
        }
        None => println!("peer | no Prometheus is installed; the one that was built is enough"),
    }
    restarts::run(&built, &corten)?;
    kinds::run(&built, &corten, kinds::Protocol::One)?;
    kinds::run(&built, &corten, kinds::Protocol::Two)
}

/// A million series, beside Prometheus in agent mode: released builds, in turn.
fn bench(prometheus: &Path) -> Result<()> {
    let packages =
        ["--package", "corten-bench", "--package", "corten-pipeline", "--bin", "corten", "--bin", "corten-bench"];
    process::run(workspace::cargo().args(["build", "--release", "--locked"]).args(packages))?;
    let built = workspace::target()?.join("release");
    let mut tool = Command::new(built.join("corten-bench"));
    tool.arg("scrape").arg("--corten").arg(built.join("corten")).arg("--prometheus").arg(prometheus);
    process::run(&mut tool)
}

/// An empty folder below the target folder.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = workspace::target()?.join("peers").join("prometheus").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Starts Prometheus with its data in the folder.
pub(super) fn start(program: &Path, folder: &Path, server: SocketAddr, more: &[&str]) -> Result<Program> {
    std::fs::write(folder.join("prometheus.yml"), "global: {}\n").context("writing prometheus.yml")?;
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={server}"))
        .arg("--web.enable-remote-write-receiver")
        .args(more);
    let mut program = Program::start("prometheus", &mut command, &folder.join("prometheus.log"))?;
    program.until("it is ready", || http(server, "GET", "/-/ready", "").ok())?;
    Ok(program)
}

/// Starts Corten with the folder's `peer.alloy`.
fn start_corten(binary: &Path, folder: &Path, own: SocketAddr) -> Result<Program> {
    let mut command = Command::new(binary);
    command.arg("run").arg(folder.join("peer.alloy")).arg(format!("--server.http.listen-addr={own}"));
    command.arg(format!("--storage.path={}", folder.join("corten-data").display()));
    let mut program = Program::start("corten", &mut command, &folder.join("corten.log"))?;
    program.until("it is ready", || http(own, "GET", "/-/ready", "").ok())?;
    Ok(program)
}

/// What the query API answers, without its frame.
fn query(server: SocketAddr, path: &str) -> Result<serde_json::Value> {
    let mut answer: serde_json::Value = serde_json::from_str(&http(server, "GET", path, "")?)?;
    match answer["status"].as_str() {
        Some("success") => Ok(answer["data"].take()),
        _ => bail!("{path}: {answer}"),
    }
}
