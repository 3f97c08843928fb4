//! What observed processes use: `process.*`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Measures;
use crate::telemetry::service::Service;

/// What a process has used so far: seconds and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Seconds of CPU in the program.
    pub user: f64,
    /// Seconds of CPU in the kernel.
    pub system: f64,
    /// Seconds that the disk was waited for.
    pub wait: f64,
    /// Bytes in memory.
    pub resident: u64,
    /// Bytes of addresses.
    pub mapped: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to disks.
    pub written: u64,
    /// Bytes sent, by the network namespace.
    pub sent: u64,
    /// Bytes received, by the network namespace.
    pub received: u64,
}

/// Whose a process is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// Its short name.
    pub command: String,
    /// Its user.
    pub user: String,
    /// The process that made it.
    pub parent: u32,
}

/// What is known of a process's usage.
#[derive(Debug, Clone)]
pub(super) struct Used {
    service: Arc<Service>,
    owner: Owner,
    usage: Usage,
    /// Shares of the CPUs since the time before: program, kernel, disk.
    shares: [f64; 3],
    when: u64,
}

/// A metric of usage.
pub(super) struct About {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) prometheus: &'static str,
    pub(super) help: &'static str,
    /// It only grows.
    pub(super) is_counter: bool,
    /// The attribute that tells its parts apart.
    by: &'static str,
}

static METRICS: [About; 6] = [
    About {
        name: "process.cpu.time",
        unit: "s",
        prometheus: "process_cpu_time_seconds_total",
        help: "CPU time that a process has used.",
        is_counter: true,
        by: "cpu.mode",
    },
    About {
        name: "process.cpu.utilization",
        unit: "1",
        prometheus: "process_cpu_utilization_ratio",
        help: "Share of the CPUs that a process uses.",
        is_counter: false,
        by: "cpu.mode",
    },
    About {
        name: "process.memory.usage",
        unit: "By",
        prometheus: "process_memory_usage_bytes",
        help: "Memory that a process has.",
        is_counter: false,
        by: "",
    },
    About {
        name: "process.memory.virtual",
        unit: "By",
        prometheus: "process_memory_virtual_bytes",
        help: "Addresses that a process has.",
        is_counter: false,
        by: "",
    },
    About {
        name: "process.disk.io",
        unit: "By",
        prometheus: "process_disk_io_bytes_total",
        help: "Bytes that a process has moved from and to disks.",
        is_counter: true,
        by: "disk.io.direction",
    },
    About {
        name: "process.network.io",
        unit: "By",
        prometheus: "process_network_io_bytes_total",
        help: "Bytes that the network namespace of a process has moved.",
        is_counter: true,
        by: "network.io.direction",
    },
];

/// Attributes of a process, each with whether it is told by default.
const PROCESS: [(&str, bool); 13] = [
    ("container.id", true),
    ("container.name", true),
    ("host.name", true),
    ("instance", true),
    ("job", true),
    ("process.command", true),
    ("process.command_args", false),
    ("process.command_line", false),
    ("process.executable.name", false),
    ("process.executable.path", false),
    ("process.owner", true),
    ("process.parent_pid", true),
    ("process.pid", true),
];

/// A metric's values, by their labels.
pub(super) type Values = BTreeMap<Vec<(&'static str, String)>, f64>;

impl Measures {
    /// What a process has used up to `now`, nanoseconds since 1970, on a machine with so many CPUs.
    pub fn used(&mut self, pid: u32, service: &Arc<Service>, usage: Usage, owner: Owner, cpus: usize, now: u64) {
        let before = self.used.get(&pid);
        let shares = before.map_or([0.0; 3], |before| {
            let elapsed = now.saturating_sub(before.when) as f64 / 1e9 * cpus.max(1) as f64;
            let share = |now: f64, before: f64| if elapsed > 0.0 { (now - before).max(0.0) / elapsed } else { 0.0 };
            [
                share(usage.user, before.usage.user),
                share(usage.system, before.usage.system),
                share(usage.wait, before.usage.wait),
            ]
        });
        self.used.insert(pid, Used { service: Arc::clone(service), owner, usage, shares, when: now });
    }

    /// All metrics of usage, with their values by labels: of all processes, or of those that are a service.
    pub(super) fn usages(&self, of: Option<&Arc<Service>>) -> Vec<(&'static About, Values)> {
        let with_values = METRICS.iter().map(|about| (about, self.values(about, of)));
        with_values.filter(|(_, values)| !values.is_empty()).collect()
    }

    fn values(&self, about: &'static About, of: Option<&Arc<Service>>) -> Values {
        let mut all = PROCESS.to_vec();
        if !about.by.is_empty() {
            all.push((about.by, true));
        }
        let mut shown = self.settings.select.shown(about.name, &all);
        shown.sort_unstable();
        let mut values = Values::new();
        for (pid, used) in self.used.iter().filter(|(_, used)| of.is_none_or(|of| *of == used.service)) {
            for (part, value) in used.parts(about.name) {
                let label = |name: &&'static str| match *name == about.by {
                    true => (*name, part.to_owned()),
                    false => (*name, used.label(*pid, name)),
                };
                let labels = shown.iter().map(label).filter(|(_, value)| !value.is_empty()).collect();
                *values.entry(labels).or_default() += value;
            }
        }
        values
    }
}

impl About {
    /// A share of something, which cannot be added up.
    pub(super) fn is_gauge(&self) -> bool {
        self.unit == "1"
    }
}

impl Used {
    fn parts(&self, name: &str) -> Vec<(&'static str, f64)> {
        let usage = self.usage;
        match name {
            "process.cpu.time" => vec![("user", usage.user), ("system", usage.system), ("wait", usage.wait)],
            "process.cpu.utilization" => ["user", "system", "wait"].into_iter().zip(self.shares).collect(),
            "process.memory.usage" => vec![("", usage.resident as f64)],
            "process.memory.virtual" => vec![("", usage.mapped as f64)],
            "process.disk.io" => vec![("read", usage.read as f64), ("write", usage.written as f64)],
            _ => vec![("transmit", usage.sent as f64), ("receive", usage.received as f64)],
        }
    }

    fn label(&self, pid: u32, name: &str) -> String {
        let service = &self.service;
        match name {
            "host.name" => service.host.clone(),
            "instance" => service.instance.clone(),
            "job" => service.job(),
            "process.command" => self.owner.command.clone(),
            "process.owner" => self.owner.user.clone(),
            "process.parent_pid" => self.owner.parent.to_string(),
            "process.pid" => pid.to_string(),
            name => service.attribute(name).to_owned(),
        }
    }
}
