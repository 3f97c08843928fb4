//! Exponential histograms: buckets whose bounds are powers of 2^(2^-scale), fewer and wider as values spread.
//!
//! The scale begins at the finest and falls whenever the values would need more buckets than allowed. Merging does the
//! same. Source: the metrics data model of OpenTelemetry.

/// The finest resolution: at it, an index of 32 bits reaches every number.
pub const MAX_SCALE: i32 = 20;

/// The coarsest: all positive numbers lie in two buckets.
pub const MIN_SCALE: i32 = -10;

/// As many buckets as a histogram may be given.
const MOST_BUCKETS: usize = 16_384;

/// Consecutive buckets on one side of zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The index of the first: bucket `i` holds values above base^i, up to base^(i+1).
    pub offset: i32,
    /// What each counted; the first and the last are not zero.
    pub counts: Vec<u64>,
}

impl Buckets {
    /// The lowest and the highest index, if there is any bucket.
    fn range(&self) -> Option<(i64, i64)> {
        let last = i64::try_from(self.counts.len()).ok()?.checked_sub(1).filter(|last| *last >= 0)?;
        Some((i64::from(self.offset), i64::from(self.offset) + last))
    }

    /// Adds to a bucket. The caller has made sure that the range stays small.
    fn add(&mut self, index: i64, count: u64) {
        let Some((low, high)) = self.range() else {
            self.offset = clamp(index);
            self.counts.push(count);
            return;
        };
        if index < low {
            let missing = usize::try_from(low - index).unwrap_or(0);
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = clamp(index);
        } else if index > high {
            self.counts.resize(usize::try_from(index - low).unwrap_or(0) + 1, 0);
        }
        let at = usize::try_from(index - i64::from(self.offset)).unwrap_or(usize::MAX);
        if let Some(bucket) = self.counts.get_mut(at) {
            *bucket = bucket.saturating_add(count);
        }
    }

    /// The same counts in buckets 2^`by` times as wide.
    fn downscale(&mut self, by: u32) {
        let Some((low, _)) = self.range() else { return };
        let mut wide = Self::default();
        for (at, count) in (low..).zip(&self.counts) {
            wide.add(at >> by.min(62), *count);
        }
        *self = wide;
    }
}

fn clamp(index: i64) -> i32 {
    i32::try_from(index).unwrap_or(if index < 0 { i32::MIN } else { i32::MAX })
}

/// A histogram that finds its own resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct ExponentialHistogram {
    most: usize,
    scale: i32,
    /// All observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least; 0 without observations.
    pub min: f64,
    /// The greatest; 0 without observations.
    pub max: f64,
    /// Observations of zero, and of what counts as zero.
    pub zero_count: u64,
    /// Observations of at most this magnitude count as zero.
    pub zero_threshold: f64,
    /// Positive observations.
    pub positive: Buckets,
    /// Negative observations, by magnitude.
    pub negative: Buckets,
}

impl ExponentialHistogram {
    /// An empty one with at most so many buckets on either side (2 to 16384).
    pub fn new(max_size: usize) -> Self {
        Self {
            most: max_size.clamp(2, MOST_BUCKETS),
            scale: MAX_SCALE,
            count: 0,
            sum: 0.0,
            min: 0.0,
            max: 0.0,
            zero_count: 0,
            zero_threshold: 0.0,
            positive: Buckets::default(),
            negative: Buckets::default(),
        }
    }

    /// The resolution: a power of two is divided into 2^scale buckets. 0 while there are no buckets.
    pub fn scale(&self) -> i32 {
        if self.positive.counts.is_empty() && self.negative.counts.is_empty() { 0 } else { self.scale }
    }

    /// The bytes behind it.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + 8 * (self.positive.counts.capacity() + self.negative.counts.capacity())
    }

    /// Counts a value `times` times. What is not a finite number is left out.
    pub fn observe(&mut self, value: f64, times: u64) {
        if !value.is_finite() || times == 0 {
            return;
        }
        let first = self.count == 0;
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        self.count = self.count.saturating_add(times);
        self.sum += value * times as f64;
        if value == 0.0 {
            self.zero_count = self.zero_count.saturating_add(times);
            return;
        }
        let magnitude = value.abs();
        let index = i64::from(index_of(magnitude, self.scale));
        self.make_room(value > 0.0, index, index);
        let index = i64::from(index_of(magnitude, self.scale));
        self.side(value > 0.0).add(index, times);
    }

    /// Counts what buckets of another histogram counted. Its count, sum, zero bucket and extremes are the caller's.
    pub fn merge_buckets(
        &mut self,
        positive: bool,
        scale: i32,
        offset: i32,
        counts: impl Iterator<Item = u64> + Clone,
    ) {
        let scale = scale.clamp(MIN_SCALE, MAX_SCALE);
        let indices = || (i64::from(offset)..).zip(counts.clone()).filter(|(_, count)| *count > 0);
        let (Some((low, _)), Some((high, _))) = (indices().next(), indices().last()) else { return };
        self.rescale(scale);
        // Theirs may be finer.
        let shift = u32::try_from(scale - self.scale).unwrap_or(0);
        let before = self.scale;
        self.make_room(positive, low >> shift, high >> shift);
        let shift = shift + u32::try_from(before - self.scale).unwrap_or(0);
        for (index, count) in indices() {
            self.side(positive).add(index >> shift, count);
        }
    }

    fn side(&mut self, positive: bool) -> &mut Buckets {
        if positive { &mut self.positive } else { &mut self.negative }
    }

    /// Lowers the scale until buckets from `low` to `high` fit beside those that are there.
    fn make_room(&mut self, positive: bool, low: i64, high: i64) {
        let (mut low, mut high) = match self.side(positive).range() {
            Some((from, to)) => (low.min(from), high.max(to)),
            None => (low, high),
        };
        let mut by = 0;
        while usize::try_from(high - low).unwrap_or(usize::MAX) >= self.most {
            (low, high, by) = (low >> 1, high >> 1, by + 1);
        }
        self.rescale(self.scale - by);
    }

    /// Makes it coarser, if the scale is lower than its own.
    fn rescale(&mut self, scale: i32) {
        let by = u32::try_from(self.scale.saturating_sub(scale)).unwrap_or(0);
        if by > 0 {
            self.positive.downscale(by);
            self.negative.downscale(by);
            self.scale = scale;
        }
    }
}

const SIGNIFICAND: u64 = (1 << 52) - 1;

/// The bucket of a positive number: above base^index, up to base^(index+1).
fn index_of(magnitude: f64, scale: i32) -> i32 {
    // Subnormal numbers are in the bucket of the least normal one.
    let magnitude = magnitude.max(f64::MIN_POSITIVE);
    let bits = magnitude.to_bits();
    let exponent = i32::try_from(bits >> 52).unwrap_or(0) - 1023;
    let exact = bits & SIGNIFICAND == 0;
    if scale <= 0 {
        // A power of two is the upper bound of its bucket.
        return (exponent - i32::from(exact)) >> scale.unsigned_abs().min(31);
    }
    let scale = scale.min(MAX_SCALE);
    if exact {
        return (exponent << scale) - 1;
    }
    let index = (magnitude.ln() * std::f64::consts::LOG2_E * f64::from(1 << scale)).floor() as i32;
    // Logarithms are not exact beside powers of two.
    index.clamp(exponent << scale, ((exponent + 1) << scale) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(max_size: usize, values: &[f64]) -> ExponentialHistogram {
        let mut histogram = ExponentialHistogram::new(max_size);
        values.iter().for_each(|value| histogram.observe(*value, 1));
        histogram
    }

    #[test]
    fn powers_of_two_are_upper_bounds() {
        for scale in MIN_SCALE..=0 {
            assert_eq!(index_of(1.0, scale), -1, "scale {scale}");
        }
        assert_eq!([index_of(1.0, 0), index_of(1.5, 0), index_of(2.0, 0), index_of(2.1, 0)], [-1, 0, 0, 1]);
        assert_eq!([index_of(1.0, 1), index_of(1.4, 1), index_of(1.5, 1), index_of(2.0, 1)], [-1, 0, 1, 1]);
        assert_eq!([index_of(f64::MIN_POSITIVE, 0), index_of(1e-320, 0)], [-1023, -1023]);
        assert_eq!(index_of(f64::MAX, 20), 0x3fff_ffff);
    }

    #[test]
    fn the_scale_falls_as_values_spread() {
        let histogram = of(4, &[1.0, 2.0, 4.0]);
        assert_eq!((histogram.scale(), histogram.positive.offset), (0, -1));
        assert_eq!(histogram.positive.counts, [1, 1, 1]);
        let histogram = of(4, &[1.0, 2.0, 4.0, 1024.0]);
        assert_eq!((histogram.scale(), histogram.positive.offset), (-2, -1));
        assert_eq!(histogram.positive.counts, [1, 2, 0, 1]);
        assert_eq!((histogram.count, histogram.sum, histogram.min, histogram.max), (4, 1031.0, 1.0, 1024.0));
    }

    #[test]
    fn zeros_and_negative_values_have_their_place() {
        let mut histogram = of(160, &[0.0, -3.0, f64::NAN, f64::INFINITY]);
        histogram.observe(0.0, 2);
        assert_eq!((histogram.count, histogram.zero_count), (4, 3));
        assert!(histogram.positive.counts.is_empty());
        assert_eq!(histogram.negative.counts, [1]);
        assert_eq!(of(160, &[0.0]).scale(), 0);
    }

    #[test]
    fn merging_is_observing_together() {
        let (left, right) = ([0.001, 0.5, 7.0], [3.0, 900.0, 1e9]);
        let all = of(8, &[left, right].concat());
        let mut merged = of(8, &left);
        let other = of(8, &right);
        merged.merge_buckets(true, other.scale(), other.positive.offset, other.positive.counts.iter().copied());
        assert_eq!((merged.scale(), &merged.positive), (all.scale(), &all.positive));
    }

    #[test]
    fn the_extremes_fit_into_two_buckets() {
        let histogram = of(2, &[f64::MIN_POSITIVE, 1.0, f64::MAX, 5e-324]);
        assert_eq!((histogram.scale(), histogram.positive.counts.len()), (MIN_SCALE, 2));
        let mut hostile = ExponentialHistogram::new(160);
        hostile.merge_buckets(true, i32::MAX, i32::MAX, [1, 1].into_iter());
        hostile.merge_buckets(false, i32::MIN, i32::MIN, [0, 3].into_iter());
        assert!(hostile.positive.counts.len() <= 160);
        assert_eq!(hostile.negative.counts, [3]);
    }
}
