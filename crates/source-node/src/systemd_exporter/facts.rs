//! What is known of a unit: facts that hold until it changes, and numbers that must be asked for each time.

use futures_util::future::try_join_all;

use super::cache::SYSTEMD;
use super::values::number;
use crate::bus::{Bus, BusError};

/// When a unit's state changed, in microseconds since the epoch; 0 is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) active_enter: u64,
    pub(super) active_exit: u64,
    pub(super) inactive_enter: u64,
    pub(super) inactive_exit: u64,
}

/// What holds until the unit changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) times: Times,
    pub(super) kind: Kind,
}

/// What depends on the unit's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Service {
        service_type: String,
        restarts: Option<u64>,
        tasks_max: Option<u64>,
    },
    Mount {
        mount_type: String,
    },
    Timer {
        last_trigger: Option<u64>,
    },
    /// Whether each connection gets a service of its own; else systemd counts no connections.
    Socket {
        accepts: bool,
    },
    Other,
}

/// What changes without a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) tasks: Option<u64>,
    /// Accepted, current, refused.
    pub(super) connections: Option<[Option<u64>; 3]>,
    /// In the order of [`IP`].
    pub(super) ip: Vec<Option<u64>>,
}

/// Properties of traffic and their families.
pub(super) const IP: [(&str, &str); 4] = [
    ("IPIngressBytes", "systemd_service_ip_ingress_bytes"),
    ("IPEgressBytes", "systemd_service_ip_egress_bytes"),
    ("IPIngressPackets", "systemd_service_ip_ingress_packets_total"),
    ("IPEgressPackets", "systemd_service_ip_egress_packets_total"),
];

/// The last part of a unit's name.
pub(super) fn type_of(unit: &str) -> &str {
    unit.rsplit('.').next().unwrap_or(unit)
}

/// An object on the bus.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) bus: &'a Bus,
    pub(super) path: &'a str,
}

impl Object<'_> {
    /// What holds until the unit changes.
    pub(super) async fn facts(self, unit: &str, with_restarts: bool) -> Result<Facts, BusError> {
        let (times, kind) = tokio::try_join!(self.times(), self.kind(unit, with_restarts))?;
        Ok(Facts { times, kind })
    }

    // One by one, here and below: all properties of a unit together are hundreds, and tens of kilobytes.
    async fn times(self) -> Result<Times, BusError> {
        let time = |name| self.number("Unit", name);
        let (active_enter, active_exit, inactive_enter, inactive_exit) = tokio::try_join!(
            time("ActiveEnterTimestamp"),
            time("ActiveExitTimestamp"),
            time("InactiveEnterTimestamp"),
            time("InactiveExitTimestamp"),
        )?;
        Ok(Times {
            active_enter: active_enter.unwrap_or_default(),
            active_exit: active_exit.unwrap_or_default(),
            inactive_enter: inactive_enter.unwrap_or_default(),
            inactive_exit: inactive_exit.unwrap_or_default(),
        })
    }

    async fn kind(self, unit: &str, with_restarts: bool) -> Result<Kind, BusError> {
        Ok(match type_of(unit) {
            "service" => {
                let restarts =
                    async { if with_restarts { self.number("Service", "NRestarts").await } else { Ok(None) } };
                let (service_type, tasks_max, restarts) =
                    tokio::try_join!(self.text("Service", "Type"), self.number("Service", "TasksMax"), restarts)?;
                Kind::Service { service_type, restarts, tasks_max }
            }
            "mount" => Kind::Mount { mount_type: self.text("Mount", "Type").await? },
            "timer" => Kind::Timer { last_trigger: self.number("Timer", "LastTriggerUSec").await? },
            "socket" => {
                let value = self.bus.property(SYSTEMD, self.path, "org.freedesktop.systemd1.Socket", "Accept").await?;
                Kind::Socket { accepts: value.downcast_ref::<bool>().unwrap_or(true) }
            }
            _ => Kind::Other,
        })
    }

    /// What changes without a word.
    pub(super) async fn numbers(self, kind: &Kind, is_inactive: bool, with_ip: bool) -> Result<Numbers, BusError> {
        let mut numbers = Numbers::default();
        match kind {
            Kind::Service { .. } => {
                // Without a control group there is nothing to count.
                if !is_inactive {
                    numbers.tasks = self.number("Service", "TasksCurrent").await?;
                }
                if with_ip {
                    let each = IP.iter().map(|(property, _)| self.number("Service", property));
                    numbers.ip = try_join_all(each).await?;
                }
            }
            Kind::Socket { accepts: true } => {
                let (accepted, current, refused) = tokio::try_join!(
                    self.number("Socket", "NAccepted"),
                    self.number("Socket", "NConnections"),
                    self.number("Socket", "NRefused"),
                )?;
                numbers.connections = Some([accepted, current, refused]);
            }
            Kind::Socket { accepts: false } => numbers.connections = Some([Some(0); 3]),
            _ => {}
        }
        Ok(numbers)
    }

    async fn number(self, interface: &str, property: &str) -> Result<Option<u64>, BusError> {
        let interface = format!("{SYSTEMD}.{interface}");
        match self.bus.property(SYSTEMD, self.path, &interface, property).await {
            Ok(value) => Ok(number(&value)),
            // An older systemd lacks it.
            Err(BusError::Failed(why)) if why.contains("UnknownProperty") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn text(self, interface: &str, property: &str) -> Result<String, BusError> {
        let interface = format!("{SYSTEMD}.{interface}");
        let value = self.bus.property(SYSTEMD, self.path, &interface, property).await?;
        Ok(value.downcast_ref::<&str>().unwrap_or_default().to_owned())
    }
}
