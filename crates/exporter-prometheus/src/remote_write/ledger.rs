//! Where each sample of an endpoint is. What it has taken is delivered, rejected, dropped for a reason, or still here.
//!
//! A record leaves the disk when all its rows are done. Whether a record that the log gives up still waited or was
//! being sent already is told by its number: records are begun in their order.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use corten_component::metrics::{Counter, Metrics, Scope};

use super::metrics::{LawDropped, LawMetrics};

/// Why samples were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A rule drops the series, or leaves it no label.
    DroppedSeries,
    /// Older than `sample_age_limit`.
    TooOld,
    /// Boundaries of its own are more than 1.0 can say.
    CustomBuckets,
    /// `send_native_histograms` is off.
    HistogramsOff,
    /// The disk's share was spent and something newer came.
    Overflow,
    /// It waited longer than `max_keepalive_time`.
    Expired,
    /// It could not be written to the disk.
    DiskFull,
    /// The disk is so slow that too much waits to be written.
    DiskSlow,
    /// It was on disk, and cannot be read any more.
    Damaged,
}

impl Reason {
    pub(super) const ALL: [Self; 9] = [
        Self::DroppedSeries,
        Self::TooOld,
        Self::CustomBuckets,
        Self::HistogramsOff,
        Self::Overflow,
        Self::Expired,
        Self::DiskFull,
        Self::DiskSlow,
        Self::Damaged,
    ];

    /// Those that Prometheus's own metrics know, and ours beside them: the first of [`Self::ALL`].
    pub(super) const READ_BACK: [Self; 4] =
        [Self::DroppedSeries, Self::TooOld, Self::CustomBuckets, Self::HistogramsOff];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::DroppedSeries => "dropped_series",
            Self::TooOld => "too_old",
            Self::CustomBuckets => "nhcb_in_rw1_not_supported",
            Self::HistogramsOff => "native_histograms_off",
            Self::Overflow => "overflow",
            Self::Expired => "expired",
            Self::DiskFull => "disk_full",
            Self::DiskSlow => "disk_slow",
            Self::Damaged => "damaged",
        }
    }
}

#[derive(Default)]
struct State {
    /// Samples that are being written, and those that are on disk or being sent.
    writing: u64,
    waiting: u64,
    /// Records below this have been begun; of the others, those below `gone` have been given up.
    begun: u64,
    gone: u64,
    /// The number after the last record that was written, and the first that this process has written.
    end: u64,
    first: Option<u64>,
    /// Rows of begun records that are not done.
    open: BTreeMap<u64, u64>,
}

/// The books of an endpoint.
pub(super) struct Ledger {
    state: Mutex<State>,
    law: LawMetrics,
    dropped: [Counter; Reason::ALL.len()],
}

impl Ledger {
    pub(super) fn new(scope: &Scope, labels: &[(&str, &str)]) -> Self {
        let dropped = Reason::ALL
            .map(|reason| LawDropped::register(scope, &[labels, &[("reason", reason.as_str())]].concat()).items);
        Self { state: Mutex::default(), law: LawMetrics::register(scope, labels), dropped }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, state: &State) {
        self.law.queued.set((state.writing + state.waiting) as f64);
    }

    fn drop_from(&self, state: &mut State, samples: u64, reason: Reason) {
        state.waiting = state.waiting.saturating_sub(samples);
        if let Some(counter) = self.dropped.get(reason as usize) {
            counter.add(samples);
        }
        self.show(state);
    }

    /// The log has been opened and holds this much. What was in the books before is there, too.
    pub(super) fn open(&self, samples: u64) {
        let mut state = self.state();
        let known = self.law.queued.get() as u64;
        self.law.accepted.add(samples.saturating_sub(known));
        state.waiting = samples;
        self.show(&state);
    }

    /// Samples are about to be written.
    pub(super) fn accept(&self, samples: u64) {
        let mut state = self.state();
        self.law.accepted.add(samples);
        state.writing += samples;
        self.show(&state);
    }

    /// They were written, as this record.
    pub(super) fn written(&self, samples: u64, seq: u64) {
        let mut state = self.state();
        state.writing = state.writing.saturating_sub(samples);
        state.waiting += samples;
        state.end = state.end.max(seq + 1);
        state.first.get_or_insert(seq);
    }

    /// They were not.
    pub(super) fn unwritten(&self, samples: u64, reason: Reason) {
        let mut state = self.state();
        state.writing = state.writing.saturating_sub(samples);
        state.waiting += samples;
        self.drop_from(&mut state, samples, reason);
    }

    /// The log gave up a record, unless it is being sent or has been. Returns whether it still waited.
    pub(super) fn give_up(&self, seq: u64, samples: u64, reason: Reason) -> bool {
        let mut state = self.state();
        if seq < state.begun.max(state.gone) {
            return false;
        }
        state.gone = seq + 1;
        self.drop_from(&mut state, samples, reason);
        true
    }

    /// A record is about to be sent, unless it has been given up. Returns whether it may have been sent before the
    /// process last ended.
    pub(super) fn begin(&self, seq: u64, rows: u64) -> Option<bool> {
        let mut state = self.state();
        if seq < state.gone {
            return None;
        }
        state.begun = seq + 1;
        state.open.insert(seq, rows);
        Some(state.first.is_none_or(|first| seq < first))
    }

    /// Rows of a record are done: delivered, and rejected the rest. Returns whether it was the last of the record.
    pub(super) fn done(&self, seq: u64, delivered: u64, rejected: u64) -> bool {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(delivered + rejected);
        self.law.delivered.add(delivered);
        self.law.rejected.add(rejected);
        self.show(&state);
        Self::close(&mut state, seq, delivered + rejected)
    }

    /// Rows of a record are dropped. Returns whether it was the last of the record.
    pub(super) fn drop_rows(&self, seq: u64, rows: u64, reason: Reason) -> bool {
        let mut state = self.state();
        self.drop_from(&mut state, rows, reason);
        Self::close(&mut state, seq, rows)
    }

    fn close(state: &mut State, seq: u64, rows: u64) -> bool {
        let Some(left) = state.open.get_mut(&seq) else { return false };
        *left = left.saturating_sub(rows);
        let last = *left == 0;
        if last {
            state.open.remove(&seq);
        }
        last
    }

    /// Everything up to this number was read: what the books still hold besides can be read no more.
    pub(super) fn read_up_to(&self, next: u64) -> u64 {
        let mut state = self.state();
        if !state.open.is_empty() || state.end > next || state.waiting == 0 {
            return 0;
        }
        let missing = state.waiting;
        self.drop_from(&mut state, missing, Reason::Damaged);
        missing
    }
}

#[cfg(test)]
mod tests {
    use corten_component::metrics::Registry;

    use super::*;

    struct Books(Ledger, Registry);

    impl Books {
        fn new() -> Self {
            let registry = Registry::new();
            Self(Ledger::new(&registry.process(), &[]), registry)
        }

        /// Accepted, delivered, rejected, dropped, queued.
        fn sums(&self) -> [u64; 5] {
            let law = &self.0.law;
            let dropped = self.0.dropped.iter().map(Counter::get).sum();
            let sums = [law.accepted.get(), law.delivered.get(), law.rejected.get(), dropped, law.queued.get() as u64];
            assert_eq!(sums[0], sums[1..].iter().sum::<u64>(), "{sums:?}");
            assert!(self.1.render().contains("corten_delivery_dropped_items_total{reason=\"overflow\"}"));
            sums
        }
    }

    #[test]
    fn every_sample_is_in_one_place() {
        let books = Books::new();
        let ledger = &books.0;
        ledger.open(5);
        ledger.accept(10);
        ledger.accept(7);
        assert_eq!(books.sums(), [22, 0, 0, 0, 22]);
        ledger.written(10, 3);
        ledger.unwritten(7, Reason::DiskFull);
        assert_eq!(ledger.begin(2, 5), Some(true), "of another life");
        assert_eq!(ledger.begin(3, 10), Some(false));
        assert!(!ledger.done(3, 4, 1) && ledger.drop_rows(3, 5, Reason::TooOld));
        assert_eq!(books.sums(), [22, 4, 1, 12, 5]);
        assert!(ledger.done(2, 5, 0));
        assert_eq!(books.sums(), [22, 9, 1, 12, 0]);
    }

    #[test]
    fn what_the_log_gives_up_is_counted_once() {
        let books = Books::new();
        let ledger = &books.0;
        for seq in 0..4 {
            ledger.accept(10);
            ledger.written(10, seq);
        }
        ledger.begin(0, 10);
        assert!(!ledger.give_up(0, 10, Reason::Overflow), "it is being sent");
        assert!(ledger.give_up(1, 10, Reason::Overflow));
        assert!(!ledger.give_up(1, 10, Reason::Expired));
        assert_eq!(ledger.begin(1, 10), None, "it was read before it was given up");
        ledger.done(0, 10, 0);
        assert!(!ledger.give_up(0, 10, Reason::Overflow), "it has been sent");
        assert_eq!(books.sums(), [40, 10, 0, 10, 20]);
        assert_eq!(ledger.read_up_to(3), 0, "a record is behind that");
        assert_eq!(ledger.read_up_to(4), 20);
        assert_eq!(books.sums(), [40, 10, 0, 30, 0]);
    }

    #[test]
    fn what_is_opened_again_is_not_accepted_again() {
        let books = Books::new();
        books.0.accept(8);
        books.0.written(8, 0);
        let again = Ledger::new(&books.1.process(), &[]);
        again.open(8);
        assert_eq!(books.sums(), [8, 0, 0, 0, 8]);
    }
}
