//! QEMU: one that is new enough, a boot, and what the guest's console said.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::apt::{Apt, BACKPORTS};
use crate::process;

/// Before this one, kernels from 6.12 on do not always boot under emulation.
const OLDEST: u32 = 8;

/// A QEMU that can be run.
pub(super) struct Qemu {
    program: PathBuf,
    /// Where it was unpacked, with its firmware and its libraries; `None` if it is installed.
    root: Option<PathBuf>,
}

/// How a guest ended.
pub(super) struct Outcome {
    pub(super) release: String,
    pub(super) passed: u64,
    pub(super) failures: Vec<String>,
    /// How often a test said that it has nothing to test with.
    pub(super) left_out: u64,
    /// Lines with figures.
    pub(super) counts: Vec<String>,
    pub(super) good: bool,
    pub(super) took: Duration,
}

/// The installed one if it is new enough, else the one of Debian's backports.
pub(super) fn find(store: &Path) -> Result<Qemu> {
    const NAME: &str = "qemu-system-x86_64";
    if let Some(text) = process::says(NAME, &["--version"])
        && version(&text).is_some_and(|version| version >= OLDEST)
    {
        return Ok(Qemu { program: NAME.into(), root: None });
    }
    let root = store.join("qemu");
    let program = root.join("usr/bin").join(NAME);
    let unpacked = root.join("unpacked");
    if !unpacked.exists() {
        let apt = Apt::open(store, &BACKPORTS)?;
        for package in apt.needs("qemu-system-x86", BACKPORTS.name)? {
            apt.unpack(&package, &root)?;
        }
        ensure!(program.exists(), "the package qemu-system-x86 has no {NAME}");
        std::fs::write(unpacked, "")?;
    }
    Ok(Qemu { program, root: Some(root) })
}

/// `QEMU emulator version 10.0.2 (Debian …)`
fn version(text: &str) -> Option<u32> {
    text.split("version ").nth(1)?.split('.').next()?.parse().ok()
}

impl Qemu {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(root) = &self.root {
            let libraries = ["usr/lib", "lib"].map(|folder| root.join(folder).join("x86_64-linux-gnu"));
            command.env("LD_LIBRARY_PATH", libraries.map(|folder| folder.display().to_string()).join(":"));
            for folder in ["usr/share/qemu", "usr/share/seabios"] {
                command.arg("-L").arg(root.join(folder));
            }
        }
        command
    }
}

/// What is to be booted.
pub(super) struct Boot<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    /// Megabytes.
    pub(super) memory: u32,
    /// What the kernel is told beside.
    pub(super) words: &'a str,
    /// The guest's clock moves by one nanosecond with each instruction.
    pub(super) count: bool,
    pub(super) deadline: Duration,
}

/// Boots a kernel with a file system, shows what it says, and waits until it is off.
pub(super) fn boot(qemu: &Qemu, boot: &Boot<'_>) -> Result<Outcome> {
    let mut command = qemu.command();
    // One byte after the other is how an emulated processor copies what it is told to copy fast: figures were agreed to
    // that way, everything else need not wait for it.
    let processor = if boot.count { "max" } else { "max,-erms,-fsrm" };
    command.args(["-M", "q35", "-cpu", processor, "-smp", "1", "-m", &boot.memory.to_string()]);
    if boot.count {
        command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]);
    } else {
        command.args(["-accel", "tcg,thread=multi"]);
    }
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"]);
    command.arg("-kernel").arg(boot.kernel).arg("-initrd").arg(boot.initramfs);
    let words = format!("console=ttyS0 quiet panic=-1 reboot=t mitigations=off no_timer_check {}", boot.words);
    command.args(["-append", &words]).stdin(Stdio::null()).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("{} does not start", qemu.program.display()))?;
    let console = child.stdout.take().context("no console")?;
    // The reader ends when the console does; whoever waits too long ends the machine.
    let reader = std::thread::spawn(move || listen(BufReader::new(console)));
    while !reader.is_finished() && started.elapsed() < boot.deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    // It may have gone by itself.
    let _ = child.kill();
    child.wait()?;
    let mut outcome = reader.join().ok().context("the console could not be read")?;
    outcome.took = started.elapsed();
    if !outcome.good && outcome.failures.is_empty() {
        outcome.failures.push("the guest did not come to its end".to_owned());
    }
    Ok(outcome)
}

/// Shows the console and keeps what counts.
fn listen(console: impl BufRead) -> Outcome {
    let mut outcome = Outcome {
        release: String::new(),
        passed: 0,
        failures: Vec::new(),
        left_out: 0,
        counts: Vec::new(),
        good: false,
        took: Duration::ZERO,
    };
    for line in console.split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Some(release) = line.strip_prefix("@@guest-up ") {
            release.clone_into(&mut outcome.release);
            continue;
        }
        if let Some(result) = line.strip_prefix("@@guest-done ") {
            outcome.good = result == "0";
            continue;
        }
        println!("{line}");
        outcome.left_out += u64::from(line.starts_with("left out: ") || line.starts_with("skipped: "));
        if line.starts_with("@@count ") {
            outcome.counts.push(line);
            continue;
        }
        // `test some::name ... FAILED`
        if let Some((name, result)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            match result {
                "ok" => outcome.passed += 1,
                "FAILED" => outcome.failures.push(name.to_owned()),
                _ => {}
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("QEMU emulator version 10.0.2 (Debian 1:10.0.2)"), Some(10));
        assert_eq!(version("QEMU emulator version 7.2.17"), Some(7));
        assert_eq!(version("no such thing"), None);
    }

    #[test]
    fn a_console_tells_the_outcome() {
        let console = "@@guest-up 6.1.0\r\ntest a::b ... ok\r\ntest a::c ... FAILED\r\nskipped: no x\r\n\
                       @@count captured 12\r\n@@guest-done 1\r\n";
        let outcome = listen(console.as_bytes());
        assert_eq!((outcome.release.as_str(), outcome.passed, outcome.good), ("6.1.0", 1, false));
        assert_eq!(outcome.failures, ["a::c"]);
        assert_eq!((outcome.left_out, outcome.counts.as_slice()), (1, ["@@count captured 12".to_owned()].as_slice()));
        assert!(!listen("@@guest-up 6.1.0\n".as_bytes()).good, "it never came to its end");
        assert!(listen("@@guest-done 0\n".as_bytes()).good);
    }
}
