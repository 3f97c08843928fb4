//! Native histograms into points.

use corten_proto::otlp::metrics::exponential_histogram_data_point::Buckets as Dense;
use corten_proto::otlp::metrics::{ExponentialHistogramDataPoint, HistogramDataPoint};
use corten_signal::samples::{Buckets, Counts, Histogram};

/// As many buckets as a point has on either side; resolution is given up for more.
const MOST_BUCKETS: i64 = 16_384;

/// A bucket's number and what it counted.
type Bucket = (i64, u64);

/// A histogram's parts, whether it counts in whole numbers or not.
struct Parts {
    count: u64,
    zero: u64,
    positive: Vec<Bucket>,
    negative: Vec<Bucket>,
}

impl Parts {
    /// `None`: spans and buckets do not fit.
    fn of(histogram: &Histogram) -> Option<Self> {
        Some(match &histogram.counts {
            Counts::Integer { count, zero, positive, negative } => {
                Self { count: *count, zero: *zero, positive: differences(positive)?, negative: differences(negative)? }
            }
            Counts::Float { count, zero, positive, negative } => Self {
                count: *count as u64,
                zero: *zero as u64,
                positive: absolute(positive)?,
                negative: absolute(negative)?,
            },
        })
    }
}

fn differences(buckets: &Buckets<i64>) -> Option<Vec<Bucket>> {
    let mut count = 0i64;
    let counted = |(index, difference): (i32, &i64)| {
        count = count.saturating_add(*difference);
        (i64::from(index), u64::try_from(count).unwrap_or(0))
    };
    buckets.is_consistent().then(|| buckets.iter().map(counted).collect())
}

fn absolute(buckets: &Buckets<f64>) -> Option<Vec<Bucket>> {
    buckets.is_consistent().then(|| buckets.iter().map(|(index, count)| (i64::from(index), *count as u64)).collect())
}

/// An exponential histogram; `None` if its buckets are no buckets.
pub(super) fn exponential(histogram: &Histogram) -> Option<ExponentialHistogramDataPoint> {
    let parts = Parts::of(histogram)?;
    // Prometheus numbers buckets by their upper bound, OTLP by the lower one.
    let wider = |index: i64, by: u32| (index - 1) >> by.min(62);
    let width = |buckets: &[Bucket], by| match (buckets.first(), buckets.last()) {
        (Some((first, _)), Some((last, _))) => wider(*last, by) - wider(*first, by) + 1,
        _ => 0,
    };
    let mut by = 0u32;
    while width(&parts.positive, by).max(width(&parts.negative, by)) > MOST_BUCKETS {
        by += 1;
    }
    let dense = |buckets: &[Bucket]| dense(buckets.iter().map(|(index, count)| (wider(*index, by), *count)));
    Some(ExponentialHistogramDataPoint {
        scale: histogram.schema.saturating_sub_unsigned(by),
        count: parts.count,
        sum: Some(histogram.sum),
        zero_count: parts.zero,
        zero_threshold: histogram.zero_threshold,
        positive: dense(&parts.positive),
        negative: dense(&parts.negative),
        ..ExponentialHistogramDataPoint::default()
    })
}

fn dense(buckets: impl Iterator<Item = Bucket>) -> Option<Dense> {
    let mut buckets = buckets.peekable();
    let first = buckets.peek()?.0;
    let mut bucket_counts = Vec::new();
    for (index, count) in buckets {
        let at = usize::try_from(index - first).ok()?;
        if bucket_counts.len() <= at {
            bucket_counts.resize(at + 1, 0u64);
        }
        if let Some(bucket) = bucket_counts.get_mut(at) {
            *bucket = bucket.saturating_add(count);
        }
    }
    Some(Dense { offset: i32::try_from(first).ok()?, bucket_counts })
}

/// A histogram with custom buckets; `None` if its buckets are no buckets.
pub(super) fn custom(histogram: &Histogram) -> Option<HistogramDataPoint> {
    let parts = Parts::of(histogram)?;
    let mut bucket_counts = vec![0u64; histogram.custom_values.len() + 1];
    for (index, count) in parts.positive {
        let bucket = usize::try_from(index).ok().and_then(|index| bucket_counts.get_mut(index))?;
        *bucket = count;
    }
    Some(HistogramDataPoint {
        count: parts.count,
        sum: Some(histogram.sum),
        bucket_counts,
        explicit_bounds: histogram.custom_values.clone(),
        ..HistogramDataPoint::default()
    })
}
