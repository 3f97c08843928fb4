//! Programs that are built with Go, from a release of their module.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{process, workspace};

/// A program, built from its module's release unless that has been done; `words` are the last of the command line.
pub(super) fn build(name: &str, module: &str, version: &str, words: &[&str]) -> Result<PathBuf> {
    let binary = workspace::target()?.join("peers").join(format!("{name}-{version}"));
    if binary.is_file() {
        println!("peer | {} is there already", binary.display());
        return Ok(binary);
    }
    let Some(go) = process::says("go", &["version"]) else {
        bail!("{name} is built with Go, which is not installed; your distribution has it as golang or go");
    };
    println!("peer | {go}; building {name} {version}, which takes some minutes");
    std::fs::create_dir_all(binary.parent().context("a folder")?)?;
    let told = process::says("go", &["mod", "download", "-json", &format!("{module}@{version}")]);
    let told = told.with_context(|| format!("go mod download {module}@{version} fails; is there a module proxy?"))?;
    let told: Value = serde_json::from_str(&told)?;
    let source = told["Dir"].as_str().context("go mod download names no folder")?;
    // In the module itself: its replacements would not hold if it were built as somebody's dependency. A workspace
    // that comes with it names modules that do not.
    let mut go = Command::new("nice");
    go.env("GOWORK", "off").args(["go", "build", "-trimpath", "-buildvcs=false", "-o"]).arg(&binary).args(words);
    process::run(go.current_dir(source))?;
    Ok(binary)
}
