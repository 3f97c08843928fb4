//! Generations, the running system and the one that was booted, channels and boot entries.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::tree::Tree;
use crate::families::Families;

const PROFILES: &str = "/nix/var/nix/profiles";
const CHANNELS: &str = "/nix/var/nix/profiles/per-user/root/channels";
/// Generations that get a time each; their number is that of all.
const TIMES: usize = 50;
/// What needs a reboot to take effect.
const BOOTED: [&str; 3] = ["kernel", "initrd", "kernel-modules"];

/// Adds all of it.
pub(super) fn collect(out: &mut Families, tree: &Tree, boot: &Path) {
    generations(out, tree);
    system(out, tree);
    let help = "Channels of root.";
    match tree.list(CHANNELS) {
        Ok(names) => {
            let channels = names.iter().filter(|name| *name != "manifest.nix").count();
            out.gauge("nixos_channels_total", help, &[], channels);
        }
        Err(error) if error.kind() == ErrorKind::NotFound && tree.resolve(PROFILES).is_ok() => {
            out.gauge("nixos_channels_total", help, &[], 0);
        }
        Err(error) => tracing::debug!("{CHANNELS}: {error}"),
    }
    if let Some(entries) = boot_entries(tree, boot) {
        out.gauge("nixos_boot_entries_total", "Entries of systemd-boot.", &[], entries);
    }
}

/// The number of `system-42-link`.
fn number(link: &str) -> Option<u64> {
    link.strip_prefix("system-")?.strip_suffix("-link")?.parse().ok()
}

fn generations(out: &mut Families, tree: &Tree) {
    let names = match tree.list(PROFILES) {
        Ok(names) => names,
        Err(error) => {
            tracing::debug!("{PROFILES}: {error}");
            return;
        }
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    // A Nix that is a guest on another system has profiles without any of the system.
    let Ok((target, _)) = tree.link(format!("{PROFILES}/system")) else { return };
    out.gauge("nixos_generations_total", "Generations of the system.", &[], numbers.len());
    let current = target.file_name().and_then(|name| number(name.to_str()?));
    if let Some(current) = current {
        out.gauge("nixos_generation_current", "The generation that is set.", &[], current);
        if let Some(made) = made(tree, current) {
            let help = "When the generation that is set was made, in seconds since the epoch.";
            out.gauge("nixos_last_rebuild_timestamp", help, &[], made);
        }
    }
    for generation in numbers.iter().rev().take(TIMES) {
        if let Some(made) = made(tree, *generation) {
            let help = "When a generation was made, in seconds since the epoch; of the newest 50.";
            let labels = [("generation", &*generation.to_string())];
            out.gauge("nixos_system_generation_timestamp_seconds", help, &labels, made);
        }
    }
}

/// When a generation's link was made: what it points to lies in the store, where all times are the same.
fn made(tree: &Tree, generation: u64) -> Option<i64> {
    let folder = tree.resolve(PROFILES).ok()?;
    let link = tree.place(&folder).join(format!("system-{generation}-link"));
    Some(std::fs::symlink_metadata(link).ok()?.mtime())
}

fn system(out: &mut Families, tree: &Tree) {
    let (current, booted) = ("/run/current-system", "/run/booted-system");
    if let Ok(version) = tree.read(format!("{current}/nixos-version")) {
        let labels =
            [("kernel", &*kernel(tree, current)), ("revision", revision(&version)), ("version", version.as_str())];
        out.gauge("nixos_current_system_info", "The system that runs; always 1.", &labels, 1);
    }
    let part = |system: &str, part: &str| tree.resolve(format!("{system}/{part}")).ok();
    let pairs = BOOTED.map(|name| part(booted, name).zip(part(current, name)));
    if pairs.iter().any(Option::is_some) {
        let differs = pairs.iter().flatten().any(|(booted, current)| booted != current);
        let help = "Whether kernel, initrd or modules are others than at the last boot, so that a reboot is needed.";
        out.gauge("nixos_booted_system_differs", help, &[], differs);
    }
}

/// The revision of nixpkgs at the end of `24.05.20240615.abc1234`; empty if there is none.
fn revision(version: &str) -> &str {
    let last = version.rsplit('.').next().unwrap_or_default();
    let is_revision =
        last.len() >= 7 && last.bytes().all(|byte| byte.is_ascii_hexdigit()) && last.len() < version.len();
    // A day, `20240615`, is no revision.
    let is_day = last.len() == 8 && last.bytes().all(|byte| byte.is_ascii_digit());
    if is_revision && !is_day { last } else { "" }
}

/// The kernel's version: the folder of its modules is named by it; else from the store's `HASH-linux-6.6.32`.
fn kernel(tree: &Tree, system: &str) -> String {
    let modules = tree.list(format!("{system}/kernel-modules/lib/modules")).unwrap_or_default();
    if let Some(version) = modules.into_iter().find(|name| name.starts_with(|first: char| first.is_ascii_digit())) {
        return version;
    }
    let path = tree.resolve(format!("{system}/kernel")).unwrap_or_default();
    let in_store = path.iter().nth(3).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let digit = |at: &(usize, char)| at.1.is_ascii_digit();
    match in_store.find("-linux-").map(|at| &in_store[at + "-linux-".len()..]) {
        Some(rest) => rest.char_indices().find(digit).map(|(at, _)| rest[at..].to_owned()).unwrap_or_default(),
        None => String::new(),
    }
}

/// `None` if they may not be seen.
fn boot_entries(tree: &Tree, boot: &Path) -> Option<usize> {
    match tree.list(boot.join("loader/entries")) {
        Ok(names) => Some(names.iter().filter(|name| name.ends_with(".conf")).count()),
        // Another boot loader, if that can be seen.
        Err(error) if error.kind() == ErrorKind::NotFound => tree.list(boot).ok().map(|_| 0),
        Err(error) => {
            tracing::debug!("{}/loader/entries: {error}", boot.display());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_told_from_days() {
        for (version, expected) in [
            ("24.05.20240615.abc1234", "abc1234"),
            ("24.05.20240615", ""),
            ("25.11pre-git", ""),
            ("24.05.20240615.dirty", ""),
            ("26.05.20260101.0123456789abcdef0123456789abcdef01234567", "0123456789abcdef0123456789abcdef01234567"),
            ("", ""),
        ] {
            assert_eq!(revision(version), expected, "{version}");
        }
    }

    #[test]
    fn only_links_of_the_system_are_generations() {
        assert_eq!(number("system-42-link"), Some(42));
        for name in ["system", "default-3-link", "system--link", "system-4x-link", "system-42-link.tmp"] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
