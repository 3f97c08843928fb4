//! Durations counted in buckets, given ones or exponential ones.

use std::sync::Arc;
use std::time::Duration;

use corten_proto::otlp::metrics::exponential_histogram_data_point::Buckets;
use corten_proto::otlp::metrics::{
    AggregationTemporality, ExponentialHistogram as ExponentialData, ExponentialHistogramDataPoint, Histogram,
    HistogramDataPoint, Metric, metric::Data,
};
use corten_signal::exponential::{self, ExponentialHistogram};

use crate::emit::Head;

/// How durations are counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// In buckets with these upper bounds.
    Explicit(Arc<[f64]>),
    /// In at most so many buckets that find their own bounds.
    Exponential(usize),
}

impl Shape {
    /// Buckets in a unit of so many seconds.
    pub(crate) fn explicit(buckets: &[Duration], unit: f64) -> Self {
        // Whole numbers first: 0.1 s are 100 ms, and 2 ms are 0.002 s as one writes it.
        let per_unit = unit * 1e9;
        Self::Explicit(buckets.iter().map(|bucket| bucket.as_nanos() as f64 / per_unit).collect())
    }

    pub(crate) fn empty(&self) -> Distribution {
        match self {
            Self::Explicit(bounds) => {
                Distribution::Explicit { counts: vec![0; bounds.len() + 1].into(), count: 0, sum: 0.0 }
            }
            Self::Exponential(max) => Distribution::Exponential(Box::new(ExponentialHistogram::new(*max))),
        }
    }

    /// What one takes of memory at most.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Explicit(bounds) => 8 * (bounds.len() + 1),
            Self::Exponential(max) => size_of::<ExponentialHistogram>() + 16 * max.min(&2048),
        }
    }

    /// A metric of such distributions.
    pub(crate) fn metric<'a>(
        &self,
        name: String,
        unit: &str,
        temporality: AggregationTemporality,
        points: impl Iterator<Item = (Head, &'a Distribution)>,
    ) -> Metric {
        let aggregation_temporality = temporality.into();
        let data = match self {
            Self::Explicit(bounds) => Data::Histogram(Histogram {
                data_points: points.filter_map(|(head, each)| each.explicit_point(head, bounds)).collect(),
                aggregation_temporality,
            }),
            Self::Exponential(_) => Data::ExponentialHistogram(ExponentialData {
                data_points: points.filter_map(|(head, each)| each.exponential_point(head)).collect(),
                aggregation_temporality,
            }),
        };
        Metric { name, unit: unit.to_owned(), data: Some(data), ..Metric::default() }
    }
}

/// Counted durations.
#[derive(Debug, Clone)]
pub(crate) enum Distribution {
    Explicit { counts: Box<[u64]>, count: u64, sum: f64 },
    Exponential(Box<ExponentialHistogram>),
}

impl Distribution {
    /// Counts a value `times` times; `shape` is what made this.
    pub(crate) fn observe(&mut self, shape: &Shape, value: f64, times: u64) {
        match (self, shape) {
            (Self::Explicit { counts, count, sum }, Shape::Explicit(bounds)) => {
                let bucket = bounds.partition_point(|bound| *bound < value);
                if let Some(bucket) = counts.get_mut(bucket) {
                    *bucket += times;
                    *count += times;
                    *sum += value * times as f64;
                }
            }
            (Self::Exponential(histogram), _) => histogram.observe(value, times),
            (Self::Explicit { .. }, Shape::Exponential(_)) => {}
        }
    }

    fn explicit_point(&self, head: Head, bounds: &[f64]) -> Option<HistogramDataPoint> {
        let Self::Explicit { counts, count, sum } = self else { return None };
        Some(HistogramDataPoint {
            attributes: head.attributes,
            start_time_unix_nano: head.start,
            time_unix_nano: head.time,
            exemplars: head.exemplars,
            count: *count,
            sum: Some(*sum),
            bucket_counts: counts.to_vec(),
            explicit_bounds: bounds.to_vec(),
            ..HistogramDataPoint::default()
        })
    }

    fn exponential_point(&self, head: Head) -> Option<ExponentialHistogramDataPoint> {
        let Self::Exponential(histogram) = self else { return None };
        let buckets =
            |side: &exponential::Buckets| Some(Buckets { offset: side.offset, bucket_counts: side.counts.clone() });
        let any = histogram.count > 0;
        Some(ExponentialHistogramDataPoint {
            attributes: head.attributes,
            start_time_unix_nano: head.start,
            time_unix_nano: head.time,
            exemplars: head.exemplars,
            count: histogram.count,
            sum: Some(histogram.sum),
            min: any.then_some(histogram.min),
            max: any.then_some(histogram.max),
            scale: histogram.scale(),
            zero_count: histogram.zero_count,
            positive: buckets(&histogram.positive),
            negative: buckets(&histogram.negative),
            ..ExponentialHistogramDataPoint::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let shape = Shape::explicit(&[2, 4, 1400].map(Duration::from_millis), 1.0);
        assert_eq!(shape, Shape::Explicit([0.002, 0.004, 1.4].into()));
        let mut durations = shape.empty();
        for (value, times) in [(0.002, 1), (0.0021, 2), (1.4, 1), (1.5, 3)] {
            durations.observe(&shape, value, times);
        }
        let point = durations.explicit_point(Head::default(), &[0.002, 0.004, 1.4]).unwrap();
        assert_eq!((point.bucket_counts, point.count), (vec![1, 2, 1, 3], 7));
    }

    #[test]
    fn bounds_are_in_the_unit() {
        let buckets = [Duration::from_micros(1500), Duration::from_secs(15)];
        assert_eq!(Shape::explicit(&buckets, 1e-3), Shape::Explicit([1.5, 15_000.0].into()));
    }
}
