//! Cards of AMD and Intel, from `/sys`: node_exporter's drm families, and beside them temperatures, power, fans and
//! clocks in names of ours.

use std::path::Path;

use crate::collectors::drm;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

/// Adds what all cards say.
pub(super) fn collect(out: &mut Families, roots: &Roots) {
    if let Err(why) = drm::collect(roots, out) {
        tracing::debug!("cards of AMD cannot be read: {why}");
    }
    let root = roots.sys("class/drm");
    let names = files::list_if_present(&root).unwrap_or_default();
    // `card0-HDMI-A-1` is a connector.
    let is_card = |name: &&String| {
        name.strip_prefix("card").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    for card in names.iter().filter(is_card) {
        let path = root.join(card);
        let driver = files::read(path.join("device/uevent")).unwrap_or_default();
        match driver.lines().find_map(|line| line.strip_prefix("DRIVER=")) {
            Some("amdgpu") => sensors(out, card, &path),
            Some("i915" | "xe") => {
                let [memory, level, id] =
                    ["memory_vendor", "power_performance_level", "unique_id"].map(|name| (name, ""));
                let labels = [("card", card.as_str()), memory, level, id, ("vendor", "intel")];
                out.gauge("node_drm_card_info", "A graphics card.", &labels, 1);
                sensors(out, card, &path);
                i915(out, card, &path);
                xe(out, card, &path);
            }
            _ => {}
        }
    }
}

/// What the card's hardware monitor says.
fn sensors(out: &mut Families, card: &str, path: &Path) {
    let monitors = path.join("device/hwmon");
    for monitor in files::list_if_present(&monitors).unwrap_or_default() {
        let folder = monitors.join(monitor);
        for file in files::list_if_present(&folder).unwrap_or_default() {
            sensor(out, card, &folder, &file);
        }
    }
}

fn sensor(out: &mut Families, card: &str, folder: &Path, file: &str) {
    let Some((sensor, part)) = file.split_once('_') else { return };
    let kind = sensor.trim_end_matches(|last: char| last.is_ascii_digit());
    let (family, help, unit) = match (kind, part) {
        ("temp", "input") => ("node_drm_temperature_celsius", "Temperatures of the card.", 1e-3),
        ("fan", "input") => ("node_drm_fan_rpm", "Turns of the card's fans in a minute.", 1.0),
        ("freq", "input") => ("node_drm_clock_hertz", "Clocks of the card.", 1.0),
        ("in", "input") => ("node_drm_voltage_volts", "Voltages of the card.", 1e-3),
        ("power", "average" | "input") => ("node_drm_power_watts", "Power that the card draws.", 1e-6),
        ("power", "cap") => ("node_drm_power_cap_watts", "Power that the card may draw.", 1e-6),
        ("energy", "input") => ("node_drm_energy_joules_total", "Energy that the card has used.", 1e-6),
        _ => return,
    };
    // Cards that show an average show the moment, too, or not at all.
    if (kind, part) == ("power", "input") && folder.join(format!("{sensor}_average")).exists() {
        return;
    }
    let Ok(value) = files::number::<f64>(folder.join(file)) else { return };
    let label = files::attribute(folder.join(format!("{sensor}_label"))).ok().filter(|label| !label.is_empty());
    let labels = [("card", card), ("sensor", label.as_deref().unwrap_or(sensor))];
    match kind {
        "energy" => out.counter(family, help, &labels, value * unit),
        _ => out.gauge(family, help, &labels, value * unit),
    }
}

fn clock(out: &mut Families, card: &str, sensor: &str, megahertz: Result<f64, files::ReadError>) {
    if let Ok(megahertz) = megahertz {
        let labels = [("card", card), ("sensor", sensor)];
        out.gauge("node_drm_clock_hertz", "Clocks of the card.", &labels, megahertz * 1e6);
    }
}

fn residency(out: &mut Families, card: &str, sensor: &str, milliseconds: Result<f64, files::ReadError>) {
    if let Ok(milliseconds) = milliseconds {
        let help = "Time that a part of the card slept; the rest of the time it worked.";
        let labels = [("card", card), ("sensor", sensor)];
        out.counter("node_drm_idle_seconds_total", help, &labels, milliseconds / 1e3);
    }
}

/// Intel's older driver: `gt/gt0` and so on, or the same at the top in old kernels.
fn i915(out: &mut Families, card: &str, path: &Path) {
    let parts = files::list_if_present(path.join("gt")).unwrap_or_default();
    for part in &parts {
        let folder = path.join("gt").join(part);
        clock(out, card, part, files::number(folder.join("rps_act_freq_mhz")));
        residency(out, card, part, files::number(folder.join("rc6_residency_ms")));
    }
    if parts.is_empty() {
        clock(out, card, "gt0", files::number(path.join("gt_act_freq_mhz")));
        residency(out, card, "gt0", files::number(path.join("power/rc6_residency_ms")));
    }
}

/// Intel's newer driver: `device/tile0/gt0` and so on.
fn xe(out: &mut Families, card: &str, path: &Path) {
    let device = path.join("device");
    for tile in files::list_if_present(&device).unwrap_or_default().iter().filter(|name| name.starts_with("tile")) {
        let tile = device.join(tile);
        for part in files::list_if_present(&tile).unwrap_or_default().iter().filter(|name| name.starts_with("gt")) {
            let folder = tile.join(part);
            clock(out, card, part, files::number(folder.join("freq0/act_freq")));
            residency(out, card, part, files::number(folder.join("gtidle/idle_residency_ms")));
        }
    }
}
