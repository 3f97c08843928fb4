//! `prometheus.exporter.systemd`: units of systemd in systemd_exporter's names, over D-Bus.
//!
//! | file | what it holds |
//! |---|---|
//! | `exporter.rs` | a scrape: few calls, each with a deadline |
//! | `facts.rs` | what is known of a unit, and for how long |
//! | `cache.rs` | facts that hold until systemd says that the unit has changed |
//! | `report.rs` | units as metrics |
//! | `manager.rs` | the manager's properties as metrics |
//! | `resolved.rs` | systemd-resolved's statistics |
//! | `values.rs` | properties as numbers and text |

mod cache;
mod exporter;
mod facts;
mod manager;
mod report;
mod resolved;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use corten_component::{Arguments, BuildContext, BuildError, Component, Handle, Invalid, RunContext, RunError};
use corten_signal::exposition::Expose;
use corten_signal::regexp;

use crate::exporter::{ExporterExports, serve};
pub use exporter::Exporter;
pub(crate) use exporter::Listed;

/// The arguments of `prometheus.exporter.systemd`.
#[derive(Debug, Clone, PartialEq, Eq, Arguments)]
#[arguments(validate)]
pub struct SystemdArguments {
    /// Units that are watched: a regular expression that matches the whole name.
    pub unit_include: String,
    /// Units that are not watched, of those: a regular expression that matches the whole name.
    pub unit_exclude: String,
    /// Whether restarts of services are counted.
    pub enable_restarts: bool,
    /// Whether bytes and packets of services are exposed, for those that systemd counts (`IPAccounting=yes`).
    pub enable_ip_accounting: bool,
    /// Whether the statistics of systemd-resolved are exposed.
    pub enable_resolved: bool,
    /// The address of the message bus (`unix:path=/run/dbus/system_bus_socket`). Not written: the system's.
    pub bus_address: String,
}

impl Default for SystemdArguments {
    fn default() -> Self {
        Self {
            unit_include: ".+".to_owned(),
            unit_exclude: r".+\.(device)".to_owned(),
            enable_restarts: false,
            enable_ip_accounting: false,
            enable_resolved: false,
            bus_address: String::new(),
        }
    }
}

impl SystemdArguments {
    fn validate(&self) -> Result<(), Invalid> {
        for (name, pattern) in [("unit_include", &self.unit_include), ("unit_exclude", &self.unit_exclude)] {
            regexp::anchored(pattern).map_err(|why| Invalid::at(name, why))?;
        }
        Ok(())
    }
}

/// `prometheus.exporter.systemd`.
pub struct Systemd {
    exposed: Handle<dyn Expose>,
}

impl Component for Systemd {
    const NAME: &'static str = "prometheus.exporter.systemd";
    const DOC: &'static str = "Exposes the units of systemd: states, start times, restarts, tasks, sockets, timers.\n\n\
        Names and meaning are those of systemd_exporter 0.7; `systemd_units_total`, `systemd_units_active`, \
        `systemd_units_failed` and `systemd_system_state` (1 running, 2 degraded, 3 starting, 4 stopping, 0 anything \
        else) sum up the units that are watched. It asks over D-Bus, which needs no rights but a user that the bus can \
        look up (dbus-daemon turns away that of a service with `DynamicUser=yes`), and asks again only for what has \
        changed.";
    type Arguments = SystemdArguments;
    type Exports = ExporterExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let exporter = Exporter::new(&args, cx.health().clone()).map_err(BuildError::new)?;
        let exposed = cx.handle("metrics", Arc::new(exporter) as Arc<dyn Expose>);
        Ok((Self { exposed }, ExporterExports::new(Self::NAME, cx.id())))
    }

    async fn run(self, carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        serve(&cx, &self.exposed).await;
        (carry, Ok(()))
    }
}
