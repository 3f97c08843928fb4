//! What is known of a process.

use std::collections::{BTreeMap, BTreeSet};

use super::language::Language;

/// A process, as rules and names see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its number.
    pub pid: u32,
    /// Who made it.
    pub parent: u32,
    /// The kernel's short name.
    pub comm: String,
    /// The program's file; empty if it may not be read.
    pub executable: String,
    /// The command line.
    pub command: Vec<String>,
    /// Ports that it listens on.
    pub ports: BTreeSet<u16>,
    /// What it is written in.
    pub language: Language,
    /// The container that it runs in.
    pub container: Option<String>,
    /// It belongs to the system, and rules about languages do not mean it.
    pub system: bool,
    /// The systemd unit that it belongs to.
    pub unit: Option<String>,
    /// Those variables of its environment that name services: `OTEL_*`.
    pub environment: BTreeMap<String, String>,
}

impl Facts {
    /// Takes what the control group tells: container and unit.
    pub fn with_control_group(mut self, group: &str) -> Self {
        self.container = container(group);
        self.unit = unit(group);
        self
    }

    /// Takes what of `NAME=value` names services.
    pub fn with_environment<'a>(mut self, variables: impl IntoIterator<Item = &'a str>) -> Self {
        let own = variables.into_iter().filter_map(|variable| variable.split_once('='));
        self.environment = own
            .filter(|(name, _)| matches!(*name, "OTEL_SERVICE_NAME" | "OTEL_RESOURCE_ATTRIBUTES"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        self
    }
}

/// The id of a container, 64 hexadecimal digits somewhere in the path: Docker, Podman, containerd and CRI-O write them.
fn container(group: &str) -> Option<String> {
    group.rsplit('/').find_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let id = part.rsplit(['-', ':']).next()?;
        (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
    })
}

/// The service's unit, the innermost one; units of containers are not services of the host.
fn unit(group: &str) -> Option<String> {
    let named = group.rsplit('/').find(|part| part.ends_with(".service"))?;
    // `user@1000.service` holds all that a user runs.
    (!named.starts_with("user@")).then(|| named.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_tell_containers_and_units() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for group in [
            format!("/system.slice/docker-{id}.scope"),
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            format!("/docker/{id}"),
        ] {
            assert_eq!(Facts::default().with_control_group(&group).container.as_deref(), Some(id), "{group}");
        }
        let unit = |group: &str| Facts::default().with_control_group(group).unit;
        assert_eq!(unit("/system.slice/nginx.service").as_deref(), Some("nginx.service"));
        assert_eq!(unit("/system.slice/system-getty.slice/getty@tty1.service").as_deref(), Some("getty@tty1.service"));
        assert_eq!(unit("/user.slice/user-1000.slice/user@1000.service"), None);
        assert_eq!(
            unit("/user.slice/user-1000.slice/user@1000.service/app.slice/monitor.service").as_deref(),
            Some("monitor.service")
        );
        assert_eq!(unit("/"), None);
    }

    #[test]
    fn of_the_environment_only_names_are_kept() {
        let facts = Facts::default().with_environment(["OTEL_SERVICE_NAME=a=b", "PASSWORD=x", "junk"]);
        assert_eq!(facts.environment, [("OTEL_SERVICE_NAME".to_owned(), "a=b".to_owned())].into());
    }
}
