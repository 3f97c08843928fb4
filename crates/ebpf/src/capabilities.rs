//! What this process may do.

use std::fmt;
use std::path::Path;

/// Capabilities that eBPF has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Load programs, make maps.
    Bpf,
    /// Trace the kernel.
    Perfmon,
    /// Everything that has no name of its own: uprobes through perf, for example.
    SysAdmin,
    /// Look into processes of other users.
    SysPtrace,
    /// Read files of other users.
    DacReadSearch,
    /// Write files of other users: tracefs.
    DacOverride,
    /// Look up what a process has open, without the rest of `SysPtrace`.
    CheckpointRestore,
    /// Raise limits; before 5.11 maps count as locked memory.
    SysResource,
    /// Kernel addresses.
    Syslog,
}

use Capability::{
    Bpf, CheckpointRestore, DacOverride, DacReadSearch, Perfmon, SysAdmin, SysPtrace, SysResource, Syslog,
};

impl Capability {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Bpf, Perfmon, SysAdmin, SysPtrace, DacReadSearch, DacOverride, CheckpointRestore, SysResource, Syslog];

    /// As systemd and `setpriv` write it.
    pub fn name(self) -> &'static str {
        match self {
            Bpf => "CAP_BPF",
            Perfmon => "CAP_PERFMON",
            SysAdmin => "CAP_SYS_ADMIN",
            SysPtrace => "CAP_SYS_PTRACE",
            DacReadSearch => "CAP_DAC_READ_SEARCH",
            DacOverride => "CAP_DAC_OVERRIDE",
            CheckpointRestore => "CAP_CHECKPOINT_RESTORE",
            SysResource => "CAP_SYS_RESOURCE",
            Syslog => "CAP_SYSLOG",
        }
    }

    fn bit(self) -> u32 {
        match self {
            DacOverride => 1,
            DacReadSearch => 2,
            SysPtrace => 19,
            SysAdmin => 21,
            SysResource => 24,
            Syslog => 34,
            Perfmon => 38,
            Bpf => 39,
            CheckpointRestore => 40,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The capabilities that are in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Those of this thread, which a program may have reduced; none if it cannot be found out.
    pub fn own() -> Self {
        Self::in_status(Path::new("/proc/thread-self/status")).unwrap_or_default()
    }

    fn in_status(path: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path).ok()?)
    }

    fn parse(status: &str) -> Option<Self> {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok().map(Self)
    }

    /// Whether it is in effect. `CAP_SYS_ADMIN` contains `CAP_BPF` and `CAP_PERFMON`.
    pub fn has(self, capability: Capability) -> bool {
        let bit = |capability: Capability| self.0 & (1 << capability.bit()) != 0;
        bit(capability) || matches!(capability, Bpf | Perfmon) && bit(SysAdmin)
    }

    /// Those of the list that are not in effect.
    pub fn lacks(self, wanted: &[Capability]) -> Vec<Capability> {
        wanted.iter().copied().filter(|capability| !self.has(*capability)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_names() {
        let some = Capabilities::parse("Name:\tx\nCapEff:\t000000c000000000\n").expect("capabilities");
        assert!(some.has(Bpf) && some.has(Perfmon) && !some.has(SysAdmin));
        assert_eq!(some.lacks(&[Bpf, SysPtrace]), [SysPtrace]);
        let admin = Capabilities::parse("CapEff:\t0000000000200000\n").expect("capabilities");
        assert!(admin.has(Bpf) && admin.has(Perfmon) && !admin.has(DacOverride));
        assert_eq!(Capabilities::parse("nothing"), None);
    }
}
