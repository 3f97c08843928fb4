//! `powersupplyclass`: batteries, chargers and other supplies.

use std::path::Path;
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::Families;
use crate::files;
use crate::filter::Filter;
use crate::parse;
use crate::roots::Roots;

/// Numbers: file, metric, how many make one of the metric's unit.
const NUMBERS: &[(&str, &str, f64)] = &[
    ("authentic", "authentic", 1.0),
    ("calibrate", "calibrate", 1.0),
    ("capacity", "capacity", 1.0),
    ("capacity_alert_max", "capacity_alert_max", 1.0),
    ("capacity_alert_min", "capacity_alert_min", 1.0),
    ("cycle_count", "cyclecount", 1.0),
    ("online", "online", 1.0),
    ("present", "present", 1.0),
    ("time_to_empty_now", "time_to_empty_seconds", 1.0),
    ("time_to_full_now", "time_to_full_seconds", 1.0),
    ("charge_control_limit", "charge_control_limit", 1e6),
    ("charge_control_limit_max", "charge_control_limit_max", 1e6),
    ("charge_counter", "charge_counter", 1e6),
    ("charge_empty", "charge_empty", 1e6),
    ("charge_empty_design", "charge_empty_design", 1e6),
    ("charge_full", "charge_full", 1e6),
    ("charge_full_design", "charge_full_design", 1e6),
    ("charge_now", "charge_ampere", 1e6),
    ("charge_term_current", "charge_term_current", 1e6),
    ("constant_charge_current", "constant_charge_current", 1e6),
    ("constant_charge_current_max", "constant_charge_current_max", 1e6),
    ("constant_charge_voltage", "constant_charge_voltage", 1e6),
    ("constant_charge_voltage_max", "constant_charge_voltage_max", 1e6),
    ("current_boot", "current_boot", 1e6),
    ("current_max", "current_max", 1e6),
    ("current_now", "current_ampere", 1e6),
    ("energy_empty", "energy_empty", 1e6),
    ("energy_empty_design", "energy_empty_design", 1e6),
    ("energy_full", "energy_full", 1e6),
    ("energy_full_design", "energy_full_design", 1e6),
    ("energy_now", "energy_watthour", 1e6),
    ("input_current_limit", "input_current_limit", 1e6),
    ("power_now", "power_watt", 1e6),
    ("precharge_current", "precharge_current", 1e6),
    ("voltage_boot", "voltage_boot", 1e6),
    ("voltage_max", "voltage_max", 1e6),
    ("voltage_max_design", "voltage_max_design", 1e6),
    ("voltage_min", "voltage_min", 1e6),
    ("voltage_min_design", "voltage_min_design", 1e6),
    ("voltage_now", "voltage_volt", 1e6),
    ("voltage_ocv", "voltage_ocv", 1e6),
    ("temp", "temp_celsius", 10.0),
    ("temp_alert_max", "temp_alert_max_celsius", 10.0),
    ("temp_alert_min", "temp_alert_min_celsius", 10.0),
    ("temp_ambient", "temp_ambient_celsius", 10.0),
    ("temp_ambient_max", "temp_ambient_max_celsius", 10.0),
    ("temp_ambient_min", "temp_ambient_min_celsius", 10.0),
    ("temp_max", "temp_max_celsius", 10.0),
    ("temp_min", "temp_min_celsius", 10.0),
];

/// Labels, named as their files.
const LABELS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

struct Powersupply {
    roots: Arc<Roots>,
    ignored: Filter,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let ignored = Filter::without("powersupply.ignored_supplies", &args.powersupply.ignored_supplies)?;
    Ok(Box::new(Powersupply { roots: Arc::clone(roots), ignored }))
}

impl Collector for Powersupply {
    fn name(&self) -> &'static str {
        "powersupplyclass"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let root = self.roots.sys("class/power_supply");
        for supply in files::list(&root)?.iter().filter(|supply| !self.ignored.ignores(supply)) {
            report(&root.join(supply), supply, out)?;
        }
        Ok(())
    }
}

fn report(dir: &Path, supply: &str, out: &mut Families) -> Outcome {
    for (file, metric, unit) in NUMBERS {
        let text = files::optional(dir.join(file))?;
        if let Some(value) = text.as_deref().and_then(parse::c_number) {
            let help = format_args!("What {file} says of a supply.");
            out.gauge(&format!("node_power_supply_{metric}"), help, &[("power_supply", supply)], value as f64 / unit);
        }
    }
    let mut texts = Vec::with_capacity(LABELS.len());
    for label in LABELS {
        texts.push(files::optional(dir.join(label))?.unwrap_or_default());
    }
    let labels = LABELS.iter().zip(&texts).filter(|(_, text)| !text.is_empty()).map(|(label, text)| (*label, &**text));
    let labels: Vec<_> = labels.chain([("power_supply", supply)]).collect();
    out.gauge("node_power_supply_info", "A supply.", &labels, 1);
    Ok(())
}
