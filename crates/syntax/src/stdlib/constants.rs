//! `constants.*`.

use crate::value::{Object, Value};

/// A constant of the standard library, for documentation and completions.
#[derive(Debug, Clone, Copy)]
pub struct ConstantInfo {
    /// Its full name.
    pub name: &'static str,
    /// What it holds.
    pub doc: &'static str,
}

/// All constants.
pub const CONSTANTS: &[ConstantInfo] = &[
    ConstantInfo { name: "constants.arch", doc: "The processor architecture, such as `amd64` or `arm64`." },
    ConstantInfo { name: "constants.hostname", doc: "The host name of the machine." },
    ConstantInfo { name: "constants.os", doc: "The operating system, such as `linux`." },
    ConstantInfo { name: "constants.version", doc: "The version of Corten, such as `v1.2.3`." },
];

pub(super) fn values() -> Object {
    let hostname = gethostname::gethostname().to_string_lossy().into_owned();
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    [("arch", arch()), ("hostname", &*hostname), ("os", os()), ("version", version)]
        .into_iter()
        .map(|(name, text)| (name.into(), Value::string(text)))
        .collect()
}

/// Go's names, which existing files compare with.
fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "mips64" if cfg!(target_endian = "little") => "mips64le",
        other => other,
    }
}
