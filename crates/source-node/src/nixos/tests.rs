//! A recorded NixOS.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use corten_signal::exposition::{Expose, ScrapeRequest};

use super::{Exporter, NixosArguments};
use crate::bus::Bus;
use corten_testkit::{FakeSystemd, SystemdUnit, SystemdWorld};

const A: &str = "0123456789abcdfghijklmnpqrsvwxyz";

/// A machine with generations 7, 9 and 10, of which 9 is set, and another kernel since the last boot.
fn record(root: &Path) {
    let folder = |path: &str| fs::create_dir_all(root.join(path)).unwrap();
    let file = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
    let link = |to: &str, path: &str| symlink(to, root.join(path)).unwrap();
    folder("run");
    folder("boot/loader/entries");
    folder("srv/ada");
    folder("nix/var/nix/gcroots/auto");
    folder("nix/var/nix/gcroots/per-user/ada");
    folder("nix/var/nix/profiles/per-user/root");
    for (system, kernel) in [("booted", "6.6.31"), ("current", "6.6.32")] {
        let path = format!("nix/store/{A}-nixos-{system}");
        folder(&path);
        folder(&format!("nix/store/{A}-linux-{kernel}/lib/modules/{kernel}"));
        file(&format!("nix/store/{A}-linux-{kernel}/bzImage"), "kernel");
        file(&format!("{path}/nixos-version"), "24.05.20240615.abc1234\n");
        link(&format!("/nix/store/{A}-linux-{kernel}/bzImage"), &format!("{path}/kernel"));
        link(&format!("/nix/store/{A}-linux-{kernel}"), &format!("{path}/kernel-modules"));
    }
    link(&format!("/nix/store/{A}-nixos-current"), "run/current-system");
    link(&format!("/nix/store/{A}-nixos-booted"), "run/booted-system");
    for generation in [7, 9, 10] {
        let path = format!("nix/var/nix/profiles/system-{generation}-link");
        link(&format!("/nix/store/{A}-nixos-current"), &path);
    }
    link("system-9-link", "nix/var/nix/profiles/system");
    link(&format!("/nix/store/{A}-profile"), "nix/var/nix/profiles/default-1-link");
    link("default-1-link", "nix/var/nix/profiles/default");
    folder(&format!("nix/store/{A}-channels"));
    for channel in ["nixos", "home-manager", "manifest.nix"] {
        file(&format!("nix/store/{A}-channels/{channel}"), "");
    }
    link(&format!("/nix/store/{A}-channels"), "nix/var/nix/profiles/per-user/root/channels-1-link");
    link("channels-1-link", "nix/var/nix/profiles/per-user/root/channels");
    link("/nix/var/nix/profiles", "nix/var/nix/gcroots/profiles");
    link("/run/current-system", "nix/var/nix/gcroots/current-system");
    link(&format!("/nix/store/{A}-result"), "srv/ada/result");
    link("/srv/ada/result", "nix/var/nix/gcroots/auto/living");
    link("/srv/ada/gone", "nix/var/nix/gcroots/auto/dead");
    for entry in ["nixos-generation-9.conf", "nixos-generation-10.conf", "random.txt"] {
        file(&format!("boot/loader/entries/{entry}"), "");
    }
}

fn args(root: &Path) -> NixosArguments {
    NixosArguments { rootfs_path: root.display().to_string(), ..NixosArguments::default() }
}

async fn scrape(exporter: &Exporter) -> Vec<String> {
    let request = ScrapeRequest { params: Vec::new(), timeout: Duration::from_secs(60) };
    let body = exporter.expose(request).await.unwrap().body;
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.lines().filter(|line| !line.starts_with('#') && !line.contains("build_info")).map(str::to_owned).collect()
}

/// The value of a sample.
fn value(samples: &[String], name: &str) -> Option<f64> {
    samples.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_recorded_system_is_described() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    let samples = scrape(&Exporter::new(&args(dir.path()))).await;
    for (name, expected) in [
        ("nixos_generations_total", 3.0),
        ("nixos_generation_current", 9.0),
        ("nixos_channels_total", 2.0),
        ("nixos_boot_entries_total", 2.0),
        ("nixos_booted_system_differs", 1.0),
        ("nixos_current_system_info{kernel=\"6.6.32\",revision=\"abc1234\",version=\"24.05.20240615.abc1234\"}", 1.0),
        // Three generations and the default's, the channels', the running system's, the result's.
        ("nixos_gc_roots_total", 7.0),
        ("nixos_gcroots_auto", 2.0),
    ] {
        assert_eq!(value(&samples, name), Some(expected), "{name} in {samples:#?}");
    }
    let of_nine = value(&samples, "nixos_system_generation_timestamp_seconds{generation=\"9\"}");
    assert!(of_nine.unwrap() > 1.6e9 && of_nine == value(&samples, "nixos_last_rebuild_timestamp"));
    assert_eq!(samples.iter().filter(|line| line.starts_with("nixos_system_generation_timestamp")).count(), 3);
    for absent in ["nixos_store_size_bytes", "nixos_store_walk_age_seconds", "nixos_nix_daemon_active"] {
        assert_eq!(value(&samples, absent), None, "{absent}");
    }
}

#[tokio::test]
async fn the_store_has_a_size_once_it_has_been_walked_through() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    fs::write(dir.path().join(format!("nix/store/{A}-x.drv")), "Derive").unwrap();
    let exporter = Exporter::new(&args(dir.path()));
    let samples = tokio::select! {
        () = exporter.walk() => unreachable!("it never ends"),
        samples = async {
            loop {
                let samples = scrape(&exporter).await;
                if value(&samples, "nixos_store_size_bytes").is_some() {
                    break samples;
                }
            }
        } => samples,
    };
    assert!(value(&samples, "nixos_store_size_bytes").unwrap() > 4096.0);
    assert_eq!(value(&samples, "nixos_store_paths"), Some(6.0));
    assert_eq!(value(&samples, "nixos_store_derivations_total"), Some(1.0));
    assert_eq!(value(&samples, "nixos_store_walk_errors"), Some(0.0));
    assert!(value(&samples, "nixos_store_walk_age_seconds").unwrap() >= 0.0);
}

#[tokio::test]
async fn what_may_not_be_seen_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    let boot = dir.path().join("boot");
    fs::set_permissions(&boot, fs::Permissions::from_mode(0o000)).unwrap();
    let samples = scrape(&Exporter::new(&args(dir.path()))).await;
    let may_see = fs::read_dir(&boot).is_ok();
    fs::set_permissions(&boot, fs::Permissions::from_mode(0o700)).unwrap();
    // To root nothing is hidden.
    assert_eq!(value(&samples, "nixos_boot_entries_total").is_some(), may_see, "{samples:?}");
}

#[tokio::test]
async fn another_system_has_nothing_and_another_boot_loader_no_entries() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Exporter::new(&args(dir.path()));
    assert_eq!(scrape(&exporter).await, Vec::<String>::new());
    fs::create_dir_all(dir.path().join("boot/grub")).unwrap();
    assert_eq!(scrape(&exporter).await, ["nixos_boot_entries_total 0"]);
}

#[tokio::test]
async fn the_daemon_is_there_if_its_service_or_its_socket_is() {
    for (service, socket, expected) in [
        (Some("active"), Some("active"), Some(1.0)),
        (Some("inactive"), Some("active"), Some(1.0)),
        (Some("failed"), Some("failed"), Some(0.0)),
        (Some("inactive"), None, Some(0.0)),
        (None, None, None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let unit = |name: &str, active: Option<&'static str>| match active {
            Some(active) => SystemdUnit::new(name, active),
            None => SystemdUnit::new(name, "inactive").not_found(),
        };
        let units = vec![
            unit("nix-daemon.service", service),
            unit("nix-daemon.socket", socket),
            unit("a.service", Some("active")),
        ];
        let _fake = FakeSystemd::start(&dir.path().join("bus"), SystemdWorld { units, ..SystemdWorld::default() });
        let bus = Bus::at(format!("unix:path={}/bus", dir.path().display()), Duration::from_secs(60));
        let samples = scrape(&Exporter::with_bus(&args(dir.path()), Some(bus))).await;
        assert_eq!(value(&samples, "nixos_nix_daemon_active"), expected, "{service:?} {socket:?}");
    }
}
