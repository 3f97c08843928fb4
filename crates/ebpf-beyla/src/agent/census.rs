//! Facts about processes, from the kernel's lists and from `/proc`.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corten_ebpf::process::{Details, Listener};
use corten_ebpf::symbols;

use super::processes::Census;
use crate::capture::Capture;
use crate::discover::{Facts, Language};

/// How long a list of listeners is good for.
const FRESH: Duration = Duration::from_millis(200);
/// The most programs whose language is remembered.
const PROGRAMS: usize = 1024;

/// The machine's processes.
pub(super) struct KernelCensus {
    capture: Rc<Capture>,
    listeners: RefCell<Option<(Instant, Vec<Listener>)>>,
    /// What compiled programs are written in, by device and inode of their files.
    compiled: RefCell<HashMap<(u64, u64), Language>>,
}

impl KernelCensus {
    /// By the lists of the capture's programs.
    pub(super) fn new(capture: Rc<Capture>) -> Self {
        Self { capture, listeners: RefCell::new(None), compiled: RefCell::default() }
    }

    /// Somebody has begun to listen.
    pub(super) fn changed(&mut self) {
        *self.listeners.borrow_mut() = None;
    }

    /// What a process is written in. Files of compiled programs are looked into once: they are large.
    fn language(&self, details: Details, executable: &str, libraries: &[String]) -> Language {
        let language = Language::of(executable, libraries.iter().map(String::as_str));
        if language != Language::Generic || executable.is_empty() {
            return language;
        }
        let file = details.file(executable);
        let Ok(about) = std::fs::metadata(&file) else { return language };
        let key = (about.dev(), about.ino());
        let mut compiled = self.compiled.borrow_mut();
        if let Some(known) = compiled.get(&key) {
            return *known;
        }
        let sections = symbols::sections(&file).unwrap_or_default();
        let language = Language::of_sections(sections.iter().map(String::as_str)).unwrap_or_default();
        if compiled.len() >= PROGRAMS {
            compiled.clear();
        }
        compiled.insert(key, language);
        language
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
            language: self.language(details, &executable, &libraries),
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

    fn processes(&self) -> Vec<u32> {
        let rows = self.capture.watch().and_then(|watch| watch.processes().ok()).unwrap_or_default();
        rows.into_iter().map(|row| row.pid).collect()
    }
}
