//! `systemd`: units by state, in node_exporter's names. `prometheus.exporter.systemd` knows more of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use corten_component::BuildError;
use corten_signal::regexp;
use futures_util::{StreamExt, stream};
use regex::Regex;
use zbus::zvariant::OwnedValue;

use super::Boxed;
use super::bus::{OnBus, number, text};
use crate::arguments::{SystemdBlock, UnixArguments};
use crate::bus::{BusError, Method};
use crate::collector::{Collector, Outcome};
use crate::families::Families;
use crate::systemd_exporter::Listed;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];
/// Units that are asked about at a time: PID 1 answers one after another.
const AT_A_TIME: usize = 16;

struct Systemd {
    on: OnBus,
    args: SystemdBlock,
    include: Regex,
    exclude: Regex,
    /// Types of services, which change only when their files do: kept while the unit is loaded.
    types: Mutex<HashMap<String, String>>,
}

pub(super) fn build(args: &UnixArguments, on: &OnBus) -> Result<Boxed, BuildError> {
    let args = args.systemd.clone();
    let anchored =
        |field: &str, text: &str| regexp::anchored(text).map_err(|why| BuildError::at(format!("systemd.{field}"), why));
    let include = anchored("unit_include", &args.unit_include)?;
    let exclude = anchored("unit_exclude", &args.unit_exclude)?;
    Ok(Box::new(Systemd { on: on.clone(), args, include, exclude, types: Mutex::default() }))
}

impl Collector for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        self.on.wait(self.ask(out))
    }
}

/// What is shown of a unit besides its state.
#[derive(Default)]
struct Details {
    kind: String,
    values: Vec<(&'static str, OwnedValue)>,
}

impl Systemd {
    async fn ask(&self, out: &mut Families) -> Outcome {
        let manager = async |name| self.on.bus.property(SYSTEMD, MANAGER_PATH, MANAGER, name).await;
        let list = Method { destination: SYSTEMD, path: MANAGER_PATH, interface: MANAGER, member: "ListUnits" };
        let (version, virtualization, listed, state) = tokio::join!(
            manager("Version"),
            manager("Virtualization"),
            self.on.bus.call::<_, Vec<Listed>>(list, &()),
            manager("SystemState")
        );
        let version = version?;
        let version = text(&version).unwrap_or_default();
        out.gauge("node_systemd_version", "Systemd's version.", &[("version", version)], major(version));
        let virtualization = match virtualization.as_ref().map(text) {
            Ok(Some("")) => "none",
            Ok(Some(name)) => name,
            _ => "unknown",
        };
        let labels = [("virtualization_type", virtualization)];
        out.gauge("node_systemd_virtualization_info", "What the machine runs in.", &labels, 1);
        let listed = listed?;
        let mut sums: BTreeMap<&str, u32> = STATES.into_iter().map(|state| (state, 0)).collect();
        for unit in &listed {
            *sums.entry(&unit.3).or_default() += 1;
        }
        for (state, count) in sums {
            out.gauge("node_systemd_units", "Units by state.", &[("state", state)], count);
        }
        let wanted =
            |unit: &&Listed| unit.2 == "loaded" && self.include.is_match(&unit.0) && !self.exclude.is_match(&unit.0);
        let units: Vec<_> = listed.iter().filter(wanted).collect();
        self.types().retain(|name, _| units.iter().any(|unit| unit.0 == *name));
        let questions: Vec<_> = units.iter().map(|unit| self.details(unit)).collect();
        let mut answers = stream::iter(questions).buffered(AT_A_TIME);
        for unit in &units {
            let details = answers.next().await.transpose()?.unwrap_or_default();
            report(unit, &details, out);
        }
        let state = state?;
        let help = "Whether everything has been started and nothing has failed.";
        out.gauge("node_systemd_system_running", help, &[], text(&state) == Some("running"));
        Ok(())
    }

    fn types(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the unit cannot say is left out; only a bus that does not answer is a failure.
    async fn details(&self, unit: &Listed) -> Result<Details, BusError> {
        let get = async |interface: &str, property: &'static str| {
            let interface = format!("{SYSTEMD}.{interface}");
            match self.on.bus.property(SYSTEMD, unit.6.as_str(), &interface, property).await {
                Ok(value) => Ok(Some(value)),
                Err(late @ BusError::Late(_)) => Err(late),
                Err(error) => {
                    tracing::debug!(unit = unit.0, property, "a unit does not say: {error}");
                    Ok(None)
                }
            }
        };
        let mut details = Details::default();
        let suffix = unit.0.rsplit('.').next().unwrap_or_default();
        let typed = match suffix {
            "service" => Some("Service"),
            "mount" => Some("Mount"),
            _ => None,
        };
        if let Some(interface) = typed {
            let known = self.types().get(&unit.0).cloned();
            details.kind = match known {
                Some(kind) => kind,
                None => {
                    let kind = get(interface, "Type").await?.as_ref().and_then(text).unwrap_or_default().to_owned();
                    self.types().insert(unit.0.clone(), kind.clone());
                    kind
                }
            };
        }
        let mut wanted: Vec<(&str, &'static str)> = Vec::new();
        match suffix {
            "service" => {
                if self.args.enable_restarts {
                    wanted.push(("Service", "NRestarts"));
                }
                if self.args.task_metrics {
                    wanted.extend([("Service", "TasksCurrent"), ("Service", "TasksMax")]);
                }
            }
            "socket" => wanted.extend([("Socket", "NAccepted"), ("Socket", "NConnections"), ("Socket", "NRefused")]),
            "timer" => wanted.push(("Timer", "LastTriggerUSec")),
            _ => {}
        }
        if self.args.start_time && unit.3 == "active" {
            wanted.push(("Unit", "ActiveEnterTimestamp"));
        }
        for (interface, property) in wanted {
            if let Some(value) = get(interface, property).await? {
                details.values.push((property, value));
            }
        }
        if self.args.start_time && unit.3 != "active" {
            details.values.push(("ActiveEnterTimestamp", OwnedValue::from(0u64)));
        }
        Ok(details)
    }
}

fn report(unit: &Listed, details: &Details, out: &mut Families) {
    for state in STATES {
        let labels = [("name", &*unit.0), ("state", state), ("type", &*details.kind)];
        out.gauge(
            "node_systemd_unit_state",
            "The state of a unit: 1 for the one that holds.",
            &labels,
            unit.3 == state,
        );
    }
    for (property, value) in &details.values {
        let Some(value) = number(value) else { continue };
        let labels = [("name", &*unit.0)];
        let seconds = value as f64 / 1e6;
        match *property {
            "NRestarts" => {
                out.counter("node_systemd_service_restart_total", "How often a service was restarted.", &labels, value);
            }
            "TasksCurrent" => out.gauge("node_systemd_unit_tasks_current", "Tasks of a service.", &labels, value),
            "TasksMax" => out.gauge("node_systemd_unit_tasks_max", "Tasks that a service may have.", &labels, value),
            "NAccepted" => {
                let help = "Connections that a socket has accepted.";
                out.counter("node_systemd_socket_accepted_connections_total", help, &labels, value);
            }
            "NConnections" => {
                out.gauge("node_systemd_socket_current_connections", "Connections of a socket.", &labels, value);
            }
            "NRefused" => {
                let help = "Connections that a socket has refused.";
                out.gauge("node_systemd_socket_refused_connections_total", help, &labels, value);
            }
            "LastTriggerUSec" => {
                let help = "When a timer went off last.";
                out.gauge("node_systemd_timer_last_trigger_seconds", help, &labels, seconds);
            }
            _ => {
                let help = "When a unit became active.";
                out.gauge("node_systemd_unit_start_time_seconds", help, &labels, seconds);
            }
        }
    }
}

/// `257.9-1~deb13u1` is 257.9; numbers with fewer digits than three do not count.
fn major(version: &str) -> f64 {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = version;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let from = &rest[start..];
        let whole = digits(from);
        if whole >= 3 {
            let part = from[whole..].strip_prefix('.').map_or(0, digits);
            let end = if part > 0 { whole + 1 + part } else { whole };
            return from[..end].parse().unwrap_or(0.0);
        }
        rest = &from[whole..];
    }
    0.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bus::Bus;
    use corten_testkit::{FakeSystemd, SystemdUnit, SystemdWorld};

    fn world() -> SystemdWorld {
        let manager = [("Version", "257.9-1"), ("Virtualization", ""), ("SystemState", "running")];
        let manager = manager
            .map(|(name, value)| (name.to_owned(), zbus::zvariant::Value::from(value).try_into_owned().unwrap()));
        let service = SystemdUnit::new("a.service", "active")
            .with("Service", "Type", "simple")
            .with("Service", "NRestarts", 3u32)
            .with("Service", "TasksCurrent", 5u64)
            .with("Service", "TasksMax", u64::MAX)
            .with("Unit", "ActiveEnterTimestamp", 1_500_000u64);
        let socket = SystemdUnit::new("b.socket", "active").with("Socket", "NAccepted", 7u32).with(
            "Socket",
            "NConnections",
            2u32,
        );
        let timer = SystemdUnit::new("c.timer", "inactive").with("Timer", "LastTriggerUSec", 2_000_000u64);
        let units = vec![
            service,
            socket,
            timer,
            SystemdUnit::new("d.mount", "active"),
            SystemdUnit::new("e.service", "failed").not_found(),
        ];
        SystemdWorld { units, manager: manager.into(), ..SystemdWorld::default() }
    }

    async fn collect(world: SystemdWorld, args: SystemdBlock) -> (Outcome, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let _fake = FakeSystemd::start(&path, world);
        let on = OnBus::of(Bus::at(format!("unix:path={}", path.display()), Duration::from_secs(1)));
        let collector = build(&UnixArguments { systemd: args, ..UnixArguments::default() }, &on).unwrap();
        let task = tokio::task::spawn_blocking(move || {
            let mut out = Families::new();
            let outcome = collector.collect(&mut out);
            (outcome, crate::render(&mut [out]))
        });
        task.await.unwrap()
    }

    #[tokio::test]
    async fn units_are_shown_with_what_is_asked_for() {
        let args =
            SystemdBlock { enable_restarts: true, start_time: true, task_metrics: true, ..SystemdBlock::default() };
        let (outcome, text) = collect(world(), args).await;
        outcome.unwrap();
        for line in [
            "node_systemd_version{version=\"257.9-1\"} 257.9",
            "node_systemd_virtualization_info{virtualization_type=\"none\"} 1",
            "node_systemd_units{state=\"active\"} 3",
            "node_systemd_units{state=\"failed\"} 1",
            "node_systemd_unit_state{name=\"a.service\",state=\"active\",type=\"simple\"} 1",
            "node_systemd_unit_state{name=\"b.socket\",state=\"failed\",type=\"\"} 0",
            "node_systemd_service_restart_total{name=\"a.service\"} 3",
            "node_systemd_unit_tasks_current{name=\"a.service\"} 5",
            "node_systemd_unit_start_time_seconds{name=\"a.service\"} 1.5",
            "node_systemd_unit_start_time_seconds{name=\"c.timer\"} 0",
            "node_systemd_socket_accepted_connections_total{name=\"b.socket\"} 7",
            "node_systemd_timer_last_trigger_seconds{name=\"c.timer\"} 2",
            "node_systemd_system_running 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
        for absent in ["d.mount", "e.service", "tasks_max", "socket_refused"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }

    #[tokio::test]
    async fn a_bus_that_does_not_answer_is_a_failure_and_keeps_what_came() {
        let (outcome, text) =
            collect(SystemdWorld { silent: vec!["ListUnits"], ..world() }, SystemdBlock::default()).await;
        assert!(outcome.unwrap_err().to_string().contains("not answered"));
        assert!(text.contains("node_systemd_version"));
    }

    #[test]
    fn versions_have_three_digits() {
        assert_eq!(
            [major("257.9-1~deb13u1"), major("v252 (252.39-1)"), major("1.2"), major("")],
            [257.9, 252.0, 0.0, 0.0]
        );
    }
}
