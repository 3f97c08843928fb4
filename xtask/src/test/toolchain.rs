//! What must be installed. What is missing is named; with root on Debian it is installed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{process, workspace};

/// The Rust compiler in the version that the workspace asks for, rustfmt and clippy.
pub(super) fn rust() -> Result<()> {
    let metadata = workspace::metadata(false)?;
    let wanted = workspace::list(&metadata, "packages").iter().find_map(|package| package["rust_version"].as_str());
    let wanted = wanted.context("the packages do not say which Rust they need")?;
    let have = process::says("rustc", &["--version"]).context("rustc is missing: install Rust by https://rustup.rs")?;
    let have = have.split(' ').nth(1).unwrap_or_default();
    ensure!(
        numbers(have) >= numbers(wanted),
        "Rust {wanted} is needed and rustc is {have}: run `rustup update stable`"
    );
    for (name, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !process::works("cargo", &[name, "--version"]) {
            println!("cargo {name} is missing");
            let mut rustup = Command::new("rustup");
            process::run(rustup.args(["component", "add", component]))
                .with_context(|| format!("install the Rust component {component}"))?;
        }
    }
    println!("rustc {have}");
    Ok(())
}

/// Some dependencies (zstd, ring) compile C.
pub(crate) fn c_compiler() -> Result<()> {
    need("a C compiler", "cc", &["--version"], &["build-essential"])
}

/// libbpf, which the eBPF components load programs with, is compiled against these and linked with their libraries.
pub(crate) fn ebpf_headers() -> Result<()> {
    let check = ["-fsyntax-only", "-include", "libelf.h", "-include", "zlib.h", "-x", "c", "/dev/null"];
    need("a header of libelf or zlib", "cc", &check, &["libelf-dev", "zlib1g-dev"])?;
    need("make", "make", &["--version"], &["make"])?;
    need("pkg-config", "pkg-config", &["--version"], &["pkg-config"])
}

/// What compiles programs for the kernel.
pub(crate) fn clang() -> Result<()> {
    need("clang", "clang", &["--version"], &["clang"])?;
    need("llvm-strip", "llvm-strip", &["--version"], &["llvm"])
}

/// What tests run as a user's scripts would.
pub(super) fn clients_of_tests() -> Result<()> {
    need("curl", "curl", &["--version"], &["curl", "ca-certificates"])
}

/// libFuzzer is C++.
pub(super) fn cxx_compiler() -> Result<()> {
    need("a C++ compiler", "c++", &["--version"], &["g++"])
}

/// Makes sure that a program runs; installs Debian packages for it.
pub(crate) fn need(what: &str, program: &str, args: &[&str], packages: &[&str]) -> Result<()> {
    if process::works(program, args) {
        return Ok(());
    }
    let names = packages.join(" ");
    println!("{what} is missing (`{program}` does not run); in Debian it is in: {names}");
    ensure!(is_debian(), "{what} is missing: install it so that `{program} {}` runs", args.join(" "));
    ensure!(is_root(), "{what} is missing: run `apt-get install {names}` as root");
    apt(packages)?;
    if !process::works(program, args) {
        bail!("{what} is missing although {names} is installed: `{program} {}` fails", args.join(" "));
    }
    Ok(())
}

fn apt(packages: &[&str]) -> Result<()> {
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        process::run(command.args(["--quiet", "--yes"]).args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let install: Vec<&str> = ["install", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // The lists may be there and new enough.
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists()
}

fn is_root() -> bool {
    process::says("id", &["-u"]).as_deref() == Some("0")
}

/// The leading numbers of a version.
fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("1.100.0") > numbers("1.90"));
        assert!(numbers("1.90.0-nightly") >= numbers("1.90"));
        assert!(numbers("1.89.1") < numbers("1.90"));
    }
}
