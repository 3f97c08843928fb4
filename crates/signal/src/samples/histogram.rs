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

    /// Whether it can be: whoever stores histograms refuses others, and perhaps all that came with them.
    ///
    /// # Errors
    /// What contradicts what.
    pub fn validate(&self) -> Result<(), String> {
        let is_custom = self.schema == CUSTOM_BUCKETS;
        if !is_custom && !(-4..=8).contains(&self.schema) {
            return Err(format!("there is no schema {}", self.schema));
        }
        match &self.counts {
            Counts::Integer { count, zero, positive, negative } => {
                let sides = whole(positive)?.checked_add(whole(negative)?).and_then(|sum| sum.checked_add(*zero));
                let sum = sides.ok_or("the buckets hold more than can be counted")?;
                // Observations that are no number are counted, and in no bucket.
                let agrees = if self.sum.is_nan() { sum <= *count } else { sum == *count };
                if !agrees {
                    return Err(format!("{sum} observations are in buckets, and the count is {count}"));
                }
                self.own_boundaries(is_custom, *zero == 0, &positive.spans, &negative.spans)
            }
            Counts::Float { count, zero, positive, negative } => {
                // How much is in the buckets says nothing here: fractions add up with errors.
                let all = [positive, negative].into_iter().flat_map(|side| &side.values).chain([count, zero]);
                if all.into_iter().any(|value| *value < 0.0) {
                    return Err("a count is negative".to_owned());
                }
                if !positive.is_consistent() || !negative.is_consistent() {
                    return Err("spans and buckets do not fit each other".to_owned());
                }
                self.own_boundaries(is_custom, *zero == 0.0, &positive.spans, &negative.spans)
            }
        }
    }

    fn own_boundaries(&self, own: bool, no_zero: bool, positive: &[Span], negative: &[Span]) -> Result<(), String> {
        let wrong = |what: &str| Err(what.to_owned());
        if !own {
            return if self.custom_values.is_empty() { Ok(()) } else { wrong("boundaries without their schema") };
        }
        if !no_zero || self.zero_threshold != 0.0 || !negative.is_empty() {
            return wrong("boundaries of its own, and a zero bucket or negative ones");
        }
        if !self.custom_values.iter().all(|bound| bound.is_finite()) {
            return wrong("a boundary that is no number");
        }
        if !self.custom_values.is_sorted_by(|a, b| a < b) {
            return wrong("boundaries that do not grow");
        }
        if positive.iter().any(|span| span.offset < 0) {
            return wrong("a bucket below the first");
        }
        let end: i64 = positive.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
        // One above the last boundary.
        if end > self.custom_values.len() as i64 + 1 { wrong("more buckets than boundaries") } else { Ok(()) }
    }
}

/// How many observations whole buckets hold.
fn whole(buckets: &Buckets<i64>) -> Result<u64, String> {
    if !buckets.is_consistent() {
        return Err("spans and buckets do not fit each other".to_owned());
    }
    let (mut here, mut sum) = (0i64, 0u64);
    for delta in &buckets.values {
        here = here.checked_add(*delta).filter(|here| *here >= 0).ok_or("a count is negative")?;
        sum = sum.checked_add(here.unsigned_abs()).ok_or("the buckets hold more than can be counted")?;
    }
    Ok(sum)
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

    fn integer(deltas: &[i64], count: u64) -> Histogram {
        let spans = vec![Span { offset: 0, length: u32::try_from(deltas.len()).unwrap() }];
        let positive = Buckets { spans, values: deltas.to_vec() };
        let counts = Counts::Integer { count, zero: 1, positive, negative: Buckets::default() };
        let (custom_values, reset_hint) = (Vec::new(), ResetHint::Unknown);
        Histogram { schema: 3, zero_threshold: 0.001, sum: 1.0, counts, custom_values, reset_hint }
    }

    #[test]
    fn counts_that_contradict_each_other_are_found() {
        assert_eq!(integer(&[2, 1, -3], 6).validate(), Ok(()));
        for wrong in [integer(&[2, 1, -3], 7), integer(&[2, -3], 3), integer(&[i64::MAX, 1], 1)] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
        // Observations of something that is no number are in no bucket.
        assert!(Histogram { sum: f64::NAN, ..integer(&[2], 9) }.validate().is_ok());
        assert!(Histogram { sum: f64::NAN, ..integer(&[2], 2) }.validate().is_err());
        assert!(Histogram { schema: 9, ..integer(&[2], 3) }.validate().is_err());
        assert!(Histogram { custom_values: vec![1.0], ..integer(&[2], 3) }.validate().is_err());
    }

    #[test]
    fn fractions_are_not_summed_up() {
        let float = |value, length| {
            let positive = Buckets { spans: vec![Span { offset: 0, length }], values: vec![value] };
            let counts = Counts::Float { count: 1.0, zero: 0.0, positive, negative: Buckets::default() };
            Histogram { counts, ..integer(&[], 1) }.validate().is_ok()
        };
        assert!(float(0.5, 1) && float(2.0, 1));
        assert!(!float(-0.5, 1) && !float(0.5, 2));
    }

    #[test]
    fn boundaries_of_its_own_have_rules_of_their_own() {
        let own = |offset, bounds: &[f64]| {
            let positive = Buckets { spans: vec![Span { offset, length: 2 }], values: vec![1, 0] };
            let counts = Counts::Integer { count: 2, zero: 0, positive, negative: Buckets::default() };
            let custom_values = bounds.to_vec();
            Histogram { schema: CUSTOM_BUCKETS, zero_threshold: 0.0, custom_values, counts, ..integer(&[], 1) }
        };
        assert_eq!(own(0, &[1.0]).validate(), Ok(()));
        for (offset, bounds) in [(0, &[][..]), (1, &[1.0]), (-1, &[1.0]), (0, &[2.0, 1.0]), (0, &[f64::INFINITY])] {
            assert!(own(offset, bounds).validate().is_err(), "{offset} {bounds:?}");
        }
        assert!(Histogram { zero_threshold: 1.0, ..own(0, &[1.0]) }.validate().is_err());
    }
}
