//! Kernels that are to be had as packages.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::apt::{Apt, BACKPORTS, Source};

/// One of them.
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) suite: &'static str,
    /// A package that depends on the newest one.
    package: &'static str,
    source: Source,
}

const fn debian(name: &'static str, suite: &'static str, lines: &'static [&'static str]) -> Kernel {
    Kernel { name, suite, package: "linux-image-cloud-amd64", source: Source { name: suite, lines, keys: None } }
}

const fn ubuntu(name: &'static str, suite: &'static str, lines: &'static [&'static str]) -> Kernel {
    let source = Source { name: suite, lines, keys: Some("ubuntu-keyring") };
    Kernel { name, suite, package: "linux-image-generic", source }
}

pub(super) const ALL: &[Kernel] = &[
    debian("5.10", "bullseye-security", &["http://deb.debian.org/debian-security bullseye-security main"]),
    ubuntu("5.15-ubuntu", "jammy-updates", &["http://archive.ubuntu.com/ubuntu jammy-updates main"]),
    debian("6.1", "bookworm", &["http://deb.debian.org/debian bookworm main"]),
    ubuntu("6.8-ubuntu", "noble-updates", &["http://archive.ubuntu.com/ubuntu noble-updates main"]),
    Kernel {
        name: "6.12",
        suite: "bookworm-backports",
        package: "linux-image-cloud-amd64/bookworm-backports",
        source: BACKPORTS,
    },
    debian("newest", "trixie-backports", &["http://deb.debian.org/debian trixie-backports main"]),
];

pub(super) fn by_name(name: &str) -> Result<&'static Kernel> {
    let known = || ALL.iter().map(|kernel| kernel.name).collect::<Vec<_>>().join(", ");
    ALL.iter().find(|kernel| kernel.name == name).with_context(|| format!("no kernel {name:?}; there are {}", known()))
}

impl Kernel {
    /// The image to boot; fetched the first time.
    pub(super) fn fetch(&self, store: &Path) -> Result<PathBuf> {
        let folder = store.join("kernels").join(self.name);
        if let Some(image) = image(&folder) {
            return Ok(image);
        }
        let apt = Apt::open(store, &self.source)?;
        let newest = apt.depends(self.package, "linux-image-")?.into_iter().next();
        let package = newest.with_context(|| format!("{} names no kernel", self.package))?;
        apt.unpack(&package, &folder)?;
        if image(&folder).is_none() {
            // Newer ones keep the image in a package of its own.
            for part in apt.depends(&package, "linux-binary-")? {
                apt.unpack(&part, &folder)?;
            }
        }
        // Nobody loads modules here, and they are the most of it.
        for modules in ["lib/modules", "usr/lib/modules"] {
            let modules = folder.join(modules);
            if image(&folder).is_some_and(|image| !image.starts_with(&modules)) && modules.exists() {
                std::fs::remove_dir_all(modules)?;
            }
        }
        image(&folder).with_context(|| format!("{package} has no image to boot"))
    }
}

fn image(folder: &Path) -> Option<PathBuf> {
    let list = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>()
    };
    let boot = list(folder.join("boot")).into_iter();
    let boot = boot.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")));
    let modules = list(folder.join("usr/lib/modules")).into_iter().map(|path| path.join("vmlinuz"));
    boot.chain(modules).find(|path| path.is_file())
}
