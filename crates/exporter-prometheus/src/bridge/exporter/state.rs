//! What is remembered of series: their last time, and sums of what came as differences.

use std::collections::HashMap;
use std::time::Duration;

use corten_signal::labels::Labels;
use tokio::time::Instant;

use super::cumulate::Sums;

/// A series that was not seen for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(300);

/// What may be remembered, in bytes. Of series beyond, no order is kept, and differences are dropped.
const STATE_BYTES: usize = 64 << 20;

type Map<V> = HashMap<Labels, V, foldhash::fast::RandomState>;

/// What is remembered of a series.
#[derive(Debug)]
struct Known {
    /// Of the last sample, nanoseconds since 1970.
    time: u64,
    exemplar_time: u64,
    /// Of the last zero that it was begun with, milliseconds since 1970.
    zero: i64,
    seen: Instant,
}

#[derive(Debug)]
struct Summed {
    sums: Sums,
    seen: Instant,
    memory: usize,
}

/// The series of one instance after another.
pub(super) struct State {
    series: Map<Known>,
    sums: Map<Summed>,
    bytes: usize,
    limit: usize,
}

/// What a series takes besides its labels.
const SERIES_BYTES: usize = size_of::<Labels>() + size_of::<Known>() + 16;

impl Default for State {
    fn default() -> Self {
        Self { series: Map::default(), sums: Map::default(), bytes: 0, limit: STATE_BYTES }
    }
}

impl State {
    /// The same with another limit of memory.
    #[cfg(test)]
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// How many series are remembered, and about how many bytes they take.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.series.len() + self.sums.len(), self.bytes)
    }

    fn known(&mut self, labels: &Labels, now: Instant) -> Option<&mut Known> {
        if !self.series.contains_key(labels) {
            let memory = SERIES_BYTES + labels.memory();
            if self.bytes + memory > self.limit {
                return None;
            }
            self.bytes += memory;
            let known = Known { time: 0, exemplar_time: 0, zero: 0, seen: now };
            self.series.insert(labels.clone(), known);
        }
        let known = self.series.get_mut(labels)?;
        known.seen = now;
        Some(known)
    }

    /// Whether a series was seen before; its labels, shared.
    pub(super) fn shared(&self, labels: &Labels) -> Option<Labels> {
        self.series.get_key_value(labels).map(|(known, _)| known.clone())
    }

    /// Whether a sample of this time may follow those that there were.
    pub(super) fn is_in_order(&mut self, labels: &Labels, time: u64, now: Instant) -> bool {
        let Some(known) = self.known(labels, now) else { return true };
        let in_order = time >= known.time;
        known.time = known.time.max(time);
        in_order
    }

    /// Whether an exemplar of this time may follow those that there were.
    pub(super) fn exemplar_is_in_order(&mut self, labels: &Labels, time: u64, now: Instant) -> bool {
        let Some(known) = self.known(labels, now) else { return true };
        let in_order = time >= known.exemplar_time;
        known.exemplar_time = known.exemplar_time.max(time);
        in_order
    }

    /// Whether a zero at this start (milliseconds) is due: once for each start, and before all other samples.
    pub(super) fn zero_is_due(&mut self, labels: &Labels, start: i64, now: Instant) -> bool {
        let Some(known) = self.known(labels, now) else { return false };
        let last = i64::try_from(known.time / 1_000_000).unwrap_or(i64::MAX);
        let due = start > known.zero && start > last;
        if due {
            known.zero = start;
        }
        due
    }

    /// The sums of a metric's series, if there is room for them.
    pub(super) fn sums(
        &mut self,
        labels: &Labels,
        now: Instant,
        memory: usize,
        new: impl FnOnce() -> Sums,
    ) -> Option<&mut Sums> {
        // A later point may have more buckets than the first.
        let memory = size_of::<Summed>() + memory + labels.memory() + 32;
        let before = self.sums.get(labels).map_or(0, |summed| summed.memory);
        let more = memory.saturating_sub(before);
        if self.bytes + more > self.limit {
            return None;
        }
        self.bytes += more;
        if before == 0 {
            self.sums.insert(labels.clone(), Summed { sums: new(), seen: now, memory });
        }
        let summed = self.sums.get_mut(labels)?;
        (summed.seen, summed.memory) = (now, summed.memory.max(memory));
        Some(&mut summed.sums)
    }

    /// Forgets the sums of a series that ended.
    pub(super) fn end(&mut self, labels: &Labels) {
        if let Some(summed) = self.sums.remove(labels) {
            self.bytes = self.bytes.saturating_sub(summed.memory);
        }
    }

    /// Forgets what was not seen for long.
    pub(super) fn forget(&mut self, now: Instant) {
        let fresh = |seen: Instant| now.saturating_duration_since(seen) <= FORGET_AFTER;
        self.series.retain(|_, known| fresh(known.seen));
        self.sums.retain(|_, summed| fresh(summed.seen));
        self.bytes = self.series.keys().map(|labels| SERIES_BYTES + labels.memory()).sum::<usize>()
            + self.sums.values().map(|summed| summed.memory).sum::<usize>();
    }
}
