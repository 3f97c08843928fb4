//! The programs behind the table: iterators to list, tracepoints to follow.

use std::fmt;
use std::io::Read;

use libbpf_rs::{Iter, Link, MapCore, MapFlags, MapHandle};

use super::wire::{self, Event, Listener, Row};
use crate::{Image, LoadError, Loaded, Plan, Ring};

const LISTS: [&str; 2] = ["tasks", "listeners"];
const CHANGES: [&str; 4] = ["on_exec", "on_fork", "on_exit", "on_state"];

/// Lists processes and ports, and says what changes.
#[derive(Debug)]
pub struct Watch {
    loaded: Loaded,
}

/// Why processes cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchError {
    /// The kernel does not take the programs.
    Load(LoadError),
    /// It took them and does not run them.
    Read(String),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Read(reason) => write!(f, "processes cannot be listed: {reason}"),
        }
    }
}

impl std::error::Error for WatchError {}

impl From<LoadError> for WatchError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl Watch {
    /// Loads the programs; nothing is followed yet.
    ///
    /// # Errors
    /// If the kernel refuses them.
    pub fn load() -> Result<Self, LoadError> {
        let programs = LISTS.iter().chain(&CHANGES).copied().collect();
        let image: Image = crate::image!("../../bpf/process.bpf.o");
        Loaded::load(&image, &Plan { programs, ..Plan::default() }).map(|loaded| Self { loaded })
    }

    /// All processes, threads left out.
    ///
    /// # Errors
    /// If the kernel does not run the iterator.
    pub fn processes(&self) -> Result<Vec<Row>, WatchError> {
        Ok(wire::rows(&self.list("tasks")?).collect())
    }

    /// All TCP ports that are listened on, in all network namespaces, by process.
    ///
    /// # Errors
    /// If the kernel does not run the iterator.
    pub fn listeners(&self) -> Result<Vec<Listener>, WatchError> {
        let mut listeners: Vec<Listener> = wire::listeners(&self.list("listeners")?).collect();
        listeners.sort_unstable();
        listeners.dedup();
        Ok(listeners)
    }

    fn list(&self, program: &str) -> Result<Vec<u8>, WatchError> {
        let link: Link = self.loaded.link_by(program, |program| program.attach())?;
        let mut bytes = Vec::new();
        let mut iter = Iter::new(&link).map_err(|error| WatchError::Read(error.to_string()))?;
        iter.read_to_end(&mut bytes).map_err(|error| WatchError::Read(error.to_string()))?;
        Ok(bytes)
    }

    /// Begins to follow changes; the ring is for a [`Pump`](crate::Pump).
    ///
    /// # Errors
    /// If the kernel refuses to attach.
    pub fn follow(&mut self, mut take: impl FnMut(Event) + Send + 'static) -> Result<Ring, LoadError> {
        let ring = Ring::new(self.loaded.map_handle("events")?, move |bytes| {
            if let Some(event) = wire::event(bytes) {
                take(event);
            }
        });
        for program in CHANGES {
            self.loaded.attach(program)?;
        }
        Ok(ring)
    }

    /// Counts changes that were lost because the ring was full; read it now and then.
    ///
    /// # Errors
    /// If there is no such map, which is a mistake in the program.
    pub fn losses(&self) -> Result<Losses, LoadError> {
        self.loaded.map_handle(".bss.lost").map(Losses)
    }
}

/// A counter in the kernel.
#[derive(Debug)]
pub struct Losses(MapHandle);

impl Losses {
    /// How many since the start.
    pub fn total(&self) -> u64 {
        let value = self.0.lookup(&0_u32.to_le_bytes(), MapFlags::ANY).ok().flatten().unwrap_or_default();
        value.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default()
    }
}
