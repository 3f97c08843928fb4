//! A stub of NVIDIA's library, built from `stub.c`, and recorded trees of AMD and Intel.

use std::fs;
use std::path::Path;
use std::process::Command;

use corten_signal::exposition::host_name;

use super::{Exporter, GpuArguments};
use crate::exporter::Gather;
use crate::families::render;

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn samples(exporter: &mut Exporter) -> Vec<String> {
    let text = render(&mut [exporter.gather().unwrap()]);
    text.lines().filter(|line| !line.starts_with('#') && !line.contains("build_info")).map(str::to_owned).collect()
}

fn exporter(root: &Path, library: &str) -> Exporter {
    Exporter::new(&GpuArguments { sysfs_path: root.display().to_string(), nvml_library: library.to_owned() })
}

/// Builds the stub as a shared library.
fn stub(dir: &Path) -> String {
    let library = dir.join("libnvidia-ml.so.1");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/gpu/stub.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library.display().to_string()
}

fn nvidia(root: &Path, status: &str) {
    let device = "bus/pci/devices/0000:01:00.0";
    write(
        root,
        &[
            (&format!("{device}/vendor"), "0x10de\n"),
            (&format!("{device}/class"), "0x030000\n"),
            (&format!("{device}/power/runtime_status"), status),
            ("bus/pci/devices/0000:01:00.1/vendor", "0x10de\n"),
            ("bus/pci/devices/0000:01:00.1/class", "0x040300\n"),
        ],
    );
}

#[test]
fn cards_of_nvidia_are_named_as_the_dcgm_exporter_names_them() {
    let dir = tempfile::tempdir().unwrap();
    nvidia(dir.path(), "active\n");
    let mut exporter = exporter(dir.path(), &stub(dir.path()));
    let found = samples(&mut exporter);
    let host = format!("hostname=\"{}\"", host_name());
    let found: Vec<String> = found.iter().map(|line| line.replace(&host, "hostname=\"HOST\"")).collect();
    assert_eq!(found, include_str!("tests.prom").lines().collect::<Vec<_>>(), "{}", found.join("\n"));
    // The same library answers the next scrape.
    assert_eq!(samples(&mut exporter).len(), found.len());
}

#[test]
fn a_card_that_sleeps_is_left_asleep_and_asked_when_it_wakes() {
    let dir = tempfile::tempdir().unwrap();
    nvidia(dir.path(), "suspended\n");
    let mut exporter = exporter(dir.path(), &stub(dir.path()));
    assert_eq!(samples(&mut exporter), Vec::<String>::new());
    assert!(exporter.nvml.is_none(), "the library has not even been loaded");
    nvidia(dir.path(), "active\n");
    assert!(!samples(&mut exporter).is_empty());
}

#[test]
fn without_card_or_library_there_is_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(samples(&mut exporter(dir.path(), "/nowhere/libnvidia-ml.so.1")), Vec::<String>::new());
    nvidia(dir.path(), "active\n");
    assert_eq!(samples(&mut exporter(dir.path(), "/nowhere/libnvidia-ml.so.1")), Vec::<String>::new());
    // Another library is not taken for it.
    assert_eq!(samples(&mut exporter(dir.path(), "libc.so.6")), Vec::<String>::new());
}

#[test]
fn cards_of_amd_and_intel_are_read_from_sys() {
    let dir = tempfile::tempdir().unwrap();
    let (amd, intel, old, xe) = ("class/drm/card0", "class/drm/card1", "class/drm/card2", "class/drm/card10");
    let file = |card: &str, path: &str| format!("{card}/{path}");
    write(
        dir.path(),
        &[
            (&file(amd, "device/uevent"), "DRIVER=amdgpu\nPCI_CLASS=30000\n"),
            (&file(amd, "device/gpu_busy_percent"), "37\n"),
            (&file(amd, "device/mem_info_vram_total"), "17163091968\n"),
            (&file(amd, "device/mem_info_vram_used"), "1073741824\n"),
            (&file(amd, "device/mem_info_vram_vendor"), "samsung\n"),
            (&file(amd, "device/power_dpm_force_performance_level"), "auto\n"),
            (&file(amd, "device/unique_id"), "0123456789abcdef\n"),
            (&file(amd, "device/hwmon/hwmon4/temp1_input"), "51000\n"),
            (&file(amd, "device/hwmon/hwmon4/temp1_label"), "edge\n"),
            (&file(amd, "device/hwmon/hwmon4/temp2_input"), "62500\n"),
            (&file(amd, "device/hwmon/hwmon4/temp1_crit"), "100000\n"),
            (&file(amd, "device/hwmon/hwmon4/power1_average"), "33000000\n"),
            (&file(amd, "device/hwmon/hwmon4/power1_input"), "34000000\n"),
            (&file(amd, "device/hwmon/hwmon4/power1_cap"), "203000000\n"),
            (&file(amd, "device/hwmon/hwmon4/power1_label"), "PPT\n"),
            (&file(amd, "device/hwmon/hwmon4/fan1_input"), "815\n"),
            (&file(amd, "device/hwmon/hwmon4/freq1_input"), "500000000\n"),
            (&file(amd, "device/hwmon/hwmon4/freq1_label"), "sclk\n"),
            (&file(amd, "device/hwmon/hwmon4/in0_input"), "793\n"),
            (&file(amd, "device/hwmon/hwmon4/in0_label"), "vddgfx\n"),
            ("class/drm/card0-DP-1/status", "connected\n"),
            (&file(intel, "device/uevent"), "DRIVER=i915\n"),
            (&file(intel, "gt/gt0/rps_act_freq_mhz"), "1300\n"),
            (&file(intel, "gt/gt0/rc6_residency_ms"), "123456\n"),
            (&file(intel, "device/hwmon/hwmon2/energy1_input"), "2500000\n"),
            (&file(old, "device/uevent"), "DRIVER=i915\n"),
            (&file(old, "gt_act_freq_mhz"), "350\n"),
            (&file(old, "power/rc6_residency_ms"), "2000\n"),
            (&file(xe, "device/uevent"), "DRIVER=xe\n"),
            (&file(xe, "device/tile0/gt0/freq0/act_freq"), "2400\n"),
            (&file(xe, "device/tile0/gt0/gtidle/idle_residency_ms"), "7000\n"),
            ("class/drm/card3/device/uevent", "DRIVER=virtio_gpu\n"),
        ],
    );
    let found = samples(&mut exporter(dir.path(), "/nowhere"));
    assert_eq!(found, include_str!("drm.prom").lines().collect::<Vec<_>>(), "{}", found.join("\n"));
}
