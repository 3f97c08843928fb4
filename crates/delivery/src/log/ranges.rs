//! A set of sequence numbers that grows from below: everything under a floor, and ranges above it.

use std::collections::BTreeMap;

/// What has been settled. Numbers that are settled in order cost nothing; others a range each until the gap closes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// Everything below is in the set.
    floor: u64,
    /// Start to end (exclusive), disjoint, not touching, all above the floor.
    above: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Everything below `floor`.
    pub(crate) fn below(floor: u64) -> Self {
        Self { floor, above: BTreeMap::new() }
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The ranges above the floor, in order.
    pub(crate) fn above(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.above.iter().map(|(start, end)| (*start, *end))
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        number < self.floor || self.above.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Whether all of `start..end` is in the set.
    pub(crate) fn covers(&self, start: u64, end: u64) -> bool {
        let start = start.max(self.floor);
        start >= end || self.above.range(..=start).next_back().is_some_and(|(_, to)| *to >= end)
    }

    /// The first number above everything in the set.
    pub(crate) fn end(&self) -> u64 {
        self.above.last_key_value().map_or(self.floor, |(_, end)| *end)
    }

    /// Adds `start..end`. Returns whether the set grew.
    pub(crate) fn insert(&mut self, mut start: u64, mut end: u64) -> bool {
        start = start.max(self.floor);
        if start >= end {
            return false;
        }
        let before = self.above.range(..=start).next_back().map(|(from, to)| (*from, *to));
        if let Some((from, to)) = before.filter(|(_, to)| *to >= start) {
            if to >= end {
                return false;
            }
            self.above.remove(&from);
            start = from;
        }
        while let Some((from, to)) = self.above.range(start..=end).next().map(|(from, to)| (*from, *to)) {
            self.above.remove(&from);
            end = end.max(to);
        }
        if start == self.floor {
            self.floor = end;
        } else {
            self.above.insert(start, end);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_settled_in_order_costs_nothing() {
        let mut set = Ranges::default();
        for number in 0..1000 {
            assert!(set.insert(number, number + 1));
        }
        assert_eq!((set.floor(), set.above().len()), (1000, 0));
        assert!(set.insert(1001, 1002) && !set.insert(1001, 1002) && !set.insert(3, 1000));
        assert_eq!((set.floor(), set.end()), (1000, 1002));
        assert!(set.insert(1000, 1001));
        assert_eq!((set.floor(), set.above().len()), (1002, 0));
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_its_numbers(inserts in prop::collection::vec((0u64..200, 0u64..12), 0..60), raise in 0u64..100) {
            let mut set = Ranges::default();
            let mut model = BTreeSet::new();
            for (start, len) in inserts {
                let grew = (start..start + len).filter(|number| model.insert(*number)).count() > 0;
                prop_assert_eq!(set.insert(start, start + len), grew);
            }
            set.insert(0, raise);
            model.extend(0..raise);
            for number in 0..220 {
                prop_assert_eq!(set.contains(number), model.contains(&number), "{}", number);
            }
            prop_assert_eq!(set.floor(), (0..).find(|number| !model.contains(number)).unwrap());
            prop_assert_eq!(set.end(), model.last().map_or(0, |last| last + 1));
            for start in (0..200).step_by(7) {
                let all = (start..start + 5).all(|number| model.contains(&number));
                prop_assert_eq!(set.covers(start, start + 5), all);
            }
            let mut last = set.floor();
            for (start, end) in set.above() {
                prop_assert!(last < start && start < end, "disjoint, apart and in order");
                last = end;
            }
        }
    }
}
