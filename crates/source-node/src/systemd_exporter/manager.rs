//! The manager's properties as metrics.

use super::values::{Properties, number_of, seconds, text_of};
use crate::families::Families;

/// What the start of the machine went through.
const STAGES: [&str; 18] = [
    "Finish",
    "Firmware",
    "Loader",
    "Kernel",
    "InitRD",
    "InitRDGeneratorsStart",
    "InitRDGeneratorsFinish",
    "InitRDSecurityStart",
    "InitRDSecurityFinish",
    "InitRDUnitsLoadStart",
    "InitRDUnitsLoadFinish",
    "GeneratorsStart",
    "GeneratorsFinish",
    "SecurityStart",
    "SecurityFinish",
    "Userspace",
    "UnitsLoadStart",
    "UnitsLoadFinish",
];

/// Boot stages, watchdog, and how the system is.
pub(super) fn report(out: &mut Families, properties: &Properties) {
    for stage in STAGES {
        let labels = [("stage", stage)];
        if let Some(micros) = number_of(properties, &format!("{stage}TimestampMonotonic")) {
            let help = "When the stage of the start was reached, in seconds after the kernel began.";
            out.gauge("systemd_boot_monotonic_seconds", help, &labels, seconds(micros));
        }
        if let Some(micros) = number_of(properties, &format!("{stage}Timestamp")) {
            let help = "When the stage of the start was reached, in seconds since the epoch.";
            out.gauge("systemd_boot_time_seconds", help, &labels, seconds(micros));
        }
    }
    watchdog(out, properties);
    if let Some(state) = text_of(properties, "SystemState") {
        let code = match state {
            "running" => 1,
            "degraded" => 2,
            "starting" => 3,
            "stopping" => 4,
            _ => 0,
        };
        let help = "How the system is: 1 running, 2 degraded, 3 starting, 4 stopping, 0 anything else.";
        out.gauge("systemd_system_state", help, &[], code);
    }
}

fn watchdog(out: &mut Families, properties: &Properties) {
    // systemd before 252 says this only if there is one.
    let device = text_of(properties, "WatchdogDevice").unwrap_or_default();
    let enabled = "Whether systemd feeds a hardware watchdog.";
    out.gauge("systemd_watchdog_enabled", enabled, &[], !device.is_empty());
    if device.is_empty() {
        return;
    }
    for (family, property, help) in [
        (
            "systemd_watchdog_last_ping_monotonic_seconds",
            "WatchdogLastPingTimestampMonotonic",
            "When the watchdog was last fed, in seconds after the kernel began.",
        ),
        (
            "systemd_watchdog_last_ping_time_seconds",
            "WatchdogLastPingTimestamp",
            "When the watchdog was last fed, in seconds since the epoch.",
        ),
        (
            "systemd_watchdog_runtime_seconds",
            "RuntimeWatchdogUSec",
            "How long the watchdog waits before it resets the machine, in seconds.",
        ),
    ] {
        if let Some(micros) = number_of(properties, property) {
            out.gauge(family, help, &[("device", device)], seconds(micros));
        }
    }
}
