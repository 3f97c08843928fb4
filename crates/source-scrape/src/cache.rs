//! The series of one target, from scrape to scrape: bytes of the exposition → labels, and which series are alive.
//!
//! A target shows its series in the same order each time. Each entry knows which one followed it, so that a scrape
//! compares bytes that lie next to each other and hashes only what is new or has moved.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use corten_signal::labels::Labels;
use corten_signal::samples::Metadata;
use hashbrown::HashTable;

/// No entry.
const NONE: u32 = u32::MAX;
/// Entries that may be dead before the cache is rebuilt without them.
const SPARE: usize = 1000;

/// Names an entry until the end of the scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(u32);

/// A series that has ended, and what is known of its family.
pub(crate) type Ended = (Labels, Option<Arc<Metadata>>);

#[derive(Debug)]
struct Entry {
    labels: Labels,
    about: Option<Arc<Metadata>>,
    key: usize,
    key_len: u32,
    /// The entry that followed in the last scrape.
    follows: u32,
    /// The scrape in which it was seen last.
    seen: u32,
    /// In this scrape it came with a time of its own, which staleness does not go with.
    timed: bool,
    /// It has been forwarded, and is to be ended when it vanishes.
    live: bool,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct SeriesCache {
    entries: Vec<Entry>,
    table: HashTable<u32>,
    /// The bytes of all keys.
    keys: Vec<u8>,
    hasher: foldhash::fast::RandomState,
    /// The scrape that is going on.
    scrape: u32,
    /// The entry before, and the one that is expected next.
    last: u32,
    expected: u32,
    first: u32,
    /// Live series of an earlier configuration, whose keys mean nothing any more.
    orphans: Vec<Ended>,
    /// Entries after the last scrape that succeeded.
    settled: usize,
}

impl Default for SeriesCache {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            table: HashTable::new(),
            keys: Vec::new(),
            hasher: foldhash::fast::RandomState::default(),
            scrape: 1,
            last: NONE,
            expected: NONE,
            first: NONE,
            orphans: Vec::new(),
            settled: 0,
        }
    }
}

impl SeriesCache {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Begins a scrape.
    pub(crate) fn begin(&mut self) {
        self.scrape += 1;
        self.last = NONE;
        self.expected = self.first;
    }

    fn entry(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at as usize)
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        self.keys.get(entry.key..entry.key + entry.key_len as usize).unwrap_or_default()
    }

    /// How many bytes the expected series has, if `rest` begins with them; else 0.
    pub(crate) fn expects(&self, rest: &[u8]) -> usize {
        match self.entry(self.expected).map(|entry| self.key(entry)) {
            Some(key) if rest.starts_with(key) => key.len(),
            _ => 0,
        }
    }

    /// The entry that was expected.
    pub(crate) fn expected(&self) -> Option<Id> {
        self.entry(self.expected).map(|_| Id(self.expected))
    }

    /// The entry of this key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Id> {
        if self.entry(self.expected).is_some_and(|entry| self.key(entry) == key) {
            return Some(Id(self.expected));
        }
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |at| self.entry(*at).is_some_and(|entry| self.key(entry) == key));
        found.map(|at| Id(*at))
    }

    /// A new entry.
    pub(crate) fn add(&mut self, key: &[u8], labels: Labels) -> Id {
        let at = u32::try_from(self.entries.len()).unwrap_or(NONE);
        let key_at = self.keys.len();
        self.keys.extend_from_slice(key);
        self.entries.push(Entry {
            labels,
            about: None,
            key: key_at,
            key_len: u32::try_from(key.len()).unwrap_or_default(),
            follows: NONE,
            seen: 0,
            timed: false,
            live: false,
        });
        let hash = self.hasher.hash_one(key);
        let (entries, keys, hasher) = (&self.entries, &self.keys, &self.hasher);
        self.table.insert_unique(hash, at, |at| {
            let entry = &entries[*at as usize];
            hasher.hash_one(&keys[entry.key..entry.key + entry.key_len as usize])
        });
        Id(at)
    }

    /// Says that the entry has been seen in this scrape; answers whether it had been already.
    pub(crate) fn see(&mut self, id: Id, timed: bool) -> bool {
        match self.entries.get_mut(self.last as usize) {
            Some(last) => last.follows = id.0,
            None => self.first = id.0,
        }
        let Some(entry) = self.entries.get_mut(id.0 as usize) else { return false };
        let again = entry.seen == self.scrape;
        entry.seen = self.scrape;
        entry.timed = timed;
        self.last = id.0;
        self.expected = entry.follows;
        again
    }

    /// The labels of an entry.
    pub(crate) fn labels(&self, id: Id) -> &Labels {
        &self.entries[id.0 as usize].labels
    }

    /// What was known of an entry's family when it was seen last.
    pub(crate) fn about(&self, id: Id) -> Option<&Arc<Metadata>> {
        self.entries[id.0 as usize].about.as_ref()
    }

    /// Notes what is known of an entry's family.
    pub(crate) fn set_about(&mut self, id: Id, about: Option<Arc<Metadata>>) {
        self.entries[id.0 as usize].about = about;
    }

    /// Ends a scrape that succeeded: the series that have vanished.
    pub(crate) fn commit(&mut self) -> Vec<Ended> {
        let mut vanished: HashMap<Labels, Option<Arc<Metadata>>> = self.orphans.drain(..).collect();
        let mut dead = 0;
        for entry in &mut self.entries {
            let seen = entry.seen == self.scrape;
            let live = seen && !entry.timed;
            if entry.live && !live {
                vanished.insert(entry.labels.clone(), entry.about.clone());
            }
            entry.live = live;
            dead += usize::from(!seen);
        }
        if !vanished.is_empty() {
            // The same series may be written in another way now.
            for entry in self.entries.iter().filter(|entry| entry.seen == self.scrape) {
                vanished.remove(&entry.labels);
            }
        }
        if dead > SPARE + (self.entries.len() - dead) / 2 {
            self.rebuild();
        }
        self.settled = self.entries.len();
        vanished.into_iter().collect()
    }

    /// Ends a scrape that failed: all series that were alive. Answers also whether the cache had to be cut down.
    pub(crate) fn fail(&mut self) -> (Vec<Ended>, bool) {
        let mut vanished: HashMap<Labels, Option<Arc<Metadata>>> = self.orphans.drain(..).collect();
        for entry in &mut self.entries {
            if std::mem::take(&mut entry.live) {
                vanished.insert(entry.labels.clone(), entry.about.clone());
            }
        }
        // A target whose scrapes fail with other labels each time must not fill the memory.
        let grown = self.entries.len() > 2 * self.settled + SPARE;
        if grown {
            self.rebuild();
        }
        (vanished.into_iter().collect(), grown)
    }

    /// The keys mean nothing any more; the series are alive as they were.
    pub(crate) fn forget_keys(&mut self) {
        let orphans = self.entries.drain(..).filter(|entry| entry.live).map(|entry| (entry.labels, entry.about));
        let orphans = std::mem::take(&mut self.orphans).into_iter().chain(orphans).collect();
        *self = Self { orphans, ..Self::default() };
    }

    /// The same with the entries of this scrape alone, in its order.
    fn rebuild(&mut self) {
        let old = std::mem::take(self);
        (self.orphans, self.scrape) = (old.orphans, old.scrape);
        for entry in old.entries {
            if entry.seen == old.scrape {
                let key = &old.keys[entry.key..entry.key + entry.key_len as usize];
                let id = self.add(key, entry.labels);
                self.see(id, entry.timed);
                self.set_about(id, entry.about);
                self.entries[id.0 as usize].live = entry.live;
            }
        }
        self.keys.shrink_to_fit();
        self.entries.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(cache: &mut SeriesCache, keys: &[&str]) -> Vec<String> {
        cache.begin();
        for key in keys {
            let id = cache.find(key.as_bytes()).unwrap_or_else(|| {
                cache.add(key.as_bytes(), Labels::from_pairs([("__name__", key.trim_end_matches('\''))]))
            });
            cache.see(id, key.starts_with("timed"));
        }
        names(cache.commit())
    }

    fn names(ended: Vec<Ended>) -> Vec<String> {
        let mut names: Vec<_> = ended.iter().map(|(labels, _)| labels.name().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_vanishes_is_ended_once() {
        let mut cache = SeriesCache::default();
        assert!(scrape(&mut cache, &["a", "b", "timed"]).is_empty());
        assert_eq!(scrape(&mut cache, &["b"]), ["a"]);
        assert!(scrape(&mut cache, &["b", "a"]).is_empty());
        assert_eq!(names(cache.fail().0), ["a", "b"]);
        assert!(cache.fail().0.is_empty());
        assert!(scrape(&mut cache, &["a"]).is_empty());
    }

    #[test]
    fn a_series_that_is_written_in_another_way_goes_on() {
        let mut cache = SeriesCache::default();
        scrape(&mut cache, &["a", "b"]);
        assert!(scrape(&mut cache, &["a'", "b"]).is_empty());
        cache.forget_keys();
        assert_eq!(scrape(&mut cache, &["a"]), ["b"]);
    }

    #[test]
    fn the_order_of_the_last_scrape_is_expected() {
        let mut cache = SeriesCache::default();
        scrape(&mut cache, &["a", "b", "c"]);
        scrape(&mut cache, &["b", "a", "c"]);
        cache.begin();
        for key in ["b", "a", "c"] {
            assert_eq!(cache.expects(format!("{key} 1").as_bytes()), 1, "{key}");
            let id = cache.expected().unwrap();
            assert!(!cache.see(id, false));
        }
        assert_eq!(cache.expects(b"b 1"), 0);
        let again = cache.find(b"a").unwrap();
        assert!(cache.see(again, false), "twice in one scrape");
    }

    #[test]
    fn dead_entries_are_bounded() {
        let mut cache = SeriesCache::default();
        for round in 0..20 {
            let keys: Vec<String> = (0..500).map(|at| format!("{round}-{at}")).collect();
            scrape(&mut cache, &keys.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(cache.len() <= 500 + SPARE + 250 + 500, "{}", cache.len());
        }
        for round in 0..20 {
            cache.begin();
            for at in 0..500 {
                let id = cache.add(format!("failed {round}-{at}").as_bytes(), Labels::empty());
                cache.see(id, false);
            }
            cache.fail();
            assert!(cache.len() <= 2 * (500 + SPARE + 250 + 500) + SPARE, "{}", cache.len());
        }
    }
}
