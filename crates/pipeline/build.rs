//! Asks the linker for packed relocations where the C library can read them: they are 1.3 MB of the program otherwise.

#![allow(clippy::print_stdout, reason = "how a build script speaks")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let set = |name| std::env::var(name).unwrap_or_default();
    // What is built for another machine runs with a C library that cannot be asked.
    if set("HOST") == set("TARGET") && set("CARGO_CFG_TARGET_ENV") == "gnu" && glibc() >= Some((2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of the C library here.
fn glibc() -> Option<(u32, u32)> {
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
