//! Native histograms: many buckets under one series, most of them empty and not written.
//!
//! The shape is that of remote write and of the protobuf exposition format, so that a histogram passes through
//! without being computed anew. Source: the native histograms specification of Prometheus.

/// The schema of histograms with boundaries of their own ([`Histogram::custom_values`]).
pub const CUSTOM_BUCKETS: i32 = -53;

/// A native histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Resolution: each power of two is divided into 2^schema buckets (-4 to 8), or [`CUSTOM_BUCKETS`].
    pub schema: i32,
    /// Observations of at most this magnitude are in the zero bucket.
    pub zero_threshold: f64,
    /// The sum of all observations.
    pub sum: f64,
    /// How much was counted.
    pub counts: Counts,
    /// Upper boundaries, with the schema of custom buckets.
    pub custom_values: Vec<f64>,
    /// What the source knows of resets.
    pub reset_hint: ResetHint,
}

/// Counts, in whole numbers or not.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// Whole numbers; buckets as differences, each to the one before it.
    Integer {
        /// All observations.
        count: u64,
        /// Those in the zero bucket.
        zero: u64,
        /// Buckets of positive observations.
        positive: Buckets<i64>,
        /// Buckets of negative observations.
        negative: Buckets<i64>,
    },
    /// Fractions, as aggregations give them; buckets as they are.
    Float {
        /// All observations.
        count: f64,
        /// Those in the zero bucket.
        zero: f64,
        /// Buckets of positive observations.
        positive: Buckets<f64>,
        /// Buckets of negative observations.
        negative: Buckets<f64>,
    },
}

/// The buckets that are not empty, or that stand between such.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets<N> {
    /// Runs of buckets.
    pub spans: Vec<Span>,
    /// Their values, as many as the spans' lengths together.
    pub values: Vec<N>,
}

/// A run of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The distance from the end of the run before; of the first, the index of its first bucket.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// What the source knows of resets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResetHint {
    /// Nothing.
    #[default]
    Unknown,
    /// It has begun anew.
    Yes,
    /// It has not.
    No,
    /// It is not a counter.
    Gauge,
}

impl Histogram {
    /// How much was observed.
    pub fn count(&self) -> f64 {
        match &self.counts {
            Counts::Integer { count, .. } => *count as f64,
            Counts::Float { count, .. } => *count,
        }
    }
}

impl<N> Buckets<N> {
    /// Whether the spans describe exactly the values that are there.
    pub fn is_consistent(&self) -> bool {
        let described: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        described == self.values.len() as u64 && self.spans.iter().skip(1).all(|span| span.offset >= 0)
    }

    /// The index and the value of each bucket.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &N)> {
        let mut next = 0i32;
        let indices = self.spans.iter().flat_map(move |span| {
            let first = next.saturating_add(span.offset);
            next = first.saturating_add_unsigned(span.length);
            first..next
        });
        indices.zip(&self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_give_indices() {
        let buckets = Buckets {
            spans: vec![Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }],
            values: vec![1, 2, 3],
        };
        assert!(buckets.is_consistent());
        assert_eq!(buckets.iter().map(|(at, value)| (at, *value)).collect::<Vec<_>>(), [(-2, 1), (-1, 2), (3, 3)]);
        let short = Buckets { values: vec![1], ..buckets };
        assert!(!short.is_consistent());
    }
}
