//! Processes added up by group. What a group has used never shrinks, though its processes end.

use std::collections::{BTreeMap, HashMap};

use super::counts::{Counts, Memory, States};
use super::tracker::Followed;

/// A group now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    pub(crate) procs: u64,
    pub(crate) counts: Counts,
    pub(crate) memory: Memory,
    pub(crate) states: States,
    /// Threads by the place in the kernel where they wait.
    pub(crate) wchans: BTreeMap<String, u64>,
    /// When its oldest process started, in seconds since the epoch; `None` without processes.
    pub(crate) oldest: Option<f64>,
    pub(crate) open_files: u64,
    /// The largest part of its limit of open files that a process uses.
    pub(crate) worst_ratio: f64,
    pub(crate) num_threads: u64,
    /// By name: how many, and what they have used.
    pub(crate) threads: BTreeMap<String, (u64, Counts)>,
}

impl Group {
    fn add(&mut self, process: &Followed) {
        let reading = &process.reading;
        self.procs += 1;
        self.counts.add(process.used);
        self.memory.add(reading.memory);
        self.states.add(reading.states);
        self.num_threads += reading.num_threads;
        self.oldest = Some(self.oldest.map_or(process.start, |oldest| oldest.min(process.start)));
        if let Some(open) = reading.open_files {
            self.open_files += open;
            self.worst_ratio = self.worst_ratio.max(ratio(open, reading.file_limit));
        }
        let waiting = std::iter::once(&reading.wchan).chain(reading.threads.iter().map(|thread| &thread.wchan));
        for wchan in waiting.filter(|wchan| !wchan.is_empty()) {
            *self.wchans.entry(wchan.clone()).or_default() += 1;
        }
        for (name, used) in &process.threads {
            let (number, counts) = self.threads.entry(name.clone()).or_default();
            *number += 1;
            counts.add(*used);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples are floats")]
fn ratio(open: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { open as f64 / limit as f64 }
}

/// What groups have used so far.
pub(crate) struct Groups {
    remove_empty: bool,
    used: HashMap<String, Counts>,
    /// By group and name. A name that no thread has any more is forgotten.
    threads: HashMap<String, BTreeMap<String, Counts>>,
}

impl Groups {
    pub(crate) fn new(remove_empty: bool) -> Self {
        Self { remove_empty, used: HashMap::new(), threads: HashMap::new() }
    }

    /// The groups after a look.
    pub(crate) fn update<'a>(&mut self, followed: impl Iterator<Item = &'a Followed>) -> BTreeMap<String, Group> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for process in followed {
            match groups.get_mut(&process.group) {
                Some(group) => group.add(process),
                None => groups.entry(process.group.clone()).or_default().add(process),
            }
        }
        for (name, group) in &mut groups {
            let used = self.used.entry(name.clone()).or_default();
            used.add(group.counts);
            group.counts = *used;
            let earlier = self.threads.remove(name).unwrap_or_default();
            for (thread, (_, counts)) in &mut group.threads {
                counts.add(earlier.get(thread).copied().unwrap_or_default());
            }
            let now = group.threads.iter().map(|(thread, (_, counts))| (thread.clone(), *counts));
            self.threads.insert(name.clone(), now.collect());
        }
        if self.remove_empty {
            self.used.retain(|name, _| groups.contains_key(name));
            self.threads.retain(|name, _| groups.contains_key(name));
        }
        for (name, counts) in &self.used {
            if !groups.contains_key(name) {
                groups.insert(name.clone(), Group { counts: *counts, ..Group::default() });
            }
        }
        groups
    }
}
