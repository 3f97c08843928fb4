//! A known exchange makes exactly the records that it should. The same program runs on the machine at hand and, by
//! `cargo xtask vm-test`, on kernels in QEMU.
//!
//! Without `CAP_BPF` and `CAP_PERFMON` there is nothing to test: that is said and passes, unless
//! `CORTEN_KERNEL_TESTS` is set, as it is in QEMU. `CORTEN_HOOKS` chooses the hook set.

#![allow(clippy::print_stdout, reason = "says what it was run on")]

mod cost;
mod exchange;
mod ladder;
mod privileges;
mod processes;
mod seen;
mod tls;

use std::sync::{Mutex, MutexGuard, PoisonError};

use corten_ebpf::{Capabilities, Capability, Kernel};
use corten_ebpf_beyla::capture::{Capture, HookSet, Policy, Records, Settings};

/// If this process may load programs: one test at a time, since they all watch this same process.
fn alone() -> Option<MutexGuard<'static, ()>> {
    static ALONE: Mutex<()> = Mutex::new(());
    let lacking = Capabilities::own().lacks(&[Capability::Bpf, Capability::Perfmon]);
    if !lacking.is_empty() {
        let lacking: Vec<&str> = lacking.iter().map(|capability| capability.name()).collect();
        assert!(std::env::var_os("CORTEN_KERNEL_TESTS").is_none(), "{} are lacking", lacking.join(", "));
        println!("left out: {} are lacking", lacking.join(", "));
    }
    // A test that failed has not left anything behind.
    lacking.is_empty().then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A capture of this process's own connections at a port.
fn capture(port: u16) -> (Capture, Records) {
    capture_with(port, Settings { ring: 1 << 20, ..Settings::default() })
}

fn capture_with(port: u16, mut settings: Settings) -> (Capture, Records) {
    if let Ok(wanted) = std::env::var("CORTEN_HOOKS") {
        settings.hooks.retain(|set| set.name() == wanted);
        assert!(!settings.hooks.is_empty(), "there is no hook set {wanted:?}");
    }
    let (capture, records) = match Capture::start(&settings, || {}) {
        Ok(started) => started,
        Err(error) => panic!("{error}"),
    };
    println!("{}: {}", Kernel::running().release, capture.hooks());
    for problem in capture.problems() {
        println!("without {problem}");
    }
    if capture.hooks() == HookSet::Trampoline {
        // Before 6.6, probes need more than the rest.
        assert_eq!(capture.problems().filter(|problem| !problem.what.starts_with("uprobes")).count(), 0);
    }
    capture.choose_ports([port]).expect("a port");
    capture.set(std::process::id(), Policy::Observe(None)).expect("a process");
    (capture, records)
}
