//! `cpufreq`: frequencies and governors of the CPUs.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// Files, in kHz, and their metrics.
const FREQUENCIES: &[(&str, &str, &str)] = &[
    ("cpuinfo_cur_freq", "frequency_hertz", "The frequency that a CPU runs at."),
    ("cpuinfo_avg_freq", "frequency_avg_hertz", "The frequency that a CPU has run at on average."),
    ("cpuinfo_min_freq", "frequency_min_hertz", "The lowest frequency that a CPU can run at."),
    ("cpuinfo_max_freq", "frequency_max_hertz", "The highest frequency that a CPU can run at."),
    ("scaling_cur_freq", "scaling_frequency_hertz", "The frequency that the governor has chosen."),
    ("scaling_min_freq", "scaling_frequency_min_hertz", "The lowest frequency that the governor may choose."),
    ("scaling_max_freq", "scaling_frequency_max_hertz", "The highest frequency that the governor may choose."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("devices/system/cpu");
    let offline = files::read(root.join("offline"))?;
    let offline = parse::cpu_list(&offline)
        .ok_or_else(|| Failure::new(format!("devices/system/cpu/offline: {:?} is no list of CPUs", offline.trim())))?;
    let cpus = files::numbered(&root, "cpu")?;
    for name in &cpus {
        let number = name.trim_start_matches("cpu");
        let dir = root.join(name).join("cpufreq");
        if number.parse().is_ok_and(|number: u32| offline.contains(&number)) || !dir.exists() {
            continue;
        }
        let labels = [("cpu", number)];
        for (file, metric, help) in FREQUENCIES {
            match files::number::<u64>(dir.join(file)) {
                Ok(khz) => out.gauge(&format!("node_cpu_{metric}"), help, &labels, khz as f64 * 1e3),
                Err(error) if error.is_harmless() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let governor = files::attribute(dir.join("scaling_governor"))?;
        if governor.is_empty() {
            continue;
        }
        for each in files::attribute(dir.join("scaling_available_governors"))?.split(' ') {
            let help = "The governors of a CPU: 1 for the one that decides.";
            out.gauge("node_cpu_scaling_governor", help, &[("cpu", number), ("governor", each)], each == governor);
        }
    }
    if cpus.is_empty() { Err(Failure::no_data("there are no CPUs in /sys")) } else { Ok(()) }
}
