//! What works on the running kernel with the capabilities at hand, what does not, and what that costs: by trying.

use std::fmt::Write as _;

use corten_ebpf::process::Watch;
use corten_ebpf::{Capabilities, Capability, Kernel, LoadError, Lockdown};

use super::hooks::{Attempt, Constants, HookSet};
use super::tls::{self, ProbeKind};

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// The running kernel.
    pub kernel: Kernel,
    /// What this process may do.
    pub capabilities: Capabilities,
    /// Each feature.
    pub features: Vec<Feature>,
}

/// Something that works or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// One word.
    pub name: &'static str,
    /// What the user has of it.
    pub gives: &'static str,
    /// Whether it works.
    pub state: State,
}

/// Whether a feature works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It does; how.
    Works(String),
    /// It does not.
    Missing {
        /// In the kernel's words or ours.
        why: String,
        /// What would make it work.
        needs: String,
    },
}

/// Names of features, in the order of a report.
pub const FEATURES: [&str; 9] =
    ["trampolines", "tracepoints", "system-calls", "kprobes", "ipv6", "unix", "processes", "tls", "details"];
/// Those of them that are ways of seeing requests: one is enough.
const HOOKS: [&str; 4] = ["trampolines", "tracepoints", "system-calls", "kprobes"];

/// What other users' processes are looked into with.
const DETAILS: [Capability; 2] = [Capability::SysPtrace, Capability::DacReadSearch];
const BASE: [Capability; 2] = [Capability::Bpf, Capability::Perfmon];

/// Tries everything. Loads programs and attaches none for longer than it takes to see that it can be done.
pub fn diagnose() -> Report {
    let (kernel, capabilities) = (Kernel::running(), Capabilities::own());
    let kinds = ProbeKind::ladder(&kernel);
    let constants = Constants { wake_at: 1 << 16, ring: 1 << 16, tls: true, multi: kinds.contains(&ProbeKind::Multi) };
    let attempts = HookSet::LADDER.map(|set| {
        let mut attempt = Attempt::load(set, &kernel, &constants);
        attempt.attach();
        attempt
    });
    let advice = Advice { kernel: &kernel, capabilities };
    let mut features = Vec::new();
    for attempt in &attempts {
        features.push(match attempt.set {
            HookSet::Trampoline => Feature {
                name: "trampolines",
                gives: "what applications send and receive, at the least cost to them",
                state: advice.hooks(attempt),
            },
            HookSet::Tracepoint => Feature {
                name: "tracepoints",
                gives: "the same where there are no trampolines; not for io_uring",
                state: advice.hooks(attempt),
            },
            HookSet::SystemCall => Feature {
                name: "system-calls",
                gives: "the same of TCP alone, where there is neither; every process pays for it",
                state: advice.hooks(attempt),
            },
            HookSet::Kprobe => Feature {
                name: "kprobes",
                gives: "the same of TCP alone, at the highest cost for each call",
                state: advice.hooks(attempt),
            },
        });
    }
    let best = attempts.iter().find(|attempt| attempt.works());
    let programs = ["send6", "receive6"];
    features.push(Feature { name: "ipv6", gives: "connections over IPv6", state: advice.part(best, &programs) });
    features.push(Feature {
        name: "unix",
        gives: "connections over Unix sockets",
        state: match best {
            Some(attempt) if !attempt.set.sees_unix() => State::Missing {
                why: format!("{} do not see them", attempt.set),
                needs: "trampolines or tracepoints".to_owned(),
            },
            best => advice.part(best, &["send_unix", "receive_unix"]),
        },
    });
    features.push(Feature {
        name: "processes",
        gives: "processes and ports as they come, in all containers",
        state: match Watch::load()
            .and_then(|watch| watch.listeners().map_err(|error| LoadError::found("listeners", error.to_string())))
        {
            Ok(listeners) => State::Works(format!("{} ports are listened on", listeners.len())),
            Err(error) => advice.missing(&error),
        },
    });
    features.push(Feature { name: "tls", gives: "requests inside TLS by OpenSSL", state: advice.tls(best) });
    features.push(Feature {
        name: "details",
        gives: "names, command lines and libraries of other users' processes",
        state: advice.details(),
    });
    Report { kernel, capabilities, features }
}

/// What to say about what does not work.
struct Advice<'a> {
    kernel: &'a Kernel,
    capabilities: Capabilities,
}

impl Advice<'_> {
    fn hooks(&self, attempt: &Attempt) -> State {
        if attempt.works() {
            return State::Works(attempt.set.name().to_owned());
        }
        match attempt.missing.first() {
            Some(error) if attempt.set == HookSet::Tracepoint && !self.kernel.is_at_least(6, 3) => {
                State::Missing { why: error.to_string(), needs: "a kernel from 6.3 on".to_owned() }
            }
            Some(error) if attempt.set == HookSet::Kprobe && self.perf_is_closed(error) => State::Missing {
                why: error.to_string(),
                needs: format!(
                    "kernel.perf_event_paranoid at 2 or less (it is {}), or CAP_SYS_ADMIN",
                    self.kernel.paranoid
                ),
            },
            Some(error) => self.missing(error),
            None => State::Missing {
                why: "it was refused when everything was loaded together".into(),
                needs: String::new(),
            },
        }
    }

    /// Of a hook set that works, a part that may not.
    fn part(&self, attempt: Option<&Attempt>, programs: &[&str]) -> State {
        let Some(attempt) = attempt else { return without_hooks() };
        match attempt.missing.iter().find(|error| programs.contains(&error.what.as_str())) {
            Some(error) => self.missing(error),
            None => State::Works(attempt.set.name().to_owned()),
        }
    }

    fn tls(&self, attempt: Option<&Attempt>) -> State {
        let Some(attempt) = attempt else { return without_hooks() };
        if let Some(error) = attempt.missing.iter().find(|error| tls::PROGRAMS.contains(&error.what.as_str())) {
            return self.missing(error);
        }
        let Some(loaded) = &attempt.loaded else { return without_hooks() };
        match ProbeKind::choose(ProbeKind::ladder(self.kernel), loaded) {
            Ok(kind) => State::Works(kind.name().to_owned()),
            Err(refused) => State::Missing {
                why: refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
                needs: match refused.as_slice() {
                    [only] => self.needs(only),
                    _ => format!(
                        "{}, or a kernel from 6.6 on, where CAP_BPF and CAP_PERFMON are enough",
                        probe_capability(self.kernel)
                    ),
                },
            },
        }
    }

    fn details(&self) -> State {
        let lacking = self.capabilities.lacks(&DETAILS);
        if lacking.is_empty() {
            return State::Works("/proc of all users".to_owned());
        }
        State::Missing { why: "only our own user's processes can be looked into".to_owned(), needs: names(&lacking) }
    }

    fn missing(&self, error: &LoadError) -> State {
        State::Missing { why: error.to_string(), needs: self.needs(error) }
    }

    /// What would help, the likeliest first.
    fn needs(&self, error: &LoadError) -> String {
        let lacking = self.capabilities.lacks(&BASE);
        if !self.kernel.btf {
            return "a kernel that describes its types: /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)".to_owned();
        }
        if !lacking.is_empty() {
            return names(&lacking);
        }
        if self.kernel.lockdown == Lockdown::Confidentiality {
            return "a kernel that is not locked down to confidentiality".to_owned();
        }
        if error.refused && self.memory_is_short() {
            return "LimitMEMLOCK=infinity: before 5.11 maps count as locked memory".to_owned();
        }
        if error.refused {
            return "a platform that allows it: all capabilities are there, and the kernel refuses".to_owned();
        }
        "a newer kernel".to_owned()
    }

    /// Debian's and Ubuntu's kernels know stricter levels of it than others.
    fn perf_is_closed(&self, error: &LoadError) -> bool {
        error.refused && self.kernel.paranoid > 2 && self.capabilities.lacks(&BASE).is_empty()
    }

    fn memory_is_short(&self) -> bool {
        !self.kernel.is_at_least(5, 11)
            && self.kernel.lockable.is_some()
            && !self.capabilities.has(Capability::SysResource)
    }
}

fn without_hooks() -> State {
    State::Missing {
        why: "nothing that is sent and received is seen".into(),
        needs: format!("one of {}", HOOKS.join(", ")),
    }
}

/// What probes of other programs need before 6.6, beside `BASE`.
fn probe_capability(kernel: &Kernel) -> Capability {
    if kernel.paranoid <= 2 { Capability::DacOverride } else { Capability::SysAdmin }
}

fn names(capabilities: &[Capability]) -> String {
    capabilities.iter().map(|capability| capability.name()).collect::<Vec<_>>().join(" ")
}

impl Report {
    /// Whether a feature works; `None` if there is none of this name.
    pub fn has(&self, name: &str) -> Option<bool> {
        let feature = self.features.iter().find(|feature| feature.name == name)?;
        Some(matches!(feature.state, State::Works(_)))
    }

    /// Whether anything is seen at all.
    pub fn captures(&self) -> bool {
        HOOKS.iter().any(|name| self.has(name) == Some(true))
    }

    /// For people.
    pub fn text(&self) -> String {
        let kernel = &self.kernel;
        let mut text = format!(
            "kernel {}: types {}, lockdown {}, perf_event_paranoid {}\n",
            kernel.release,
            if kernel.btf { "described" } else { "not described" },
            kernel.lockdown,
            kernel.paranoid
        );
        let held: Vec<Capability> =
            Capability::ALL.into_iter().filter(|capability| self.capabilities.has(*capability)).collect();
        let _ = writeln!(text, "capabilities: {}\n", if held.is_empty() { "none".to_owned() } else { names(&held) });
        for feature in &self.features {
            match &feature.state {
                State::Works(how) => {
                    let _ = writeln!(text, "works    {:12} {} ({how})", feature.name, feature.gives);
                }
                State::Missing { why, needs } => {
                    let _ = writeln!(text, "missing  {:12} {}", feature.name, feature.gives);
                    let _ = writeln!(text, "           because {why}");
                    if !needs.is_empty() {
                        let _ = writeln!(text, "           needs   {needs}");
                    }
                }
            }
        }
        text
    }

    /// A drop-in for a systemd unit that gives a user other than root what all features need on this kernel.
    pub fn drop_in(&self) -> String {
        let mut wanted: Vec<Capability> = BASE.into_iter().chain(DETAILS).collect();
        if !self.kernel.is_at_least(6, 6) {
            wanted.push(probe_capability(&self.kernel));
        }
        let wanted = names(&wanted);
        let mut text = format!("[Service]\nAmbientCapabilities={wanted}\nCapabilityBoundingSet={wanted}\n");
        if !self.kernel.is_at_least(5, 11) {
            text.push_str("# Before 5.11 maps count as locked memory.\nLimitMEMLOCK=infinity\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(version: (u32, u32)) -> Report {
        let kernel =
            Kernel { version, release: format!("{}.{}", version.0, version.1), btf: true, ..Kernel::default() };
        let works = |name| Feature { name, gives: "a thing", state: State::Works("somehow".into()) };
        let missing = Feature {
            name: "tracepoints",
            gives: "another thing",
            state: State::Missing { why: "it was refused".into(), needs: "CAP_BPF".into() },
        };
        Report { kernel, capabilities: Capabilities::default(), features: vec![works("trampolines"), missing] }
    }

    #[test]
    fn one_hook_set_is_enough() {
        let mut report = report((6, 12));
        assert!(report.captures());
        assert_eq!((report.has("tracepoints"), report.has("tls")), (Some(false), None));
        report.features.remove(0);
        assert!(!report.captures());
    }

    #[test]
    fn a_report_says_why_and_what_helps() {
        let text = report((6, 12)).text();
        assert!(text.contains("works    trampolines  a thing (somehow)"), "{text}");
        assert!(text.contains("because it was refused\n           needs   CAP_BPF\n"), "{text}");
    }

    #[test]
    fn a_drop_in_asks_for_no_more_than_the_kernel_needs() {
        let new = report((6, 12)).drop_in();
        assert_eq!(
            new.lines().nth(1),
            Some("AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_DAC_READ_SEARCH")
        );
        assert!(!new.contains("MEMLOCK"));
        let old = report((5, 10)).drop_in();
        assert!(old.contains("CAP_DAC_OVERRIDE\n") && old.contains("LimitMEMLOCK=infinity"));
        let mut strict = report((6, 1));
        strict.kernel.paranoid = 3;
        assert!(strict.drop_in().contains("CAP_SYS_ADMIN\n"));
    }

    #[test]
    fn the_machine_at_hand_is_diagnosed() {
        let report = diagnose();
        assert_eq!(report.features.iter().map(|feature| feature.name).collect::<Vec<_>>(), FEATURES);
        // Whatever does not work says why.
        for feature in &report.features {
            if let State::Missing { why, .. } = &feature.state {
                assert!(!why.is_empty(), "{feature:?}");
            }
        }
        let may_load = report.capabilities.lacks(&BASE).is_empty();
        assert!(!report.captures() || may_load, "{}", report.text());
    }
}
