//! `thermal_zone`: temperatures of zones, and what cools them.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/thermal");
    for name in files::numbered(&root, "thermal_zone")? {
        let dir = root.join(&name);
        // A zone that cannot be read just now is left out.
        let (Ok(kind), Ok(temperature)) = (files::attribute(dir.join("type")), files::number::<i64>(dir.join("temp")))
        else {
            continue;
        };
        let labels = [("type", &*kind), ("zone", name.trim_start_matches("thermal_zone"))];
        out.gauge("node_thermal_zone_temp", "Temperature of a zone, in Celsius.", &labels, temperature as f64 / 1e3);
    }
    for name in files::numbered(&root, "cooling_device")? {
        let dir = root.join(&name);
        let read = || {
            let states = (files::number::<i64>(dir.join("cur_state"))?, files::number::<i64>(dir.join("max_state"))?);
            Ok::<_, files::ReadError>((files::attribute(dir.join("type"))?, states))
        };
        let (kind, (current, most)) = match read() {
            Err(error) if error.is_harmless() => continue,
            other => other.map_err(Failure::from)?,
        };
        let labels = [("name", name.trim_start_matches("cooling_device")), ("type", &*kind)];
        out.gauge("node_cooling_device_cur_state", "How hard a device cools.", &labels, current);
        out.gauge("node_cooling_device_max_state", "How hard a device can cool.", &labels, most);
    }
    Ok(())
}
