//! What is in a guest: busybox alone or a whole machine, test programs and what they need, and the script that runs
//! them. Everything of ours lies where it lies here, so that programs find it by the names that were compiled in.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::apt::{Apt, BACKPORTS};
use super::archive::Archive;
use super::root::Root;
use crate::workspace;

/// Process 1 of a guest with busybox alone.
const INIT: &str = include_str!("init.sh");

/// A test program in a guest.
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// Names of tests to run contain one of these.
    pub(super) filters: Vec<String>,
}

/// How the programs are run.
#[derive(Debug, Default, Clone)]
pub(super) struct How {
    /// Only those that measure, while instructions are counted.
    pub(super) count: bool,
    /// Requests that each server is asked; the tests' own number without it.
    pub(super) requests: Option<u32>,
    /// The hook set, by name; the best without it.
    pub(super) hooks: Option<String>,
}

/// The first file system of a guest.
pub(super) struct Guest<'a> {
    pub(super) store: &'a Path,
    /// The machine; `None` for busybox alone.
    pub(super) root: Option<Root>,
    pub(super) programs: &'a [Program],
    /// `corten`, where it is tested.
    pub(super) corten: Option<&'a Path>,
    pub(super) how: &'a How,
}

impl Guest<'_> {
    /// Writes it.
    pub(super) fn write(&self, to: &Path) -> Result<()> {
        let mut archive = Archive::default();
        let mut file = File::create(to).with_context(|| to.display().to_string())?;
        match self.root {
            // One archive behind the other: the kernel unpacks them one over the other.
            Some(root) => {
                std::io::copy(&mut File::open(root.archive(self.store)?)?, &mut file)?;
                // The package with this one program brings fifty megabytes of Perl.
                archive.copy("bin/busybox", &busybox(self.store)?)?;
                archive.link("bin/kill", "busybox");
                self.services(&mut archive, root)?;
            }
            None => {
                for folder in ["bin", "dev", "proc", "run", "sys", "tmp"] {
                    archive.folder(folder);
                }
                archive.copy("bin/busybox", &busybox(self.store)?)?;
                archive.link("bin/sh", "busybox");
                archive.program("init", INIT.as_bytes());
            }
        }
        archive.program("payload", self.payload().as_bytes());
        let mut libraries = Vec::new();
        for program in self.programs.iter().map(|program| program.path.as_path()).chain(self.corten) {
            archive.program(inside(program), &stripped(program)?);
            libraries.extend(linked(program)?);
        }
        libraries.sort();
        libraries.dedup();
        for library in libraries {
            archive.copy(library.trim_start_matches('/'), Path::new(&library))?;
        }
        file.write_all(&archive.finish())?;
        Ok(())
    }

    /// Servers that the tests bring, and names for those of the machine.
    fn services(&self, archive: &mut Archive, root: Root) -> Result<()> {
        let sources = workspace::root().join("tests/services");
        if !sources.exists() {
            return Ok(());
        }
        archive.tree_at(inside(&sources), &sources)?;
        let prepared = workspace::target()?.join("services");
        for name in ["go", "java"] {
            if prepared.join(name).exists() {
                archive.tree_at(inside(&prepared.join(name)), &prepared.join(name))?;
            }
        }
        if root == Root::All {
            for (name, to) in [("python", "python3"), ("uvicorn", "uvicorn"), ("gunicorn", "gunicorn")] {
                archive.link(inside(&prepared.join("python/bin").join(name)), &format!("/usr/bin/{to}"));
            }
        }
        Ok(())
    }

    /// The script that runs the tests.
    fn payload(&self) -> String {
        let mut script = String::from("#!/bin/sh\nexport CORTEN_KERNEL_TESTS=1 RUST_BACKTRACE=0 HOME=/root\n");
        if let Some(requests) = self.how.requests {
            let _ = writeln!(script, "export CORTEN_COUNT={requests}");
        }
        if let Some(hooks) = &self.how.hooks {
            let _ = writeln!(script, "export CORTEN_HOOKS='{hooks}'");
        }
        if self.root.is_some() {
            script.push_str("export PATH=/usr/sbin:/usr/bin:/sbin:/bin\necho \"@@guest-up $(uname -r)\"\n");
            // Where the unit of systemd did not.
            script.push_str("mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing\n");
        }
        script.push_str("result=0\n");
        if self.how.count {
            // The boot's own work drains first: until then everything is counted twice.
            script.push_str("sleep 10\n");
        }
        for program in self.programs {
            let which = if self.how.count { "--ignored --nocapture" } else { "--show-output" };
            let filters = program.filters.join(" ");
            let _ = writeln!(script, "{} --test-threads=1 {which} {filters} || result=1", program.path.display());
        }
        if self.root.is_some() {
            script.push_str("echo \"@@guest-done $result\"\n");
        }
        script.push_str("exit $result\n");
        script
    }
}

/// A path of ours as it is named in an archive.
fn inside(path: &Path) -> &str {
    path.to_str().unwrap_or_default().trim_start_matches('/')
}

/// A busybox that needs no library.
fn busybox(store: &Path) -> Result<PathBuf> {
    let folder = store.join("busybox");
    let find = || ["bin/busybox", "usr/bin/busybox"].iter().map(|name| folder.join(name)).find(|path| path.exists());
    if let Some(found) = find() {
        return Ok(found);
    }
    Apt::open(store, &BACKPORTS)?.unpack("busybox-static", &folder)?;
    find().context("the package busybox-static has no busybox")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_runs_each_program_with_its_filters() {
        let programs = [Program { path: "/t/kernel-1".into(), filters: vec!["tls".into(), "ladder".into()] }];
        let how = How { requests: Some(1000), ..How::default() };
        let guest =
            Guest { store: Path::new("/"), root: Some(Root::Few), programs: &programs, corten: None, how: &how };
        let script = guest.payload();
        assert!(script.contains("export CORTEN_COUNT=1000\n"), "{script}");
        assert!(script.contains("\n/t/kernel-1 --test-threads=1 --show-output tls ladder || result=1\n"), "{script}");
        let bare = Guest { root: None, ..guest };
        assert!(!bare.payload().contains("@@guest-up"), "process 1 says it");
    }
}
