//! Says what to install before the C library underneath fails with less clear words.

use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=CC");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut check = Command::new(&compiler);
    check.args(["-fsyntax-only", "-include", "libelf.h", "-include", "zlib.h", "-x", "c", "/dev/null"]);
    match check.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => {
            println!("cargo::error=eBPF needs the headers of libelf and zlib, and they are not installed.");
            println!("cargo::error=In Debian and Ubuntu: apt-get install libelf-dev zlib1g-dev pkg-config make");
            println!("cargo::error=In Fedora: dnf install elfutils-libelf-devel zlib-devel");
            println!("cargo::error=Without eBPF: cargo build --no-default-features --features all-but-ebpf");
            ExitCode::FAILURE
        }
        // Another way of building C: let the library find out.
        Err(_) => ExitCode::SUCCESS,
    }
}
