//! What the running kernel is and allows.

use std::fmt;

/// How much of itself the kernel keeps from root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lockdown {
    /// Nothing.
    #[default]
    None,
    /// It lets nobody change it.
    Integrity,
    /// It lets nobody read its memory either: programs that do are refused.
    Confidentiality,
}

impl fmt::Display for Lockdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
        })
    }
}

/// What the running kernel is and allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub release: String,
    /// Major and minor number.
    pub version: (u32, u32),
    /// It describes its types (`/sys/kernel/btf/vmlinux`): nothing works without.
    pub btf: bool,
    /// Lockdown.
    pub lockdown: Lockdown,
    /// `kernel.perf_event_paranoid`; Debian and Ubuntu know 3 and 4 as well.
    pub paranoid: i32,
    /// Bytes that this process may lock; `None`: any number. Before 5.11 maps count.
    pub lockable: Option<u64>,
    /// tracefs is mounted where it is looked for.
    pub tracefs: bool,
}

impl Kernel {
    /// The running one.
    pub fn running() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease").trim().to_owned();
        Self {
            version: version(&release),
            release,
            btf: std::path::Path::new("/sys/kernel/btf/vmlinux").exists(),
            lockdown: lockdown(&read("/sys/kernel/security/lockdown")),
            paranoid: read("/proc/sys/kernel/perf_event_paranoid").trim().parse().unwrap_or(2),
            lockable: lockable(&read("/proc/self/limits")),
            tracefs: std::path::Path::new("/sys/kernel/tracing/uprobe_events").exists(),
        }
    }

    /// Whether it is this version or a newer one.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        self.version >= (major, minor)
    }
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// The kernel marks what holds: `none [integrity] confidentiality`.
fn lockdown(text: &str) -> Lockdown {
    match text.split(['[', ']']).nth(1) {
        Some("integrity") => Lockdown::Integrity,
        Some("confidentiality") => Lockdown::Confidentiality,
        _ => Lockdown::None,
    }
}

fn lockable(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read() {
        assert_eq!(version("6.1.0-50-cloud-amd64"), (6, 1));
        assert_eq!(version("5.10"), (5, 10));
        assert_eq!(version("7.3-rc7-amd64"), (7, 3));
        assert_eq!(lockdown("none [integrity] confidentiality\n"), Lockdown::Integrity);
        assert_eq!(lockdown("[none] integrity confidentiality\n"), Lockdown::None);
        assert_eq!(lockdown(""), Lockdown::None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max locked memory         65536                65536                bytes     \n";
        assert_eq!(lockable(limits), Some(65536));
        assert_eq!(lockable("Max locked memory         unlimited            unlimited            bytes\n"), None);
    }

    #[test]
    fn the_running_kernel_has_a_version() {
        assert!(Kernel::running().is_at_least(3, 0));
    }
}
