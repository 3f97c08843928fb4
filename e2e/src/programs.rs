//! The workspace's programs. Cargo builds a package's own programs for its tests, not those of others: here they
//! are built by a cargo of our own, which does nothing when they are current.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The folder that this test was built into, such as `target/debug`.
fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.parent().and_then(Path::parent).expect("target/PROFILE/deps").to_owned()
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    folder().parent().expect("target/PROFILE").to_owned()
}

/// The path of a program of the workspace, freshly built.
pub fn program(package: &str, name: &str) -> PathBuf {
    // Tests of one process take turns; tests of several wait for cargo's own lock.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _turn = BUILDING.lock();
    let folder = folder();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", package, "--bin", name]);
    cargo.arg("--target-dir").arg(target());
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "building {package}: {status}");
    folder.join(name)
}
