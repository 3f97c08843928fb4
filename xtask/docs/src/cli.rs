//! The page of the command line: the help texts as the program prints them.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// With this as its first argument, this program is `corten`.
pub(crate) const AS_CORTEN: &str = "--as-corten";

const COMMANDS: &[&str] = &[
    "run",
    "validate",
    "fmt",
    "exporter",
    "exporter node",
    "exporter nixos",
    "exporter systemd",
    "doctor ebpf",
    "completion",
];

pub(crate) fn page() -> Result<String> {
    let mut out = String::from("# The command line\n\n");
    out.push_str(&section("corten", &["--help"])?);
    for command in COMMANDS {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        out.push_str(&section(&format!("corten {command}"), &args)?);
    }
    Ok(format!("{}\n", out.trim_end()))
}

fn section(title: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(std::env::current_exe()?)
        .arg(AS_CORTEN)
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .context("running the program itself")?;
    ensure!(output.status.success(), "`{title} --help` ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    Ok(format!("## `{title}`\n\n```text\n{}\n```\n\n", lines.join("\n")))
}
