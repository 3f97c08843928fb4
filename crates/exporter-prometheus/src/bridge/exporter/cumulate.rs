//! Differences added up: points of delta temporality become cumulative ones.
//!
//! The first point begins the sum; one that ends no later than the last, or that begins before the sum did, is old and
//! counts nothing. Where buckets change, the sum begins anew.

use corten_signal::exponential::ExponentialHistogram;
use corten_signal::otlp::views::PointView;

use super::native::Exponential;
use super::points::Classic;

/// As many buckets as a sum of exponential histograms has on either side.
const MOST_BUCKETS: usize = 160;

/// The sum of a series.
#[derive(Debug)]
pub(super) struct Sums {
    /// Since when it counts, nanoseconds since 1970.
    pub(super) start: u64,
    /// Until when.
    time: u64,
    value: Value,
}

#[derive(Debug)]
enum Value {
    None,
    Number(f64),
    Classic(Classic),
    Exponential(Box<ExponentialHistogram>, bool),
}

impl Sums {
    pub(super) fn new() -> Self {
        Self { start: 0, time: 0, value: Value::None }
    }

    /// About how many bytes a sum of this point takes.
    pub(super) fn memory(point: &PointView<'_>) -> usize {
        let classic = 16 * point.explicit_bounds().count();
        let exponential = point.positive().counts().next().or(point.negative().counts().next());
        classic + exponential.map_or(0, |_| size_of::<ExponentialHistogram>() + 16 * MOST_BUCKETS)
    }

    /// Whether a point may be added; its time is taken.
    fn advance(&mut self, point: &PointView<'_>) -> bool {
        let (start, time) = (point.start_time_unix_nano(), point.time_unix_nano());
        if matches!(self.value, Value::None) {
            (self.start, self.time) = (start, time);
            return true;
        }
        if time <= self.time || (start != 0 && start < self.start) {
            return false;
        }
        self.time = time;
        true
    }

    /// Adds to a number, and gives the sum.
    pub(super) fn number(&mut self, point: &PointView<'_>, value: f64) -> Option<f64> {
        if !self.advance(point) {
            return None;
        }
        let before = if let Value::Number(before) = self.value { before } else { 0.0 };
        self.value = Value::Number(before + value);
        Some(before + value)
    }

    /// Adds to a histogram with given buckets, and gives the sum.
    pub(super) fn classic(&mut self, point: &PointView<'_>, more: Classic) -> Option<Classic> {
        if !self.advance(point) {
            return None;
        }
        match &mut self.value {
            Value::Classic(sum) => match sum.add(&more) {
                true => return Some(sum.clone()),
                false => self.start = point.start_time_unix_nano(),
            },
            Value::None => {}
            Value::Number(_) | Value::Exponential(..) => self.start = point.start_time_unix_nano(),
        }
        self.value = Value::Classic(more.clone());
        Some(more)
    }

    /// Adds to an exponential histogram, and gives the sum.
    pub(super) fn exponential(&mut self, point: &PointView<'_>) -> Option<Exponential> {
        if !self.advance(point) {
            return None;
        }
        if !matches!(self.value, Value::Exponential(..)) {
            self.value = Value::Exponential(Box::new(ExponentialHistogram::new(MOST_BUCKETS)), true);
        }
        let Value::Exponential(sum, has_sum) = &mut self.value else { return None };
        sum.count = sum.count.saturating_add(point.count().unwrap_or(0));
        sum.zero_count = sum.zero_count.saturating_add(point.zero_count());
        sum.sum += point.sum().unwrap_or(0.0);
        *has_sum &= point.sum().is_some();
        for (positive, side) in [(true, point.positive()), (false, point.negative())] {
            // Counted once, so that walking it again costs no decoding.
            let counts: Vec<u64> = side.counts().collect();
            sum.merge_buckets(positive, point.scale(), side.offset(), counts.iter().copied());
        }
        Some(Exponential {
            scale: sum.scale(),
            count: sum.count,
            sum: has_sum.then_some(sum.sum),
            zero_count: sum.zero_count,
            positive: (sum.positive.offset, sum.positive.counts.clone()),
            negative: (sum.negative.offset, sum.negative.counts.clone()),
        })
    }
}
