//! Whether Nix's daemon is there for builds.

use crate::bus::{Bus, BusError, Method};
use crate::systemd_exporter::Listed;

/// Whether its service runs or its socket would start it; `None` if systemd knows neither.
pub(super) async fn is_active(bus: &Bus) -> Result<Option<bool>, BusError> {
    let method = Method {
        destination: "org.freedesktop.systemd1",
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member: "ListUnitsByNames",
    };
    let units: Vec<Listed> = bus.call(method, &(vec!["nix-daemon.service", "nix-daemon.socket"],)).await?;
    let loaded: Vec<_> = units.iter().filter(|(_, _, load, ..)| load == "loaded").collect();
    let is_any = loaded.iter().any(|(_, _, _, active, ..)| active == "active");
    Ok((!loaded.is_empty()).then_some(is_any))
}
