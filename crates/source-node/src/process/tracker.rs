//! Which processes are followed, and what they have used since the last look.

use std::collections::{HashMap, HashSet};

use super::counts::Counts;
use super::matcher::{Attributes, Matchers};
use super::read::{Id, Reading, Static, Thread};
use super::users::Users;

/// What is to be followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rules {
    /// Children of followed processes are followed, too, unless they match for themselves.
    pub(crate) children: bool,
    /// Processes that did not match are asked again at each look.
    pub(crate) recheck: bool,
}

/// Where processes come from.
pub(crate) trait Source {
    /// All processes; those that go meanwhile are left out.
    fn ids(&mut self) -> Result<Vec<Id>, String>;
    /// `Ok(None)` if it has gone.
    fn look(&mut self, id: Id) -> Result<Option<Reading>, String>;
    /// `Ok(None)` if it has gone.
    fn describe(&mut self, id: Id) -> Result<Option<Static>, String>;
}

/// A process of a group and what it has used since the last look.
pub(crate) struct Followed {
    pub(crate) group: String,
    pub(crate) start: f64,
    pub(crate) reading: Reading,
    pub(crate) used: Counts,
    /// Name and use of each thread, if there are several.
    pub(crate) threads: Vec<(String, Counts)>,
}

impl Followed {
    fn update(&mut self, reading: Reading) {
        let known: HashMap<Id, Counts> = self.reading.threads.iter().map(|thread| (thread.id, thread.counts)).collect();
        let used = |thread: &Thread| known.get(&thread.id).map_or(Counts::default(), |old| thread.counts.since(*old));
        self.threads = reading.threads.iter().map(|thread| (thread.name.clone(), used(thread))).collect();
        self.used = reading.counts.since(self.reading.counts);
        self.reading = reading;
    }
}

/// What went wrong in a look, without spoiling it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Mishaps {
    /// Processes of which nothing could be read.
    pub(crate) unread: u64,
    /// Processes of which something could not be read.
    pub(crate) partial: u64,
}

struct New {
    id: Id,
    is: Static,
    reading: Reading,
}

/// Follows processes.
pub(crate) struct Tracker {
    matchers: Matchers,
    users: Users,
    rules: Rules,
    followed: HashMap<Id, Followed>,
    /// Processes that belong to no group.
    ignored: HashSet<Id>,
    /// When the first look was, in seconds since the epoch: what started later is counted from its start.
    first: Option<f64>,
}

impl Tracker {
    pub(crate) fn new(matchers: Matchers, users: Users, rules: Rules) -> Self {
        Self { matchers, users, rules, followed: HashMap::new(), ignored: HashSet::new(), first: None }
    }

    /// The processes that are followed now.
    pub(crate) fn followed(&self) -> impl Iterator<Item = &Followed> {
        self.followed.values()
    }

    /// Looks at all processes. `now` is in seconds since the epoch.
    pub(crate) fn look(&mut self, source: &mut impl Source, now: f64) -> Result<Mishaps, String> {
        self.first.get_or_insert(now);
        let present: Vec<Id> = source.ids()?;
        let mut mishaps = Mishaps::default();
        let mut seen = HashSet::with_capacity(present.len());
        let mut new = Vec::new();
        for &id in &present {
            if self.ignored.contains(&id) {
                continue;
            }
            let reading = match source.look(id) {
                Ok(Some(reading)) => reading,
                Ok(None) => continue,
                Err(why) => {
                    tracing::debug!(pid = id.0, "a process cannot be read: {why}");
                    mishaps.unread += 1;
                    continue;
                }
            };
            mishaps.partial += u64::from(reading.is_partial);
            seen.insert(id);
            match self.followed.get_mut(&id) {
                Some(followed) => followed.update(reading),
                None => match source.describe(id) {
                    Ok(Some(is)) => new.push(New { id, is, reading }),
                    Ok(None) => {}
                    Err(why) => tracing::debug!(pid = id.0, "a process cannot be described: {why}"),
                },
            }
        }
        self.followed.retain(|id, _| seen.contains(id));
        let present: HashSet<Id> = present.into_iter().collect();
        self.ignored.retain(|id| present.contains(id));
        self.sort_in(new);
        Ok(mishaps)
    }

    fn sort_in(&mut self, new: Vec<New>) {
        let mut unmatched = HashMap::new();
        for process in new {
            let mut attributes = Attributes {
                comm: process.is.comm.clone(),
                cmdline: process.is.cmdline.clone(),
                cgroups: process.is.cgroups.clone(),
                username: self.users.name(process.is.uid),
                pid: process.id.0,
                start: process.is.start,
                matches: Default::default(),
            };
            match self.matchers.name(&mut attributes) {
                Some(group) => self.follow(group, process),
                None => drop(unmatched.insert(process.id.0, process)),
            }
        }
        // Groups are found before any of these is followed, so that the order does not matter.
        let groups: HashMap<u32, Option<String>> = match self.rules.children {
            true => self.inherited(&unmatched),
            false => HashMap::new(),
        };
        for (pid, process) in unmatched {
            match groups.get(&pid).cloned().flatten() {
                Some(group) => self.follow(group, process),
                None if self.rules.recheck => {}
                None => drop(self.ignored.insert(process.id)),
            }
        }
    }

    /// The group of each process's nearest ancestor that has one. An ancestor that is known to have none ends the
    /// search.
    fn inherited(&self, unmatched: &HashMap<u32, New>) -> HashMap<u32, Option<String>> {
        let known: HashMap<u32, &str> =
            self.followed.iter().map(|(id, followed)| (id.0, followed.group.as_str())).collect();
        let group = |process: &New| {
            let mut next = process.is.parent;
            // No chain of parents is longer than the list of processes.
            for _ in 0..=unmatched.len() {
                if let Some(group) = known.get(&next) {
                    return Some((*group).to_owned());
                }
                next = unmatched.get(&next)?.is.parent;
            }
            None
        };
        unmatched.iter().map(|(&pid, process)| (pid, group(process))).collect()
    }

    fn follow(&mut self, group: String, process: New) {
        // All that a process has used was used since the last look, if it started after the first.
        let is_young = self.first.is_some_and(|first| process.is.start > first);
        let used = if is_young { process.reading.counts } else { Counts::default() };
        let threads = process.reading.threads.iter().map(|thread| (thread.name.clone(), Counts::default())).collect();
        let followed = Followed { group, start: process.is.start, reading: process.reading, used, threads };
        self.followed.insert(process.id, followed);
    }
}
