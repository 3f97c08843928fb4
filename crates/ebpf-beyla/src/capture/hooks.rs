//! Which programs see the bytes: the ladder of hook sets, and what of it holds on the running kernel.

use std::fmt;

use corten_ebpf::{Image, Kernel, LoadError, Loaded, Plan};

use super::tls;

/// Ways of seeing what a process sends and receives, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookSet {
    /// BPF trampolines at the socket layer's own functions (5.10 and newer, where the platform allows them).
    Trampoline,
    /// Tracepoints behind a send and a receive (6.3 and newer). Blind to the bytes of io_uring, sendfile and sendmmsg.
    Tracepoint,
    /// The way out of every system call (5.10 and newer): costs all processes of the machine. TCP only; blind like the
    /// one before.
    SystemCall,
    /// Probes of kernel functions, where `perf_event_paranoid` lets them in. TCP only, at the highest cost for an event.
    Kprobe,
}

impl HookSet {
    /// All of them, in the order in which they are tried.
    pub const LADDER: [Self; 4] = [Self::Trampoline, Self::Tracepoint, Self::SystemCall, Self::Kprobe];

    /// As it is named in logs and by `corten doctor ebpf`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trampoline => "trampolines",
            Self::Tracepoint => "socket tracepoints",
            Self::SystemCall => "system calls",
            Self::Kprobe => "kprobes",
        }
    }

    /// Without these there is no point.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Trampoline => &["send4", "receive4", "state"],
            Self::Tracepoint => &["sent", "received", "state"],
            Self::SystemCall => &["call_done", "state"],
            Self::Kprobe => &["probe_send", "probe_receive", "probe_received", "state"],
        }
    }

    /// What is lost with each of them is said, and the rest goes on.
    fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Trampoline => &["send6", "receive6", "send_unix", "receive_unix", "release_unix", "forked", "exited"],
            Self::Tracepoint | Self::SystemCall | Self::Kprobe => &["forked", "exited"],
        }
    }

    /// The verifier knows what a socket is, so state can be kept in it.
    fn knows_sockets(self) -> bool {
        matches!(self, Self::Trampoline | Self::Tracepoint)
    }

    /// Sees connections over Unix sockets.
    pub fn sees_unix(self) -> bool {
        self.knows_sockets()
    }
}

impl fmt::Display for HookSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A hook set that was tried.
#[derive(Debug)]
pub struct Attempt {
    /// Which.
    pub set: HookSet,
    /// What of it could not be loaded or attached. If it holds one of the required programs, the set does not work.
    pub missing: Vec<LoadError>,
    /// The set, if it works.
    pub(super) loaded: Option<Loaded>,
}

impl Attempt {
    /// Whether bytes are seen this way.
    pub fn works(&self) -> bool {
        self.loaded.is_some()
    }

    /// Tries one set. Nothing is attached yet.
    pub(super) fn load(set: HookSet, kernel: &Kernel, constants: &Constants) -> Self {
        let programs = |names: &[&'static str]| constants.plan(names, set, kernel);
        let image = image();
        let mut all = set.required().to_vec();
        all.extend(set.optional());
        if constants.tls {
            all.extend(tls::PROGRAMS);
        }
        if let Ok(loaded) = Loaded::load(&image, &programs(&all)) {
            return Self { set, missing: Vec::new(), loaded: Some(loaded) };
        }
        // One of them is refused: each alone tells which.
        let mut missing = Vec::new();
        all.retain(|name| match Loaded::load(&image, &programs(&[name])) {
            Ok(_) => true,
            Err(error) => {
                missing.push(error);
                false
            }
        });
        if set.required().iter().any(|name| !all.contains(name)) {
            return Self { set, missing, loaded: None };
        }
        match Loaded::load(&image, &programs(&all)) {
            Ok(loaded) => Self { set, missing, loaded: Some(loaded) },
            Err(error) => {
                missing.push(error);
                Self { set, missing, loaded: None }
            }
        }
    }

    /// Whether the programs that watch TLS libraries are there.
    pub(super) fn has_tls(&self) -> bool {
        self.works() && !self.missing.iter().any(|error| tls::PROGRAMS.contains(&error.what.as_str()))
    }

    /// Attaches what was loaded, in an order in which nothing is missed of a connection that begins meanwhile.
    pub(super) fn attach(&mut self) {
        let Some(loaded) = &mut self.loaded else { return };
        let not_loaded = |name: &str| self.missing.iter().any(|error| error.what == name);
        let optional: Vec<&str> = self.set.optional().iter().copied().filter(|name| !not_loaded(name)).collect();
        let mut works = true;
        for name in self.set.required() {
            if let Err(error) = attach(loaded, name) {
                self.missing.push(error);
                works = false;
            }
        }
        for name in optional {
            if let Err(error) = attach(loaded, name) {
                self.missing.push(error);
            }
        }
        if !works {
            self.loaded = None;
        }
    }
}

/// Attaches a program to what its section names, a kprobe to both functions that it is meant for.
fn attach(loaded: &mut Loaded, name: &str) -> Result<(), LoadError> {
    let (functions, at_end) = match name {
        "probe_send" => (["inet_sendmsg", "inet6_sendmsg"], false),
        "probe_receive" => (["inet_recvmsg", "inet6_recvmsg"], false),
        "probe_received" => (["inet_recvmsg", "inet6_recvmsg"], true),
        _ => return loaded.attach(name),
    };
    functions
        .into_iter()
        .try_for_each(|function| loaded.attach_by(name, |program| program.attach_kprobe(at_end, function)))
}

/// Where arguments and system calls differ between architectures, so do the objects.
fn image() -> Image {
    #[cfg(target_arch = "aarch64")]
    return corten_ebpf::image!("../../bpf/capture.arm64.bpf.o");
    #[cfg(not(target_arch = "aarch64"))]
    return corten_ebpf::image!("../../bpf/capture.bpf.o");
}

/// What the programs take as given; `struct settings` of `bpf/settings.h`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constants {
    pub(super) wake_at: u32,
    pub(super) ring: u32,
    pub(super) tls: bool,
    /// TLS libraries are watched by `uprobe_multi`.
    pub(super) multi: bool,
}

impl Constants {
    fn plan(&self, programs: &[&'static str], set: HookSet, kernel: &Kernel) -> Plan {
        let socket_storage = kernel.is_at_least(5, 11) && set.knows_sockets();
        let mut value = Vec::new();
        value.extend(self.wake_at.to_le_bytes());
        value.extend([u8::from(socket_storage), u8::from(self.tls), 0, 0]);
        Plan {
            programs: programs.to_vec(),
            without_maps: vec![if socket_storage { "by_socket" } else { "in_sockets" }],
            values: vec![(".rodata.settings", value)],
            sizes: vec![("records", self.ring)],
            multi: if self.multi { tls::PROGRAMS.to_vec() } else { Vec::new() },
        }
    }
}
