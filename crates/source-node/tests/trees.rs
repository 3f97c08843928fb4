//! Machines that lie in files: what is made of them is compared with what was looked over and kept.
//!
//! `CORTEN_BLESS=1` writes anew what is compared with.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use corten_source_node::{Choice, Unix, UnixArguments};

/// What this machine says itself, whatever tree it is pointed at.
const LIVE: [&str; 4] =
    ["node_exporter_build_info", "node_scrape_collector_duration_seconds", "node_time_", "node_textfile_mtime"];

fn unpack(tree: &str, into: &Path) {
    // The first line says what the file is.
    for part in tree.split("\n== ").skip(1) {
        let (path, content) = part.split_once('\n').unwrap_or((part, ""));
        let place = into.join(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(place).unwrap();
            continue;
        }
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => symlink(target.trim_end(), place).unwrap(),
            None => std::fs::write(place, format!("{}\n", content.trim_end_matches('\n'))).unwrap(),
        }
    }
}

fn check(name: &str, change: impl FnOnce(&mut UnixArguments, &Path)) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let dir = tempfile::tempdir().unwrap();
    unpack(&std::fs::read_to_string(fixtures.join(format!("{name}.tree"))).unwrap(), dir.path());
    let below = |path: &str| dir.path().join(path).display().to_string();
    let mut args = UnixArguments {
        procfs_path: below("proc"),
        sysfs_path: below("sys"),
        rootfs_path: below("root"),
        udev_data_path: below("udev"),
        disable_collectors: ["filesystem", "selinux", "timex", "uname"].map(str::to_owned).to_vec(),
        ..UnixArguments::default()
    };
    change(&mut args, dir.path());
    let text = Unix::new(&args).unwrap().gather(&Choice::default(), Duration::from_secs(60));
    // Paths stand in labels.
    let text = text.replace(&dir.path().display().to_string(), "/tree");
    let kept: String = text
        .lines()
        .filter(|line| !LIVE.iter().any(|live| line.starts_with(live)))
        .map(|line| format!("{line}\n"))
        .collect();
    let expected = fixtures.join(format!("{name}.prom"));
    if std::env::var_os("CORTEN_BLESS").is_some() {
        std::fs::write(&expected, &kept).unwrap();
    }
    let expected = std::fs::read_to_string(expected).unwrap_or_default();
    let missing: Vec<_> = expected.lines().filter(|line| !kept.lines().any(|found| found == *line)).collect();
    let more: Vec<_> = kept.lines().filter(|line| !expected.lines().any(|known| known == *line)).collect();
    assert!(missing.is_empty() && more.is_empty(), "{name}: missing {missing:#?}, not expected {more:#?}");
    assert_eq!(kept, expected, "{name}: the same lines in another order");
}

#[test]
fn a_server_with_hardware_that_few_machines_have() {
    check("server", |args, dir| {
        let more = "buddyinfo cgroups cpu_vulnerabilities drbd interrupts ksmd lnstat meminfo_numa mountstats nvmesubsystem \
            pcidevice processes slabinfo softirqs swap sysctl xfrm zoneinfo";
        args.enable_collectors = more.split_whitespace().map(str::to_owned).collect();
        args.bcache.priority_stats = true;
        args.cpu.guest = true;
        args.cpu.flags_include = "^avx".into();
        args.cpu.bugs_include = "spectre".into();
        args.sysctl.include = vec!["fs.file-nr:allocated,unused,maximum".into(), "kernel.threads-max".into()];
        args.sysctl.include_info = vec!["kernel.seccomp.actions_avail".into()];
        args.textfile.directory = dir.join("root/textfile").display().to_string();
    });
}

#[test]
fn a_laptop_with_an_older_kernel() {
    check("laptop", |args, _| args.netclass.ignore_invalid_speed_device = true);
}

#[test]
fn an_empty_machine_fails_collector_by_collector() {
    let dir = tempfile::tempdir().unwrap();
    let below = |path: &str| dir.path().join(path).display().to_string();
    let args = UnixArguments {
        procfs_path: below("proc"),
        sysfs_path: below("sys"),
        rootfs_path: below("root"),
        udev_data_path: below("udev"),
        ..UnixArguments::default()
    };
    let text = Unix::new(&args).unwrap().gather(&Choice::default(), Duration::from_secs(60));
    let success = |value: &str| {
        let lines = text.lines().filter(|line| line.starts_with("node_scrape_collector_success"));
        lines.filter(|line| line.ends_with(value)).count()
    };
    assert_eq!(success(" 0") + success(" 1"), 49);
    assert!(success(" 0") > 30, "{text}");
}
