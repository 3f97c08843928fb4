//! `hwmon`: temperatures, fans, voltages and other sensors.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::filter::Filter;
use crate::roots::Roots;

const TYPES: &[&str] = &[
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

struct Hwmon {
    roots: Arc<Roots>,
    chips: Filter,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let chips = Filter::new("hwmon", "chip", &args.hwmon.chip_exclude, &args.hwmon.chip_include)?;
    Ok(Box::new(Hwmon { roots: Arc::clone(roots), chips }))
}

impl Collector for Hwmon {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let root = self.roots.sys("class/hwmon");
        let mut chips = Vec::new();
        for name in files::list(&root)? {
            let dir = root.join(&name);
            if let Some(device) = dir.is_dir().then(|| device_name(&dir)).flatten() {
                let own = files::attribute(dir.join("name")).unwrap_or_default();
                chips.push((dir, device, own));
            }
        }
        // Several chips may share a device: then the chip's own name tells them apart, or else its number.
        let (mut devices, mut names) = (HashMap::new(), HashMap::new());
        for (_, device, own) in &chips {
            *devices.entry(device.clone()).or_insert(0) += 1;
            *names.entry((device.clone(), own.clone())).or_insert(0) += 1;
        }
        let mut result = Ok(());
        for (dir, device, own) in chips {
            let mut chip = device.clone();
            if devices[&device] > 1 {
                let mut suffix = clean(&own);
                if suffix.is_empty() || names[&(device, own)] > 1 {
                    suffix = clean(&file_name(&dir));
                }
                chip = format!("{chip}_{suffix}");
            }
            if !self.chips.ignores(&chip)
                && let Err(failure) = sensors(&dir, &chip, out)
            {
                result = Err(failure);
            }
        }
        result
    }
}

/// A name for the chip that does not change with the order in which modules are loaded: its bus and its device.
fn device_name(dir: &Path) -> Option<String> {
    if let Ok(path) = dir.join("device").canonicalize() {
        let name = clean(&file_name(&path));
        let bus = path.parent().map(|parent| clean(&file_name(parent))).unwrap_or_default();
        match (bus.is_empty(), name.is_empty()) {
            (false, false) => return Some(format!("{bus}_{name}")),
            (true, false) => return Some(name),
            _ => {}
        }
    }
    let name = clean(&files::read(dir.join("name")).unwrap_or_default());
    if !name.is_empty() {
        return Some(name);
    }
    let name = clean(&file_name(&dir.canonicalize().ok()?));
    (!name.is_empty()).then_some(name)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn clean(name: &str) -> String {
    let letter = |letter: char| match letter {
        'a'..='z' | '0'..='9' | ':' | '_' => letter,
        _ => '_',
    };
    let cleaned: String = name.to_lowercase().chars().map(letter).collect();
    cleaned.trim_matches('_').to_owned()
}

/// `temp1_input` is element `input` of sensor 1 of type `temp`; without a number everything is the type.
fn split(file: &str) -> Option<(&str, u64, &str)> {
    let Some(digit) = file.find(|letter: char| letter.is_ascii_digit()) else { return Some((file, 0, "")) };
    let (kind, rest) = file.split_at(digit);
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    let element = if rest.is_empty() { "" } else { rest.strip_prefix('_').filter(|element| !element.is_empty())? };
    (!kind.is_empty()).then_some((kind, number.parse().ok()?, element))
}

/// Elements and their text, by the type and the name of the sensor.
type Sensors = BTreeMap<String, (&'static str, BTreeMap<String, String>)>;

fn read(dir: &Path, into: &mut Sensors) -> Result<(), Failure> {
    for file in files::list(dir)? {
        let Some((kind, number, element)) = split(&file) else { continue };
        let Some(kind) = TYPES.iter().find(|known| **known == kind) else { continue };
        // Sensors may fail at any time: then that one value is missing.
        if let Ok(text) = files::attribute(dir.join(&file)) {
            let sensor = into.entry(format!("{kind}{number}")).or_insert_with(|| (*kind, BTreeMap::new()));
            sensor.1.insert(element.to_owned(), text);
        }
    }
    Ok(())
}

fn sensors(dir: &Path, chip: &str, out: &mut Families) -> Outcome {
    let mut sensors = Sensors::new();
    read(dir, &mut sensors)?;
    if dir.join("device").exists() {
        read(&dir.join("device"), &mut sensors)?;
    }
    let name = clean(&files::read(dir.join("name")).unwrap_or_default());
    if !name.is_empty() {
        let labels = [("chip", chip), ("chip_name", &*name)];
        out.gauge("node_hwmon_chip_names", "Names of chips for people.", &labels, 1);
    }
    for (sensor, (kind, elements)) in &sensors {
        if let Some(label) = elements.get("label") {
            let labels = [("chip", chip), ("label", label), ("sensor", sensor)];
            out.gauge("node_hwmon_sensor_label", "Names of sensors for people.", &labels, 1);
        }
        for (element, text) in elements.iter().filter(|(element, _)| *element != "label") {
            let labels = [("chip", chip), ("sensor", sensor)];
            let Ok(value) = text.parse::<f64>() else { continue };
            let Some(metric) = metric(kind, element, elements) else { continue };
            if let Some(label) = metric.sensor {
                let labels = [("chip", chip), ("sensor", &*label)];
                out.sample(metric.family, &metric.name, metric.help, &labels, value * metric.unit);
                continue;
            }
            let value = if *kind == "beep_enable" { f64::from(u8::from(text == "1")) } else { value };
            // Divided, where the unit is a part, so that the digits come out as written.
            let value = if metric.unit == 1e-6 { value / 1e6 } else { value * metric.unit };
            out.sample(metric.family, &metric.name, metric.help, &labels, value);
        }
    }
    Ok(())
}

struct Metric {
    name: String,
    help: &'static str,
    unit: f64,
    family: Kind,
    /// What stands for the sensor's name.
    sensor: Option<String>,
}

fn metric(kind: &str, element: &str, elements: &BTreeMap<String, String>) -> Option<Metric> {
    let mut name = format!("node_hwmon_{kind}");
    if element == "input" {
        // The value itself, unless there is one without a name.
        if elements.contains_key("") {
            name.push_str("_input");
        }
    } else if !element.is_empty() {
        name.push('_');
        name.push_str(&clean(element));
    }
    let (suffix, unit, help) = match (kind, element) {
        ("beep_enable", _) => return plain("node_hwmon_beep_enabled", 1.0, "Whether the chip beeps."),
        ("vrm", _) => return plain("node_hwmon_voltage_regulator_version", 1.0, "Version of the voltage regulator."),
        ("update_interval", _) => {
            return plain("node_hwmon_update_interval_seconds", 1e-3, "How often the chip reads its sensors.");
        }
        (_, "fault" | "alarm") => ("", 1.0, "Whether a sensor reports it."),
        (_, "beep") => ("_enabled", 1.0, "Whether a sensor beeps."),
        ("in" | "cpu", _) => ("_volts", 1e-3, "Voltage."),
        ("temp", _) if element != "type" => ("_celsius", 1e-3, "Temperature."),
        ("curr", _) => ("_amps", 1e-3, "Current."),
        ("energy", _) => ("_joule_total", 1e-6, "Energy used so far."),
        ("power", "accuracy") => ("", 1e-6, "How exact a power meter is."),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            ("_seconds", 1e-3, "Over which time a power meter averages.")
        }
        ("power", _) => ("_watt", 1e-6, "Power."),
        ("humidity", _) => ("", 1e-6, "Humidity, as a ratio."),
        ("fan", "input" | "min" | "max" | "target") => ("_rpm", 1.0, "Turns a minute."),
        ("freq", "input") => {
            let label = clean(elements.get("label")?);
            name.push_str("_freq_mhz");
            let help = "Frequency, in MHz.";
            return Some(Metric { name, help, unit: 1e-6, family: Kind::Gauge, sensor: Some(label) });
        }
        _ => ("", 1.0, "What a sensor says."),
    };
    name.push_str(suffix);
    let family = if kind == "energy" && suffix == "_joule_total" { Kind::Counter } else { Kind::Gauge };
    Some(Metric { name, help, unit, family, sensor: None })
}

fn plain(name: &str, unit: f64, help: &'static str) -> Option<Metric> {
    Some(Metric { name: name.into(), help, unit, family: Kind::Gauge, sensor: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn file_names_are_taken_apart() {
        assert_eq!(split("temp1_input"), Some(("temp", 1, "input")));
        assert_eq!(split("pwm12"), Some(("pwm", 12, "")));
        assert_eq!(split("pwm1_auto_point1_pwm"), Some(("pwm", 1, "auto_point1_pwm")));
        assert_eq!(split("update_interval"), Some(("update_interval", 0, "")));
        assert_eq!(split("temp1x"), None);
        assert_eq!(split("temp1_"), None);
        assert_eq!(split("99999999999999999999"), None);
    }

    #[test]
    fn names_are_cleaned() {
        assert_eq!(clean("0000:00:1f.3"), "0000:00:1f_3");
        assert_eq!(clean("Asus-NB wmi\n"), "asus_nb_wmi");
    }

    proptest! {
        #[test]
        fn no_name_panics(name in ".*") {
            let _ = (split(&name), clean(&name));
        }
    }
}
