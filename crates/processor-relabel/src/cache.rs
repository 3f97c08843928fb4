//! What the rules made of each series.
//!
//! Series come in the same order again and again. Each slot knows which one followed it, so that a series that comes
//! in its turn is found without hashing; all others by a table. Slots are linked by use, the latest first.

use corten_signal::labels::Labels;
use hashbrown::HashTable;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot {
    series: Labels,
    /// What the rules made of it; `None` if they drop it.
    result: Option<Labels>,
    /// Used after and before this one.
    newer: u32,
    older: u32,
    /// The slot that was used next the last time.
    follows: u32,
    /// When it was last used, in ticks of the owner.
    used: u32,
    /// Whether it holds something.
    live: bool,
}

/// A bounded map from series to results.
#[derive(Debug)]
pub struct Cache {
    slots: Vec<Slot>,
    table: HashTable<u32>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    /// The slot that was used last.
    last: u32,
    bound: usize,
}

impl Cache {
    /// A cache of at most so many series.
    pub fn new(bound: usize) -> Self {
        // The largest number is no index.
        let bound = bound.clamp(1, NONE as usize - 1);
        let table = HashTable::new();
        Self { slots: Vec::new(), table, free: Vec::new(), newest: NONE, oldest: NONE, last: NONE, bound }
    }

    /// How many series are in it.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, at: u32) -> Option<&Slot> {
        self.slots.get(at as usize)
    }

    fn find(&self, series: &Labels) -> Option<u32> {
        let next = self.slot(self.last).map_or(NONE, |slot| slot.follows);
        if self.slot(next).is_some_and(|slot| slot.live && slot.series == *series) {
            return Some(next);
        }
        let same = |at: &u32| self.slot(*at).is_some_and(|slot| slot.series == *series);
        self.table.find(series.hash_value(), same).copied()
    }

    /// The result for a series, if it is known; it counts as used now.
    pub fn get(&mut self, series: &Labels, now: u32) -> Option<Option<&Labels>> {
        let at = self.find(series)?;
        self.touch(at, now);
        Some(self.slots[at as usize].result.as_ref())
    }

    /// Takes up a result. The series must not be known.
    pub fn put(&mut self, series: Labels, result: Option<Labels>, now: u32) {
        if self.len() >= self.bound {
            self.remove_at(self.oldest);
        }
        let hash = series.hash_value();
        let slot = Slot { series, result, newer: NONE, older: NONE, follows: NONE, used: now, live: true };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                // Below the bound.
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.table.insert_unique(hash, at, |at| slots[*at as usize].series.hash_value());
        self.link(at);
        self.follow(at);
    }

    /// Forgets a series.
    pub fn remove(&mut self, series: &Labels) {
        if let Some(at) = self.find(series) {
            self.remove_at(at);
        }
    }

    /// Forgets what was not used since; answers how many that were.
    pub fn expire(&mut self, since: u32) -> usize {
        let before = self.len();
        while self.slot(self.oldest).is_some_and(|slot| slot.used < since) {
            self.remove_at(self.oldest);
        }
        // Memory of a flood that is over.
        if self.slots.len() > 1 << 16 && self.len() < self.slots.len() / 2 {
            self.rebuild();
        }
        before.saturating_sub(self.len())
    }

    fn touch(&mut self, at: u32, now: u32) {
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
        self.slots[at as usize].used = now;
        self.follow(at);
    }

    fn follow(&mut self, at: u32) {
        if let Some(last) = self.slots.get_mut(self.last as usize) {
            last.follows = at;
        }
        self.last = at;
    }

    fn link(&mut self, at: u32) {
        let newest = std::mem::replace(&mut self.newest, at);
        let slot = &mut self.slots[at as usize];
        (slot.newer, slot.older) = (NONE, newest);
        match self.slots.get_mut(newest as usize) {
            Some(before) => before.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(Slot { newer, older, .. }) = self.slot(at) else { return };
        let (newer, older) = (*newer, *older);
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn remove_at(&mut self, at: u32) {
        let Some(hash) = self.slot(at).map(|slot| slot.series.hash_value()) else { return };
        self.unlink(at);
        if let Ok(entry) = self.table.find_entry(hash, |known| *known == at) {
            entry.remove();
        }
        // What it held goes now. Another slot may still say that this one follows.
        let slot = &mut self.slots[at as usize];
        (slot.series, slot.result, slot.follows, slot.live) = (Labels::empty(), None, NONE, false);
        self.free.push(at);
    }

    fn rebuild(&mut self) {
        let mut old = std::mem::replace(self, Self::new(self.bound));
        let mut at = old.oldest;
        while let Some(slot) = old.slots.get_mut(at as usize) {
            let series = std::mem::take(&mut slot.series);
            let (result, used, newer) = (slot.result.take(), slot.used, slot.newer);
            self.put(series, result, used);
            at = newer;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn series(n: u8) -> Labels {
        Labels::from_pairs([("__name__", "m"), ("n", n.to_string().as_str())])
    }

    #[test]
    fn the_one_not_seen_for_longest_gives_way() {
        let mut cache = Cache::new(2);
        cache.put(series(1), Some(series(11)), 0);
        cache.put(series(2), None, 0);
        assert_eq!(cache.get(&series(1), 1), Some(Some(&series(11))));
        cache.put(series(3), None, 1);
        assert_eq!(cache.get(&series(2), 1), None);
        assert_eq!(cache.get(&series(1), 1), Some(Some(&series(11))));
        assert_eq!(cache.get(&series(3), 1), Some(None));
        cache.remove(&series(1));
        assert_eq!(cache.get(&series(1), 1), None);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn what_is_not_used_expires() {
        let mut cache = Cache::new(usize::MAX);
        (0..10).for_each(|n| cache.put(series(n), None, 0));
        (0..3).for_each(|n| assert!(cache.get(&series(n), 5).is_some()));
        assert_eq!((cache.expire(5), cache.len()), (7, 3));
        assert_eq!(cache.expire(5), 0);
    }

    proptest! {
        /// Against a list in order of use.
        #[test]
        fn behaves_like_a_list(steps in proptest::collection::vec((0u8..4, 0u8..12), 0..200)) {
            let mut cache = Cache::new(5);
            let mut model: VecDeque<u8> = VecDeque::new();
            for (step, n) in steps {
                let known = model.iter().position(|known| *known == n);
                if step == 0 {
                    cache.remove(&series(n));
                    known.map(|at| model.remove(at));
                } else {
                    prop_assert_eq!(cache.get(&series(n), 0).is_some(), known.is_some());
                    match known {
                        Some(at) => drop(model.remove(at)),
                        None => cache.put(series(n), Some(series(n)), 0),
                    }
                    model.push_back(n);
                    if model.len() > 5 {
                        model.pop_front();
                    }
                }
                prop_assert_eq!(cache.len(), model.len());
            }
            cache.rebuild();
            for n in &model {
                prop_assert_eq!(cache.get(&series(*n), 0), Some(Some(&series(*n))));
            }
        }
    }
}
