//! Facts about processes, from the kernel's lists and from `/proc`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corten_ebpf::process::{Details, Listener};

use super::processes::Census;
use crate::capture::Capture;
use crate::discover::{Facts, Language};

/// How long a list of listeners is good for.
const FRESH: Duration = Duration::from_millis(200);

/// The machine's processes.
pub(super) struct KernelCensus {
    capture: Rc<Capture>,
    listeners: RefCell<Option<(Instant, Vec<Listener>)>>,
}

impl KernelCensus {
    /// By the lists of the capture's programs.
    pub(super) fn new(capture: Rc<Capture>) -> Self {
        Self { capture, listeners: RefCell::new(None) }
    }

    /// Somebody has begun to listen.
    pub(super) fn changed(&mut self) {
        *self.listeners.borrow_mut() = None;
    }

    fn with_listeners<T>(&self, look: impl FnOnce(&[Listener]) -> T) -> T {
        let mut known = self.listeners.borrow_mut();
        if known.as_ref().is_none_or(|(when, _)| when.elapsed() > FRESH) {
            let listed = self.capture.watch().and_then(|watch| watch.listeners().ok()).unwrap_or_default();
            *known = Some((Instant::now(), listed));
        }
        look(known.as_ref().map_or(&[], |(_, listeners)| listeners.as_slice()))
    }
}

impl Census for KernelCensus {
    fn facts(&self, pid: u32) -> Option<Facts> {
        let details = Details::of(pid);
        let executable = details.executable().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let command = details.command();
        if executable.is_empty() && command.is_empty() && !std::path::Path::new(&format!("/proc/{pid}")).exists() {
            return None;
        }
        let libraries: Vec<String> = details.mappings().into_iter().map(|mapping| mapping.path).collect();
        let ports: BTreeSet<u16> = self.with_listeners(|listeners| {
            listeners.iter().filter(|listener| listener.pid == pid).map(|listener| listener.port).collect()
        });
        let environment = details.environment();
        let facts = Facts {
            pid,
            language: Language::of(&executable, libraries.iter().map(String::as_str)),
            comm: command.first().cloned().unwrap_or_default(),
            executable,
            command,
            ports,
            ..Facts::default()
        };
        let group = details.control_group().unwrap_or_default();
        Some(facts.with_control_group(&group).with_environment(environment.iter().map(String::as_str)))
    }

    fn listeners(&self) -> Vec<u32> {
        self.with_listeners(|listeners| {
            let pids: BTreeSet<u32> = listeners.iter().map(|listener| listener.pid).collect();
            pids.into_iter().collect()
        })
    }
}
