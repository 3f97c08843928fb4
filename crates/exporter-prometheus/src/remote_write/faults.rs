//! What is wrong with the endpoints of a component, in one report of its health.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use corten_component::Health;

/// What holds an endpoint up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// The server does not take anything for now. That is what the queue is for: the component is healthy.
    Waiting(String),
    /// Its part of the disk cannot be used.
    Disk(String),
}

type All = Arc<Mutex<BTreeMap<String, Fault>>>;

/// The report of a component. Cloning gives the same.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    all: All,
    health: Health,
}

impl Reports {
    pub(super) fn new(health: Health) -> Self {
        Self { all: All::default(), health }
    }

    /// The part of an endpoint.
    pub(super) fn of(&self, name: &str) -> Faults {
        Faults { name: name.to_owned(), reports: self.clone() }
    }

    /// Says how things are now.
    pub(super) fn show(&self) {
        self.tell(&self.all.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn tell(&self, all: &BTreeMap<String, Fault>) {
        let line = |(name, fault): (&String, &Fault)| match fault {
            Fault::Waiting(why) => format!("waiting for {name}: {why}"),
            Fault::Disk(why) => format!("{name} has no room on disk: {why}"),
        };
        let text: Vec<String> = all.iter().map(line).collect();
        if all.values().any(|fault| matches!(fault, Fault::Disk(_))) {
            self.health.unhealthy(text.join("; "));
        } else if all.is_empty() {
            self.health.healthy("delivering");
        } else {
            self.health.healthy(text.join("; "));
        }
    }
}

/// The part of an endpoint. Dropped, it takes its faults along.
#[derive(Debug)]
pub(super) struct Faults {
    name: String,
    reports: Reports,
}

impl Faults {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server does not take anything.
    pub(super) fn is_waiting(&self) -> bool {
        let all = self.reports.all.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(all.get(&self.name), Some(Fault::Waiting(_)))
    }

    /// The server does not take anything, or does again.
    pub(super) fn set(&self, waiting: Option<String>) {
        self.change(|known| match (known, waiting) {
            (Some(Fault::Disk(why)), _) => Some(Fault::Disk(why)),
            (before, Some(why)) => {
                if before.is_none() {
                    tracing::warn!(endpoint = self.name, %why, "samples cannot be sent for now; they wait on disk");
                }
                Some(Fault::Waiting(why))
            }
            (Some(_), None) => {
                tracing::info!(endpoint = self.name, "samples are sent again");
                None
            }
            (None, None) => None,
        });
    }

    /// The disk cannot be used, or can again.
    pub(super) fn set_disk(&self, fault: Option<String>) {
        self.change(|known| match (known, fault) {
            (before, Some(why)) => {
                if !matches!(before, Some(Fault::Disk(_))) {
                    tracing::error!(endpoint = self.name, %why, "samples are dropped: they cannot be kept on disk");
                }
                Some(Fault::Disk(why))
            }
            (Some(Fault::Disk(_)), None) => {
                tracing::info!(endpoint = self.name, "samples are kept on disk again");
                None
            }
            (before, None) => before,
        });
    }

    fn change(&self, change: impl FnOnce(Option<Fault>) -> Option<Fault>) {
        let mut all = self.reports.all.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.remove(&self.name);
        let after = change(before.clone());
        let changed = before != after;
        if let Some(fault) = after {
            all.insert(self.name.clone(), fault);
        }
        if changed {
            self.reports.tell(&all);
        }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.change(|_| None);
    }
}

#[cfg(test)]
mod tests {
    use corten_component::HealthState;

    use super::*;

    #[test]
    fn a_server_that_is_down_is_no_fault_of_ours_and_a_disk_is() {
        let health = Health::default();
        let reports = Reports::new(health.clone());
        let (a, b) = (reports.of("a"), reports.of("b"));
        let told = || health.report().map(|report| (report.state, report.message)).unwrap();
        a.set(Some("refused".to_owned()));
        assert_eq!(told(), (HealthState::Healthy, "waiting for a: refused".to_owned()));
        b.set_disk(Some("full".to_owned()));
        b.set(None);
        assert_eq!(told().0, HealthState::Unhealthy);
        assert_eq!(told().1, "waiting for a: refused; b has no room on disk: full");
        b.set_disk(None);
        drop(a);
        assert_eq!(told(), (HealthState::Healthy, "delivering".to_owned()));
    }
}
