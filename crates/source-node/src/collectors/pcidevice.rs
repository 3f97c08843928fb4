//! `pcidevice`: devices on the PCI bus, their links and their power states.

use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

const POWER: [&str; 7] = ["D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("bus/pci/devices");
    for name in files::list(&root)? {
        let dir = root.join(&name);
        // The link says where the device hangs: .../0000:00:02.5/0000:04:00.0.
        let link = std::fs::read_link(&dir).map_err(|error| Failure::new(format!("{}: {error}", dir.display())))?;
        let mut parts = link.components().rev().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let place = parts.next().as_deref().and_then(location);
        let place = place.ok_or_else(|| Failure::new(format!("{name} is no place on the bus")))?;
        let parent = parts.next().as_deref().and_then(location).unwrap_or_else(|| ["*"; 4].map(str::to_owned));
        device(&dir, &place, &parent, out)?;
    }
    Ok(())
}

/// `0000:04:00.0`: segment, bus, device, function.
fn location(text: &str) -> Option<[String; 4]> {
    let (segment, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    let (segment, bus, device, function) = (hex(segment)?, hex(bus)?, hex(device)?, hex(function)?);
    Some([format!("{segment:04x}"), format!("{bus:02x}"), format!("{device:02x}"), format!("{function:x}")])
}

fn device(dir: &Path, place: &[String; 4], parent: &[String; 4], out: &mut Families) -> Outcome {
    let id = |file: &str, width: usize| {
        let text = files::attribute(dir.join(file))?;
        let number = parse::c_number(&text).ok_or_else(|| Failure::new(format!("{file}: {text:?} is no number")))?;
        Ok::<_, Failure>(format!("0x{number:0width$x}"))
    };
    let labels = [("bus", &*place[1]), ("device", &*place[2]), ("function", &*place[3]), ("segment", &*place[0])];
    let (class, vendor, device) = (id("class", 6)?, id("vendor", 4)?, id("device", 4)?);
    let (sub_vendor, sub_device, revision) =
        (id("subsystem_vendor", 4)?, id("subsystem_device", 4)?, id("revision", 2)?);
    let mut info = labels.to_vec();
    info.extend([
        ("class_id", &*class),
        ("device_id", &*device),
        ("parent_bus", &*parent[1]),
        ("parent_device", &*parent[2]),
        ("parent_function", &*parent[3]),
        ("parent_segment", &*parent[0]),
        ("revision", &*revision),
        ("subsystem_device_id", &*sub_device),
        ("subsystem_vendor_id", &*sub_vendor),
        ("vendor_id", &*vendor),
    ]);
    out.gauge("node_pcidevice_info", "A device on the PCI bus.", &info, 1);
    let text = |file: &str| files::optional(dir.join(file)).map(Option::unwrap_or_default);
    // "8.0 GT/s PCIe", or "Unknown".
    let speed = |file: &str| Ok::<_, Failure>(first_number(&text(file)?).map_or(-1.0, |speed| speed * 1e9));
    let number = |file: &str, absent: f64| Ok::<_, Failure>(first_number(&text(file)?).unwrap_or(absent));
    let flag = |file: &str| Ok::<_, Failure>(f64::from(u8::from(number(file, 0.0)? != 0.0)));
    let gauges = [
        ("max_link_transfers_per_second", "Transfers that the link can do.", speed("max_link_speed")?),
        ("max_link_width", "Lanes that the link can have.", number("max_link_width", -1.0)?),
        ("current_link_transfers_per_second", "Transfers that the link does.", speed("current_link_speed")?),
        ("current_link_width", "Lanes that the link has.", number("current_link_width", -1.0)?),
        ("d3cold_allowed", "Whether power may be taken away.", flag("d3cold_allowed")?),
        ("sriov_drivers_autoprobe", "Whether virtual functions get drivers.", flag("sriov_drivers_autoprobe")?),
        ("sriov_numvfs", "Virtual functions.", number("sriov_numvfs", 0.0)?),
        ("sriov_totalvfs", "Virtual functions that there can be.", number("sriov_totalvfs", 0.0)?),
        ("sriov_vf_total_msix", "Interrupts of virtual functions.", number("sriov_vf_total_msix", 0.0)?),
    ];
    for (metric, help, value) in gauges {
        out.gauge(&format!("node_pcidevice_{metric}"), help, &labels, value);
    }
    let power = text("power_state")?;
    for state in POWER.into_iter().filter(|_| !power.is_empty()) {
        let mut labels = labels.to_vec();
        labels.push(("state", state));
        let help = "The power state of a device: 1 for the one that holds.";
        out.gauge("node_pcidevice_power_state", help, &labels, state == power);
    }
    let node = number("numa_node", -1.0)?;
    if node != -1.0 {
        out.gauge("node_pcidevice_numa_node", "The memory node of a device.", &labels, node);
    }
    Ok(())
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_on_the_bus_are_hexadecimal() {
        assert_eq!(location("0000:0a:1f.6"), Some(["0000", "0a", "1f", "6"].map(str::to_owned)));
        assert_eq!(location("pci0000:00"), None);
    }
}
