//! What is in a guest: busybox, `/init`, test programs and the libraries that they are linked with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::apt::{Apt, BACKPORTS};
use super::archive::Archive;

/// Process 1 of a guest.
const INIT: &str = include_str!("init.sh");

/// A busybox that needs no library.
pub(super) fn busybox(store: &Path) -> Result<PathBuf> {
    let folder = store.join("busybox");
    let find = || ["bin/busybox", "usr/bin/busybox"].iter().map(|name| folder.join(name)).find(|path| path.exists());
    if let Some(found) = find() {
        return Ok(found);
    }
    Apt::open(store, &BACKPORTS)?.unpack("busybox-static", &folder)?;
    find().context("the package busybox-static has no busybox")
}

/// The script that runs the tests: all of them, or in counting mode those that measure.
pub(super) fn payload(filter: &str, count: bool) -> String {
    let mut script = String::from("#!/bin/sh\nexport CORTEN_KERNEL_TESTS=1 RUST_BACKTRACE=0\nresult=0\n");
    if count {
        // The boot's own work drains first: until then everything is counted twice.
        script.push_str("sleep 10\n");
    }
    let ignored = if count { "--ignored --nocapture" } else { "" };
    let _ = writeln!(script, "for test in /tests/*; do\n  $test --test-threads=1 {ignored} {filter} || result=1\ndone");
    script.push_str("exit $result\n");
    script
}

/// Writes the guest's file system.
pub(super) fn write(to: &Path, busybox: &Path, programs: &[PathBuf], payload: &str) -> Result<()> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "proc", "run", "sys", "tmp"] {
        archive.folder(folder);
    }
    archive.copy("bin/busybox", busybox)?;
    archive.link("bin/sh", "busybox");
    archive.program("init", INIT.as_bytes());
    archive.program("payload", payload.as_bytes());
    let mut libraries = Vec::new();
    for program in programs {
        // `kernel-0123456789abcdef` is called `kernel`.
        let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name).to_owned();
        archive.program(&format!("tests/{name}"), &stripped(program)?);
        libraries.extend(linked(program)?);
    }
    libraries.sort();
    libraries.dedup();
    for library in libraries {
        archive.copy(library.trim_start_matches('/'), Path::new(&library))?;
    }
    std::fs::write(to, archive.finish()).with_context(|| to.display().to_string())
}

/// A program without what debuggers need, which is most of it.
fn stripped(program: &Path) -> Result<Vec<u8>> {
    let to = std::env::temp_dir().join(format!("corten-stripped-{}", std::process::id()));
    let status = Command::new("strip").arg("-o").arg(&to).arg(program).status().context("strip")?;
    ensure!(status.success(), "{} cannot be stripped", program.display());
    let bytes = std::fs::read(&to)?;
    std::fs::remove_file(&to)?;
    Ok(bytes)
}

/// Libraries that a program is linked with, and the loader itself.
fn linked(program: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output().context("ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `libelf.so.1 => /lib/… (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    Ok(text.lines().filter_map(path).collect())
}
