//! Units as metrics.

use super::facts::{Facts, IP, Kind, Numbers, type_of};
use super::values::seconds;
use crate::families::Families;

const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];

/// What `ListUnits` says of a unit that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) active: String,
    pub(super) path: String,
}

/// States of units, and their sums.
pub(super) fn states(out: &mut Families, units: &[Unit]) {
    let in_state = |state: &str| units.iter().filter(|unit| unit.active == state).count();
    out.gauge("systemd_units_total", "Units that are watched.", &[], units.len());
    out.gauge("systemd_units_active", "Units that are active, of those.", &[], in_state("active"));
    out.gauge("systemd_units_failed", "Units that have failed, of those.", &[], in_state("failed"));
    for unit in units {
        for state in STATES {
            let labels = [("name", unit.name.as_str()), ("state", state), ("type", type_of(&unit.name))];
            out.gauge("systemd_unit_state", "Whether the unit is in the state.", &labels, unit.active == state);
        }
    }
}

/// All else about a unit.
pub(super) fn unit(out: &mut Families, unit: &Unit, facts: &Facts, numbers: &Numbers) {
    let name = unit.name.as_str();
    let labels = [("name", name), ("type", type_of(name))];
    for (family, what, micros) in [
        ("systemd_unit_active_enter_time_seconds", "became active", facts.times.active_enter),
        ("systemd_unit_active_exit_time_seconds", "ceased to be active", facts.times.active_exit),
        ("systemd_unit_inactive_enter_time_seconds", "became inactive", facts.times.inactive_enter),
        ("systemd_unit_inactive_exit_time_seconds", "ceased to be inactive", facts.times.inactive_exit),
    ] {
        let help = format_args!("When the unit last {what}, in seconds since the epoch; 0 is never.");
        out.gauge(family, help, &labels, seconds(micros));
    }
    match &facts.kind {
        Kind::Service { service_type, restarts, tasks_max } => {
            info(out, &labels, "", service_type);
            let start = if unit.active == "active" { facts.times.active_enter } else { 0 };
            let help = "When the service started, in seconds since the epoch; 0 if it is not active.";
            out.gauge("systemd_unit_start_time_seconds", help, &labels, seconds(start));
            let help = "The most tasks that the service may have.";
            optional(out, "systemd_unit_tasks_max", help, &labels, *tasks_max);
            let labels = [("name", name)];
            optional(out, "systemd_unit_tasks_current", "Tasks of the service.", &labels, numbers.tasks);
            if let Some(restarts) = restarts {
                let help = "How often systemd has restarted the service by itself.";
                out.counter("systemd_service_restart_total", help, &labels, *restarts);
            }
            for ((_, family), value) in IP.iter().zip(&numbers.ip) {
                if let Some(value) = value {
                    out.counter(family, "Traffic of the service, as systemd counts it.", &labels, *value);
                }
            }
        }
        Kind::Mount { mount_type } => info(out, &labels, mount_type, ""),
        Kind::Timer { last_trigger } => {
            let help = "When the timer last elapsed, in seconds since the epoch; 0 is never.";
            let when = seconds(last_trigger.unwrap_or_default());
            out.gauge("systemd_timer_last_trigger_seconds", help, &[("name", name)], when);
        }
        Kind::Socket { .. } => sockets(out, name, numbers.connections.unwrap_or_default()),
        Kind::Other => {}
    }
}

fn info(out: &mut Families, labels: &[(&str, &str); 2], mount_type: &str, service_type: &str) {
    let labels = [("mount_type", mount_type), labels[0], ("service_type", service_type), labels[1]];
    out.gauge("systemd_unit_info", "What kind of unit it is; always 1.", &labels, 1);
}

fn sockets(out: &mut Families, name: &str, [accepted, current, refused]: [Option<u64>; 3]) {
    let labels = [("name", name)];
    if let Some(accepted) = accepted {
        let help = "Connections that the socket has accepted.";
        out.counter("systemd_socket_accepted_connections_total", help, &labels, accepted);
    }
    optional(out, "systemd_socket_current_connections", "Connections of the socket.", &labels, current);
    // A gauge in systemd_exporter, whatever the name says.
    let help = "Connections that the socket has refused.";
    optional(out, "systemd_socket_refused_connections_total", help, &labels, refused);
}

fn optional(out: &mut Families, family: &str, help: &str, labels: &[(&str, &str)], value: Option<u64>) {
    if let Some(value) = value {
        out.gauge(family, help, labels, value);
    }
}
