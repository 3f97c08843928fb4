//! A directory that loses power: what was not synced is lost, kept or torn, sector by sector and name by name.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Disk, DiskFile};
use super::format::SECTOR;

#[derive(Clone, Default)]
struct Content {
    /// What a reader sees, and what is on the disk.
    seen: Vec<u8>,
    kept: Vec<u8>,
    dirty: BTreeSet<usize>,
}

/// What goes wrong next.
#[derive(Default)]
pub(crate) struct Faults {
    /// So many writes work, the one after fails in the middle.
    pub(crate) write: Option<(u32, io::ErrorKind)>,
    /// So many syncs work.
    pub(crate) sync: Option<u32>,
    /// Bytes that fit on the disk.
    pub(crate) capacity: Option<u64>,
    /// No file can be opened.
    pub(crate) open: bool,
    /// The range of every file that cannot be read.
    pub(crate) unreadable: Option<std::ops::Range<u64>>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, usize>,
    kept: BTreeMap<String, usize>,
    files: Vec<Content>,
    faults: Faults,
    syncs: u32,
}

/// A simulated directory; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Sim(Arc<Mutex<State>>);

struct SimFile(Sim, usize);

fn hit(counter: &mut Option<u32>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl Sim {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    /// How many syncs of files have worked.
    pub(crate) fn syncs(&self) -> u32 {
        self.state().syncs
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[name]].seen.clone()
    }

    /// Replaces a file, as damage does.
    pub(crate) fn set(&self, name: &str, content: Vec<u8>) {
        let mut state = self.state();
        let file = state.names[name];
        state.files[file] = Content { seen: content.clone(), kept: content, dirty: BTreeSet::new() };
    }

    /// A copy that shares nothing.
    pub(crate) fn fork(&self) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            names: state.names.clone(),
            kept: state.kept.clone(),
            files: state.files.clone(),
            ..State::default()
        })))
    }

    /// The directory after the process was killed: everything that was written is there.
    pub(crate) fn killed(&self) -> Self {
        self.fork()
    }

    /// The directory after the power came back.
    pub(crate) fn power_cut(&self, rng: &mut fastrand::Rng) -> Self {
        let state = self.state();
        let mut names = BTreeMap::new();
        let all: BTreeSet<&String> = state.names.keys().chain(state.kept.keys()).collect();
        for name in all {
            let side = if rng.bool() { &state.names } else { &state.kept };
            if let Some(file) = side.get(name) {
                names.insert(name.clone(), *file);
            }
        }
        let files = state.files.iter().map(|file| {
            let mut kept = file.kept.clone();
            if file.seen.len() != kept.len() && rng.bool() {
                kept.resize(file.seen.len(), 0);
            }
            for sector in &file.dirty {
                let range = sector * SECTOR..((sector + 1) * SECTOR).min(kept.len()).min(file.seen.len());
                if range.is_empty() {
                    continue;
                }
                match rng.u8(..4) {
                    0 => {}
                    1 => kept[range.clone()].copy_from_slice(&file.seen[range]),
                    2 => {
                        let cut = rng.usize(range.clone());
                        kept[range.start..cut].copy_from_slice(&file.seen[range.start..cut]);
                    }
                    _ => rng.fill(&mut kept[range]),
                }
            }
            Content { seen: kept.clone(), kept, dirty: BTreeSet::new() }
        });
        let files = files.collect();
        Self(Arc::new(Mutex::new(State { kept: names.clone(), names, files, ..State::default() })))
    }
}

impl Disk for Sim {
    fn path(&self) -> &Path {
        Path::new("sim")
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let used: usize = state.names.values().map(|file| state.files[*file].seen.len()).sum();
        if state.faults.capacity.is_some_and(|capacity| used as u64 + len > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = state.files.len();
        state.files.push(Content { seen: vec![0; len as usize], ..Content::default() });
        state.names.insert(name.to_owned(), file);
        Ok(Box::new(SimFile(self.clone(), file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        if self.state().faults.open {
            return Err(io::Error::from_raw_os_error(24));
        }
        let file = self.state().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile(self.clone(), file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().names.remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.kept = state.names.clone();
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        Ok(Box::new(()))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().files[self.1].seen.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.0.state();
        let bad = state.faults.unreadable.clone();
        if bad.is_some_and(|bad| bad.start < offset + buffer.len() as u64 && offset < bad.end) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let seen = state.files[self.1].seen.get(offset as usize..).unwrap_or_default();
        let count = seen.len().min(buffer.len());
        buffer[..count].copy_from_slice(&seen[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.0.state();
        let mut left = state.faults.write.map(|(left, _)| left);
        let failed = hit(&mut left).then(|| state.faults.write.map(|(_, kind)| kind)).flatten();
        state.faults.write = left.and_then(|left| state.faults.write.map(|(_, kind)| (left, kind)));
        let bytes = if failed.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
        let file = &mut state.files[self.1];
        let range = offset as usize..offset as usize + bytes.len();
        if file.seen.len() < range.end {
            file.seen.resize(range.end, 0);
        }
        file.seen[range.clone()].copy_from_slice(bytes);
        file.dirty.extend(range.start / SECTOR..range.end.div_ceil(SECTOR));
        failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.state();
        let file = &mut state.files[self.1];
        file.seen.resize(len as usize, 0);
        file.dirty.retain(|sector| sector * SECTOR < len as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.state();
        let failed = hit(&mut state.faults.sync);
        state.syncs += u32::from(!failed);
        let file = &mut state.files[self.1];
        let dirty = std::mem::take(&mut file.dirty);
        if failed {
            // As kernels do: the pages count as clean from now on, and never get there.
            return Err(io::Error::from_raw_os_error(5));
        }
        file.kept.resize(file.seen.len(), 0);
        for sector in dirty {
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(file.seen.len());
            if !range.is_empty() {
                file.kept[range.clone()].copy_from_slice(&file.seen[range]);
            }
        }
        Ok(())
    }
}
