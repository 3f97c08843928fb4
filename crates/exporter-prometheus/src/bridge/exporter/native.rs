//! Histograms into native ones.

use corten_signal::otlp::views::PointView;
use corten_signal::samples::{Buckets, CUSTOM_BUCKETS, Counts, Histogram, ResetHint, STALE, Span};

use super::points::Classic;

/// What counts as zero where nothing is said.
const ZERO_THRESHOLD: f64 = 1e-128;

/// The finest and the coarsest resolution of native histograms.
const FINEST: i32 = 8;
const COARSEST: i32 = -4;

/// As many empty buckets are written out rather than skipped by a new span.
const GAP: i64 = 2;

/// An exponential histogram of OTLP.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exponential {
    pub(super) scale: i32,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) zero_count: u64,
    /// Offset and counts.
    pub(super) positive: (i32, Vec<u64>),
    pub(super) negative: (i32, Vec<u64>),
}

impl Exponential {
    pub(super) fn of(point: &PointView<'_>) -> Self {
        Self {
            scale: point.scale(),
            count: point.count().unwrap_or(0),
            sum: point.sum(),
            zero_count: point.zero_count(),
            positive: (point.positive().offset(), point.positive().counts().collect()),
            negative: (point.negative().offset(), point.negative().counts().collect()),
        }
    }

    /// The native histogram; `None` if it is too coarse for one.
    pub(super) fn to_native(&self, stale: bool) -> Option<Histogram> {
        if self.scale < COARSEST {
            return None;
        }
        let by = u32::try_from(self.scale.saturating_sub(FINEST)).unwrap_or(0).min(31);
        let buckets = |(offset, counts): &(i32, Vec<u64>)| layout(counts, |at| ((at + i64::from(*offset)) >> by) + 1);
        Some(Histogram {
            schema: self.scale.min(FINEST),
            zero_threshold: ZERO_THRESHOLD,
            sum: if stale { STALE } else { self.sum.unwrap_or(0.0) },
            counts: Counts::Integer {
                count: if stale { 0 } else { self.count },
                zero: self.zero_count,
                positive: buckets(&self.positive),
                negative: buckets(&self.negative),
            },
            custom_values: Vec::new(),
            reset_hint: ResetHint::Unknown,
        })
    }
}

/// A histogram with given buckets as a native one; `None` if counts and bounds do not fit each other.
pub(super) fn custom(point: &Classic, bounds: &[f64], stale: bool) -> Option<Histogram> {
    let counts = &point.counts;
    if counts.len() != bounds.len() + 1 {
        return None;
    }
    let first = counts.iter().position(|count| *count > 0).unwrap_or(counts.len());
    let offset = i64::try_from(first).ok()?;
    let positive = layout(counts.get(first..).unwrap_or_default(), |at| at + offset);
    Some(Histogram {
        schema: CUSTOM_BUCKETS,
        zero_threshold: 0.0,
        sum: if stale { STALE } else { point.sum.unwrap_or(0.0) },
        counts: Counts::Integer {
            count: if stale { 0 } else { point.count },
            zero: 0,
            positive,
            negative: Buckets::default(),
        },
        custom_values: bounds.to_vec(),
        reset_hint: ResetHint::Unknown,
    })
}

/// The same series before anything was counted.
pub(super) fn empty(of: &Histogram) -> Histogram {
    let counts = Counts::Integer { count: 0, zero: 0, positive: Buckets::default(), negative: Buckets::default() };
    Histogram { sum: 0.0, counts, ..of.clone() }
}

/// Counts as spans and differences. `index` gives the bucket of each place; several places may share one.
///
/// The first span begins at the first place even if it is empty, as Alloy writes it.
fn layout(counts: &[u64], index: impl Fn(i64) -> i64) -> Buckets<i64> {
    let mut out = Buckets::default();
    if counts.is_empty() {
        return out;
    }
    let mut before = 0i64;
    let mut push = |out: &mut Buckets<i64>, gap: i64, count: u64| {
        let empties = if gap > GAP {
            out.spans.push(Span { offset: i32::try_from(gap).unwrap_or(i32::MAX), length: 0 });
            0
        } else {
            gap.max(0)
        };
        for count in std::iter::repeat_n(0, usize::try_from(empties).unwrap_or(0)).chain([count]) {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            out.values.push(count - before);
            before = count;
            if let Some(span) = out.spans.last_mut() {
                span.length += 1;
            }
        }
    };
    // The bucket after the last one written, and the one that is being counted.
    let mut next = index(0);
    out.spans.push(Span { offset: i32::try_from(next).unwrap_or(i32::MAX), length: 0 });
    let (mut current, mut count) = (next, 0u64);
    let mut last = next;
    for (at, more) in (0i64..).zip(counts) {
        last = index(at);
        if last == current {
            count = count.saturating_add(*more);
            continue;
        }
        if count > 0 {
            push(&mut out, current - next, count);
            next = current + 1;
        }
        (current, count) = (last, *more);
    }
    push(&mut out, last - next, count);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(buckets: &Buckets<i64>) -> Vec<(i32, u32)> {
        buckets.spans.iter().map(|span| (span.offset, span.length)).collect()
    }

    #[test]
    fn buckets_are_laid_out_as_alloy_does() {
        let one = |offset: i64, counts: &[u64]| layout(counts, |at| at + offset + 1);
        let buckets = one(-1, &[2, 1, 3, 2, 0, 0, 3]);
        assert_eq!((spans(&buckets), buckets.values), (vec![(0, 7)], vec![2, -1, 2, -1, -2, 0, 3]));
        let buckets = one(3, &[0, 0, 0, 0, 2, 1, 1, 0, 3, 0, 0]);
        assert_eq!((spans(&buckets), buckets.values), (vec![(4, 0), (4, 7)], vec![2, -1, 0, -1, 3, -3, 0]));
        let buckets = one(0, &[0, 4, 0, 2, 3, 0, 0, 3]);
        assert_eq!((spans(&buckets), buckets.values), (vec![(1, 8)], vec![0, 4, -4, 2, 1, -3, 0, 3]));
    }

    #[test]
    fn a_resolution_that_is_too_fine_is_lowered() {
        let fine = Exponential {
            scale: 10,
            count: 10,
            sum: Some(1.0),
            zero_count: 0,
            positive: (-2, vec![1, 2, 3, 4]),
            negative: (0, Vec::new()),
        };
        let native = fine.to_native(false).unwrap();
        assert_eq!(native.schema, 8);
        let Counts::Integer { positive, .. } = native.counts else { panic!() };
        assert_eq!((spans(&positive), positive.values), (vec![(0, 2)], vec![3, 4]));
        assert!(Exponential { scale: -5, ..fine }.to_native(false).is_none());
    }

    #[test]
    fn empty_buckets_before_the_first_are_left_out_of_custom_ones() {
        let classic =
            |counts: &[u64]| Classic { counts: counts.to_vec(), count: 6, sum: Some(3.0), bounds: Vec::new() };
        let native = custom(&classic(&[0, 0, 4, 2]), &[0.1, 0.5, 1.0], false).unwrap();
        let Counts::Integer { positive, .. } = native.counts else { panic!() };
        assert_eq!((spans(&positive), positive.values), (vec![(2, 2)], vec![4, -2]));
        let native = custom(&classic(&[2, 3, 4, 2]), &[0.1, 0.5, 1.0], false).unwrap();
        let Counts::Integer { positive, .. } = native.counts else { panic!() };
        assert_eq!((spans(&positive), positive.values), (vec![(0, 4)], vec![2, 1, 1, -2]));
        assert!(custom(&classic(&[1, 2]), &[0.1, 0.5], false).is_none());
    }
}
