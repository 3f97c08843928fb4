//! What was shown to the collector and has to arrive: how many samples, and the sum of their values.

use std::cell::Cell;
use std::time::Instant;

/// Values are whole numbers of quarters, which doubles add without loss.
pub(super) fn quarters(value: f64) -> u64 {
    (value * 4.0) as u64
}

/// A count of samples and the sum of their values, in quarters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    /// Samples.
    pub(super) samples: u64,
    /// Quarters.
    pub(super) sum: u128,
}

impl Total {
    pub(super) fn add(&mut self, quarters: u64) {
        self.samples += 1;
        self.sum += u128::from(quarters);
    }

    fn and(self, other: Self) -> Self {
        Self { samples: self.samples + other.samples, sum: self.sum + other.sum }
    }
}

/// The books of a run.
#[derive(Debug)]
pub(super) struct Book {
    /// Samples that were shown, those that rules drop included.
    shown: Cell<u64>,
    expected: Cell<Total>,
    arrived: Cell<Total>,
    /// Series that came although rules drop them, and bodies that cannot be read.
    foreign: Cell<u64>,
    wire: Cell<u64>,
    last: Cell<Instant>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            shown: Cell::default(),
            expected: Cell::default(),
            arrived: Cell::default(),
            foreign: Cell::default(),
            wire: Cell::default(),
            last: Cell::new(Instant::now()),
        }
    }

    /// An exposition went out.
    pub(super) fn show(&self, shown: u64, wanted: Total) {
        self.shown.set(self.shown.get() + shown);
        self.expected.set(self.expected.get().and(wanted));
    }

    /// A request came in.
    pub(super) fn arrive(&self, wire: usize, found: Total, foreign: u64) {
        self.arrived.set(self.arrived.get().and(found));
        self.foreign.set(self.foreign.get() + foreign);
        self.wire.set(self.wire.get() + wire as u64);
        self.last.set(Instant::now());
    }

    pub(super) fn shown(&self) -> u64 {
        self.shown.get()
    }

    pub(super) fn arrived(&self) -> Total {
        self.arrived.get()
    }

    pub(super) fn expected(&self) -> Total {
        self.expected.get()
    }

    pub(super) fn foreign(&self) -> u64 {
        self.foreign.get()
    }

    pub(super) fn wire(&self) -> u64 {
        self.wire.get()
    }

    pub(super) fn silent_since(&self) -> Instant {
        self.last.get()
    }
}
