//! Native histograms made smaller: without empty buckets, with fewer and wider ones.
//!
//! Source: the native histograms specification of Prometheus.

use corten_signal::samples::{Buckets, CUSTOM_BUCKETS, Counts, Histogram, Span};

/// The coarsest and the finest of the standard schemas.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// A bucket's index and what is in it.
type Filled<N> = Vec<(i64, N)>;

/// What a bucket counts.
trait Count: Copy + Default + PartialEq {
    fn plus(self, other: Self) -> Self;
}

impl Count for i64 {
    fn plus(self, other: Self) -> Self {
        // Counts come from strangers.
        self.wrapping_add(other)
    }
}

impl Count for f64 {
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

fn indices(spans: &[Span]) -> impl Iterator<Item = i64> {
    let mut next = 0i64;
    spans.iter().flat_map(move |span| {
        let first = next + i64::from(span.offset);
        next = first + i64::from(span.length);
        first..next
    })
}

fn filled<N: Count>(spans: &[Span], values: impl Iterator<Item = N>) -> Filled<N> {
    indices(spans).zip(values).filter(|(_, value)| *value != N::default()).collect()
}

/// Whole counts are written as differences, each to the one before.
fn whole(buckets: &Buckets<i64>) -> Filled<i64> {
    let mut sum = 0i64;
    filled(
        &buckets.spans,
        buckets.values.iter().map(|delta| {
            sum = sum.wrapping_add(*delta);
            sum
        }),
    )
}

fn fractions(buckets: &Buckets<f64>) -> Filled<f64> {
    filled(&buckets.spans, buckets.values.iter().copied())
}

/// Spans that hold these buckets, and up to `empty` empty ones between two.
fn spread<N: Count>(filled: &Filled<N>, empty: i64) -> Buckets<N> {
    let mut buckets: Buckets<N> = Buckets { spans: Vec::new(), values: Vec::new() };
    let mut end = 0i64;
    for (index, value) in filled {
        let gap = index - end;
        match buckets.spans.last_mut() {
            Some(span) if gap <= empty => {
                span.length = span.length.saturating_add(u32::try_from(gap + 1).unwrap_or(u32::MAX));
                buckets.values.extend(std::iter::repeat_n(N::default(), usize::try_from(gap).unwrap_or_default()));
            }
            _ => buckets.spans.push(Span { offset: i32::try_from(gap).unwrap_or(i32::MAX), length: 1 }),
        }
        buckets.values.push(*value);
        end = index + 1;
    }
    buckets
}

fn differences(mut buckets: Buckets<i64>) -> Buckets<i64> {
    let mut before = 0i64;
    for value in &mut buckets.values {
        *value = value.wrapping_sub(std::mem::replace(&mut before, *value));
    }
    buckets
}

/// Joins each 2^`by` buckets.
fn joined<N: Count>(filled: Filled<N>, by: u32) -> Filled<N> {
    let mut out: Filled<N> = Vec::with_capacity(filled.len());
    for (index, value) in filled {
        let index = ((index - 1) >> by.min(62)) + 1;
        match out.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.plus(value),
            _ => out.push((index, value)),
        }
    }
    out
}

fn rebuilt(histogram: Histogram, by: u32, empty: i64) -> Histogram {
    let counts = match histogram.counts {
        Counts::Integer { count, zero, positive, negative } => {
            let make = |buckets| differences(spread(&joined(whole(buckets), by), empty));
            Counts::Integer { count, zero, positive: make(&positive), negative: make(&negative) }
        }
        Counts::Float { count, zero, positive, negative } => {
            let make = |buckets| spread(&joined(fractions(buckets), by), empty);
            Counts::Float { count, zero, positive: make(&positive), negative: make(&negative) }
        }
    };
    Histogram { counts, ..histogram }
}

/// The same without empty buckets, but for up to `empty` between two that are not. Its buckets must be consistent.
pub(crate) fn compact(histogram: Histogram, empty: i64) -> Histogram {
    rebuilt(histogram, 0, empty)
}

/// The same with buckets as wide as this schema has them. Finer is not possible, nor with buckets of its own.
pub(crate) fn reduce(mut histogram: Histogram, schema: i32) -> Histogram {
    let by = u32::try_from(histogram.schema.saturating_sub(schema)).unwrap_or_default();
    if by == 0 || histogram.schema == CUSTOM_BUCKETS {
        return histogram;
    }
    histogram = rebuilt(histogram, by, 0);
    histogram.schema = schema;
    histogram
}

fn size(histogram: &Histogram) -> usize {
    match &histogram.counts {
        Counts::Integer { positive, negative, .. } => positive.values.len() + negative.values.len(),
        Counts::Float { positive, negative, .. } => positive.values.len() + negative.values.len(),
    }
}

/// Limits for histograms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Buckets that a histogram may have; 0 is no limit.
    pub(crate) buckets: usize,
    /// The finest schema.
    pub(crate) schema: i32,
}

impl Limits {
    /// From the smallest factor between the boundaries of two buckets; 0 is no limit.
    pub(crate) fn new(buckets: usize, factor: f64) -> Self {
        let schema = if factor > 1.0 { (-factor.log2().log2()).floor() as i32 } else { *SCHEMAS.end() };
        Self { buckets, schema: schema.clamp(*SCHEMAS.start(), *SCHEMAS.end()) }
    }

    /// The histogram within the limits; `None` if it cannot be made to fit.
    pub(crate) fn apply(&self, mut histogram: Histogram) -> Option<Histogram> {
        let standard = SCHEMAS.start() <= &histogram.schema;
        if standard && histogram.schema > self.schema {
            histogram = reduce(histogram, self.schema);
        }
        while self.buckets > 0 && size(&histogram) > self.buckets {
            if !SCHEMAS.contains(&histogram.schema) || histogram.schema == *SCHEMAS.start() {
                return None;
            }
            let coarser = histogram.schema - 1;
            histogram = reduce(histogram, coarser);
        }
        Some(histogram)
    }
}

#[cfg(test)]
mod tests {
    use corten_signal::samples::ResetHint;

    use super::*;

    fn histogram(schema: i32, spans: &[(i32, u32)], values: &[i64]) -> Histogram {
        let spans = spans.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect();
        let positive = Buckets { spans, values: values.to_vec() };
        Histogram {
            schema,
            zero_threshold: 0.0,
            sum: 0.0,
            counts: Counts::Integer { count: 0, zero: 0, positive, negative: Buckets::default() },
            custom_values: Vec::new(),
            reset_hint: ResetHint::Unknown,
        }
    }

    #[test]
    fn empty_buckets_go() {
        // Counts 1, 0, 0, 0, 2, and a span of nothing.
        let found = compact(histogram(0, &[(1, 5), (2, 0)], &[1, -1, 0, 0, 2]), 0);
        assert_eq!(found, histogram(0, &[(1, 1), (3, 1)], &[1, 1]));
        let found = compact(histogram(0, &[(1, 1), (1, 1)], &[1, 1]), 2);
        assert_eq!(found, histogram(0, &[(1, 3)], &[1, -1, 2]));
    }

    #[test]
    fn resolution_is_halved() {
        // Buckets 1, 2, 3, 4 of schema 1 are buckets 1, 1, 2, 2 of schema 0.
        let found = reduce(histogram(1, &[(1, 4)], &[1, 1, 1, 1]), 0);
        assert_eq!(found, histogram(0, &[(1, 2)], &[3, 4]));
        let found = reduce(histogram(1, &[(-3, 2)], &[1, 0]), 0);
        assert_eq!(found, histogram(0, &[(-1, 1)], &[2]));
    }

    #[test]
    fn limits_widen_buckets_or_fail() {
        let fine = || histogram(8, &[(1, 4)], &[1, 0, 0, 0]);
        assert_eq!(size(&Limits { buckets: 2, schema: 8 }.apply(fine()).unwrap()), 2);
        assert_eq!(Limits::new(0, 1.9).apply(fine()).unwrap().schema, 0);
        assert_eq!(Limits::new(0, 0.0), Limits { buckets: 0, schema: 8 });
        assert_eq!(Limits::new(0, 65536.0).schema, -4);
        assert!(Limits { buckets: 3, schema: 8 }.apply(histogram(CUSTOM_BUCKETS, &[(0, 4)], &[1, 0, 0, 0])).is_none());
    }
}
