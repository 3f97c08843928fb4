//! The series of one resource.

use foldhash::quality::RandomState;
use indexmap::IndexMap;
use tokio::time::Instant;

use crate::attributes::Packed;
use crate::distribution::Distribution;

/// A span that was counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Example {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) value: f64,
}

/// What was counted under the same attributes.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) attributes: Packed,
    pub(super) count: u64,
    /// Whether it was never sent. A cumulative count is first sent as 0, so that its first increase shows.
    pub(super) fresh: bool,
    pub(super) durations: Option<Distribution>,
    pub(super) examples: Vec<Example>,
    /// Since when it counts, nanoseconds since 1970.
    pub(super) start: u64,
    pub(super) seen: Instant,
}

/// Which of the series it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Known,
    New,
    /// The one for all that had no room.
    Overflow,
}

/// The series of one metric.
#[derive(Debug, Default)]
pub(super) struct Table {
    series: IndexMap<Box<[u8]>, Series, RandomState>,
    overflow: Option<Box<Series>>,
}

/// The place of the series for all that had no room, where places are told apart.
const OVERFLOW_KEY: &[u8] = b"overflow";

impl Table {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.series.len() + usize::from(self.overflow.is_some())
    }

    /// The series of a key. A new one is made (`true`: the one for all that had no room) if there is none.
    pub(super) fn find(
        &mut self,
        key: &[u8],
        may_grow: bool,
        make: impl FnOnce(bool) -> Series,
    ) -> Option<(&mut Series, Found)> {
        if let Some(at) = self.series.get_index_of(key) {
            return self.series.get_index_mut(at).map(|(_, series)| (series, Found::Known));
        }
        if !may_grow {
            let overflow = self.overflow.get_or_insert_with(|| Box::new(make(true)));
            return Some((&mut **overflow, Found::Overflow));
        }
        let (at, _) = self.series.insert_full(key.into(), make(false));
        self.series.get_index_mut(at).map(|(_, series)| (series, Found::New))
    }

    /// All series with their keys.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&[u8], &mut Series)> {
        let overflow = self.overflow.as_deref_mut().map(|series| (OVERFLOW_KEY, series));
        self.series.iter_mut().map(|(key, series)| (&**key, series)).chain(overflow)
    }

    /// Forgets series that `keep` refuses.
    pub(super) fn retain(&mut self, keep: impl Fn(&Series) -> bool) {
        self.series.retain(|_, series| keep(series));
        self.overflow.take_if(|series| !keep(series));
    }

    /// Bytes, if each series has so many besides its own.
    pub(super) fn memory(&self, durations: usize) -> usize {
        let own = |key: usize, series: &Series| {
            SERIES_BYTES + key + series.attributes.len() + size_of::<Example>() * series.examples.capacity() + durations
        };
        self.series.iter().map(|(key, series)| own(key.len(), series)).sum::<usize>()
            + self.overflow.iter().map(|series| own(0, series)).sum::<usize>()
    }
}

/// What a series takes besides key, attributes, examples and buckets.
pub(super) const SERIES_BYTES: usize = size_of::<Series>() + 64;
