//! The running whole: programs in the kernel, the pump, and the controls.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use corten_ebpf::process::{self, Change, Watch};
use corten_ebpf::{Kernel, LoadError, Pump, Ring};

use super::control::{Control, Policy};
use super::hooks::{Attempt, Constants, HookSet};
use super::losses::Counters;
use super::outlet::{Outlet, Records};
use super::tls::{ProbeKind, Probes};
use crate::record::{self, Event, Exec, Exit, Family, Fork, Head, Listen, Loss, Lost, Record, Verdict};

/// How to capture.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Hook sets to try, in order.
    pub hooks: Vec<HookSet>,
    /// Size of the ring in bytes, a power of two.
    pub ring: u32,
    /// The pump is woken when so many bytes lie in the ring; it looks by itself every 20 ms while there is something.
    pub wake_at: u32,
    /// Be ready to watch TLS libraries, by the first of these kinds of probes that is allowed; none: do not.
    pub tls: Vec<ProbeKind>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hooks: HookSet::LADDER.to_vec(),
            ring: 8 << 20,
            wake_at: 256 << 10,
            tls: ProbeKind::ladder(&Kernel::running()).to_vec(),
        }
    }
}

/// Why nothing is captured.
#[derive(Debug)]
pub enum CaptureError {
    /// No hook set works; what each of them lacks.
    NoHooks(Vec<Attempt>),
    /// A hook set works, and what belongs to it does not.
    Broken(String),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHooks(attempts) => {
                f.write_str("the kernel takes none of the programs")?;
                for attempt in attempts {
                    let why = attempt.missing.first().map(ToString::to_string).unwrap_or_default();
                    write!(f, "; {}: {why}", attempt.set)?;
                }
                Ok(())
            }
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for CaptureError {}

impl From<LoadError> for CaptureError {
    fn from(error: LoadError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Programs in the kernel and the thread that empties their rings. Dropped, all of it is gone.
#[derive(Debug)]
pub struct Capture {
    // The pump goes first, and takes what is left in the rings.
    _pump: Pump,
    probes: Option<Mutex<Probes>>,
    attempt: Attempt,
    watch: Option<Watch>,
    control: Arc<Control>,
    problems: Vec<LoadError>,
}

impl Capture {
    /// Loads, attaches, pumps. Nobody is observed before [`Capture::set`] or [`Capture::choose_ports`] says so;
    /// this process never is. `wake` is called on the pump's thread when there are [`Records`].
    ///
    /// # Errors
    /// If no hook set works.
    pub fn start(settings: &Settings, wake: impl Fn() + Send + 'static) -> Result<(Self, Records), CaptureError> {
        let kernel = Kernel::running();
        let constants = Constants {
            wake_at: settings.wake_at,
            ring: settings.ring,
            tls: !settings.tls.is_empty(),
            multi: settings.tls.contains(&ProbeKind::Multi),
        };
        let mut problems = Vec::new();
        let mut watch = Watch::load().map_err(|error| problems.push(error)).ok();
        let listeners = watch.as_ref().and_then(|watch| watch.listeners().ok()).unwrap_or_default();
        let prepare = |attempt: &Attempt| -> Result<Control, CaptureError> {
            let Some(loaded) = &attempt.loaded else { return Err(CaptureError::Broken("nothing is loaded".into())) };
            let control = Control::of(loaded)?;
            control.listening(listeners.iter().map(|listener| listener.port)).map_err(CaptureError::Broken)?;
            control.set(std::process::id(), Policy::Ignore).map_err(CaptureError::Broken)?;
            Ok(control)
        };
        let mut failed = Vec::new();
        for set in &settings.hooks {
            let mut attempt = Attempt::load(*set, &kernel, &constants);
            if attempt.works() {
                let control = Arc::new(prepare(&attempt)?);
                attempt.attach();
                if attempt.works() {
                    let probes = probes(&attempt, &settings.tls, &mut problems);
                    return Self::pump(attempt, probes, watch.take(), control, problems, Box::new(wake));
                }
            }
            failed.push(attempt);
        }
        Err(CaptureError::NoHooks(failed))
    }

    fn pump(
        attempt: Attempt,
        probes: Option<Probes>,
        mut watch: Option<Watch>,
        control: Arc<Control>,
        mut problems: Vec<LoadError>,
        wake: Box<dyn Fn() + Send>,
    ) -> Result<(Self, Records), CaptureError> {
        let Some(loaded) = &attempt.loaded else { return Err(CaptureError::Broken("nothing is loaded".into())) };
        let (outlet, records) = Outlet::new(wake);
        // Only the pump's thread takes it; the lock is for the compiler.
        let outlet = Arc::new(Mutex::new(outlet));
        let into = Arc::clone(&outlet);
        let mut rings = vec![Ring::new(loaded.map_handle("records")?, move |bytes| {
            if let Ok(mut outlet) = into.lock() {
                push(&mut outlet, bytes);
            }
        })];
        let mut losses = None;
        if let Some(watch) = &mut watch {
            losses = watch.losses().ok();
            let into = Arc::clone(&outlet);
            let ring = watch.follow(move |event| {
                if let Ok(mut outlet) = into.lock() {
                    outlet.say(&of_process(&event));
                }
            });
            match ring {
                Ok(ring) => rings.push(ring),
                Err(error) => problems.push(error),
            }
        }
        let mut counters = Counters::new(loaded, losses)?;
        let tick = move || {
            if let Ok(mut outlet) = outlet.lock() {
                counters.say(&mut outlet);
                outlet.flush();
            }
        };
        let pump = Pump::start("ebpf-beyla", rings, tick).map_err(|error| CaptureError::Broken(error.to_string()))?;
        Ok((Self { _pump: pump, probes: probes.map(Mutex::new), attempt, watch, control, problems }, records))
    }

    /// The hook set that works.
    pub fn hooks(&self) -> HookSet {
        self.attempt.set
    }

    /// How TLS libraries are watched, if they are.
    pub fn probes(&self) -> Option<ProbeKind> {
        let probes = self.probes.as_ref()?;
        Some(probes.lock().unwrap_or_else(PoisonError::into_inner).kind())
    }

    /// What does not work, each with its reason; the rest goes on without.
    pub fn problems(&self) -> impl Iterator<Item = &LoadError> {
        self.attempt.missing.iter().chain(&self.problems)
    }

    /// Processes and ports, if the kernel lists them.
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Says what holds for a process; its children inherit it.
    ///
    /// # Errors
    /// If there are too many.
    pub fn set(&self, pid: u32, policy: Policy) -> Result<(), CaptureError> {
        self.control.set(pid, policy).map_err(CaptureError::Broken)
    }

    /// Nothing holds for a process any more.
    pub fn clear(&self, pid: u32) {
        self.control.clear(pid);
    }

    /// Watches the TLS library of a process, if it has one by now; it may load it later. Gives how many files were not
    /// watched before.
    ///
    /// # Errors
    /// If it has one that cannot be watched: the process's encrypted connections are not understood.
    pub fn watch_tls(&self, pid: u32) -> Result<usize, LoadError> {
        match (&self.probes, &self.attempt.loaded) {
            (Some(probes), Some(loaded)) => probes.lock().unwrap_or_else(PoisonError::into_inner).watch(loaded, pid),
            _ => Ok(0),
        }
    }

    /// All connections of these local ports are observed, whoever has them; replaces what was said before.
    ///
    /// # Errors
    /// If the kernel does not take it.
    pub fn choose_ports(&self, ports: impl IntoIterator<Item = u16>) -> Result<(), CaptureError> {
        self.control.choose(ports).map_err(CaptureError::Broken)
    }

    /// How to go on with a stream.
    ///
    /// # Errors
    /// If the kernel does not take it.
    pub fn verdict(&self, verdict: &Verdict) -> Result<(), CaptureError> {
        self.control.verdict(verdict).map_err(CaptureError::Broken)
    }
}

/// What watches TLS libraries, if anything is allowed to.
fn probes(attempt: &Attempt, kinds: &[ProbeKind], problems: &mut Vec<LoadError>) -> Option<Probes> {
    let loaded = attempt.loaded.as_ref().filter(|_| attempt.has_tls() && !kinds.is_empty())?;
    match ProbeKind::choose(kinds, loaded) {
        Ok(kind) => Some(Probes::new(kind)),
        Err(refused) => {
            problems.extend(refused);
            None
        }
    }
}

/// A record from the ring, without the room that was reserved for more.
fn push(outlet: &mut Outlet, bytes: &[u8]) {
    match record::decode(bytes) {
        Ok((_, length)) => outlet.push(bytes.get(..length).unwrap_or_default()),
        Err(_) => {
            let event = Event::Lost(Lost { reason: Loss::Malformed, count: 1 });
            outlet.say(&Record { head: Head::default(), event });
        }
    }
}

fn of_process(event: &process::Event) -> Record<'_> {
    let head = Head { time: event.time, pid: event.pid, tid: event.pid, stream: 0 };
    let family = |family| match family {
        process::Family::V4 => Family::V4,
        process::Family::V6 => Family::V6,
    };
    let event = match &event.change {
        Change::Exec { parent, started, comm, file } => {
            Event::Exec(Exec { parent: *parent, started: *started, comm: comm.as_bytes(), file: file.as_bytes() })
        }
        Change::Fork { parent, started } => Event::Fork(Fork { parent: *parent, started: *started }),
        Change::Exit { status } => Event::Exit(Exit { status: *status }),
        Change::Listen { port, netns, family: of } => {
            Event::Listen(Listen { open: true, family: family(*of), port: *port, netns: *netns })
        }
        Change::Unlisten { port, netns, family: of } => {
            Event::Listen(Listen { open: false, family: family(*of), port: *port, netns: *netns })
        }
    };
    Record { head, event }
}
