//! Classic histograms made into native ones with buckets of their own.
//!
//! The series of a classic histogram follow each other; they are collected until another begins, and then told as one.

use corten_signal::labels::Labels;
use corten_signal::samples::{Buckets, CUSTOM_BUCKETS, Counts, Exemplar, Histogram, MetricKind, ResetHint, Span};

use super::family::{Part, part};
use super::{About, Family, HistogramOptions, ParseError, Point, Series, Sink, Value, parse_float};
use crate::histogram::compact;

/// The counts of a classic histogram as they are collected.
#[derive(Debug, Default)]
pub(super) struct Classic {
    /// Upper boundary and cumulative count, sorted.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    broken: bool,
}

impl Classic {
    pub(super) fn bucket(&mut self, bound: f64, count: f64) {
        if bound.is_nan() || count < 0.0 {
            self.broken = true;
            return;
        }
        let at = self.buckets.partition_point(|(known, _)| *known < bound);
        // A second bucket of the same boundary is ignored.
        if self.buckets.get(at).is_some_and(|(known, _)| *known == bound) {
            return;
        }
        let below = at.checked_sub(1).and_then(|at| self.buckets.get(at)).is_some_and(|(_, less)| count < *less);
        let above = self.buckets.get(at).is_some_and(|(_, more)| count > *more);
        self.broken |= below || above;
        self.buckets.insert(at, (bound, count));
    }

    pub(super) fn count(&mut self, count: f64) {
        self.broken |= count < 0.0;
        self.count = Some(count);
    }

    pub(super) fn sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// The native histogram; `None` if the counts contradict each other.
    pub(super) fn convert(mut self) -> Option<Histogram> {
        let last = self.buckets.last().copied();
        let count = self.count.or(last.map(|(_, count)| count)).unwrap_or_default();
        if self.broken || count.is_nan() {
            return None;
        }
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        if self.buckets.last().is_none_or(|(_, all)| *all != count) {
            return None;
        }
        let custom_values: Vec<f64> = self.buckets[..self.buckets.len() - 1].iter().map(|(bound, _)| *bound).collect();
        if custom_values.iter().any(|bound| bound.is_infinite()) {
            return None;
        }
        let spans = vec![Span { offset: 0, length: u32::try_from(self.buckets.len()).ok()? }];
        let whole = |count: f64| count.round() == count && count < 9e15;
        let mut below = 0.0;
        let singles = self.buckets.iter().map(|(_, count)| count - std::mem::replace(&mut below, *count));
        let counts = if self.buckets.iter().all(|(_, count)| whole(*count)) {
            let mut before = 0;
            let values = singles.map(|count| count as i64 - std::mem::replace(&mut before, count as i64)).collect();
            Counts::Integer {
                count: count as u64,
                zero: 0,
                positive: Buckets { spans, values },
                negative: Buckets::default(),
            }
        } else {
            let positive = Buckets { spans, values: singles.collect() };
            Counts::Float { count, zero: 0.0, positive, negative: Buckets::default() }
        };
        let kept = if matches!(counts, Counts::Integer { .. }) { 2 } else { 0 };
        let histogram = Histogram {
            schema: CUSTOM_BUCKETS,
            zero_threshold: 0.0,
            sum: self.sum,
            counts,
            custom_values,
            reset_hint: ResetHint::Unknown,
        };
        Some(compact(histogram, kept))
    }
}

/// A sink that converts on the way to another.
pub struct Converting<'s, S> {
    to: &'s mut S,
    options: HistogramOptions,
    family: Family,
    group: Option<Group>,
}

/// A histogram that is being collected.
struct Group {
    /// Labels without `le`; the name is the base name.
    labels: Labels,
    classic: Classic,
    timestamp: Option<i64>,
    start: i64,
    exemplars: Vec<Exemplar>,
}

impl<'s, S: Sink> Converting<'s, S> {
    /// To this sink.
    pub fn new(to: &'s mut S, options: HistogramOptions) -> Self {
        Self { to, options, family: Family::default(), group: None }
    }

    /// Tells what has been collected last.
    ///
    /// # Errors
    /// What the sink says.
    pub fn finish(&mut self) -> Result<(), ParseError> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let Some(histogram) = group.classic.convert() else { return Ok(()) };
        // Its key cannot be one of a text format, which has no such byte outside of quotes.
        let key = format!("\0{}", group.labels);
        let name = group.labels.name();
        let labels: Vec<(&[u8], &[u8])> = group
            .labels
            .iter()
            .filter(|(label, _)| *label != corten_signal::labels::NAME)
            .map(|(label, value)| (label.as_bytes(), value.as_bytes()))
            .collect();
        self.to.sample(Point {
            key: key.as_bytes(),
            series: Some(Series { name: name.as_bytes(), labels: &labels, escaped: false }),
            timestamp: group.timestamp,
            start: group.start,
            value: Value::Histogram(Box::new(histogram)),
            exemplars: group.exemplars,
        })
    }

    /// Whether a point says since when the histogram counts that is being collected. It stands among the histogram's
    /// series and ends nothing.
    fn begins(&mut self, point: &Point<'_>) -> Result<bool, ParseError> {
        let (Some(series), Value::Float(seconds), Some(group)) = (point.series, &point.value, &mut self.group) else {
            return Ok(false);
        };
        let name = series.plain_name()?;
        let Some(base) = name.strip_suffix("_created").filter(|base| *base == group.labels.name()) else {
            return Ok(false);
        };
        let mut labels = series.plain_labels(MetricKind::Unknown)?;
        labels.push((corten_signal::labels::NAME.into(), base.into()));
        let same = Labels::from_pairs(labels) == group.labels;
        if same && self.options.starts {
            group.start = (seconds * 1000.0) as i64;
        }
        Ok(same)
    }

    /// Takes a point up if it is part of a classic histogram.
    fn collect(&mut self, point: &mut Point<'_>) -> Result<bool, ParseError> {
        let (Some(series), Value::Float(value)) = (point.series, &point.value) else { return Ok(false) };
        let name = series.plain_name()?;
        let Some((part, base)) = part(&name).filter(|(_, base)| *base == self.family.name) else { return Ok(false) };
        if self.family.kind != MetricKind::Histogram {
            return Ok(false);
        }
        let mut labels = series.plain_labels(MetricKind::Histogram)?;
        let bound = labels.iter().position(|(label, _)| label == "le").map(|at| labels.remove(at).1);
        let bound = bound.and_then(|text| parse_float(text.as_bytes())).filter(|bound| !bound.is_nan());
        if part == Part::Bucket && bound.is_none() {
            return Ok(false);
        }
        labels.push((corten_signal::labels::NAME.into(), base.into()));
        let labels = Labels::from_pairs(labels);
        if self.group.as_ref().is_some_and(|group| group.labels != labels) {
            self.finish()?;
        }
        let group = self.group.get_or_insert_with(|| Group {
            labels,
            classic: Classic::default(),
            timestamp: point.timestamp,
            start: point.start,
            exemplars: Vec::new(),
        });
        match (part, bound) {
            (Part::Bucket, Some(bound)) => group.classic.bucket(bound, *value),
            (Part::Count, _) => group.classic.count(*value),
            (Part::Sum, _) => group.classic.sum(*value),
            (Part::Bucket, None) => {}
        }
        group.exemplars.append(&mut point.exemplars);
        Ok(true)
    }
}

impl<S: Sink> Sink for Converting<'_, S> {
    fn about(&mut self, family: &str, about: About<'_>) -> Result<(), ParseError> {
        self.finish()?;
        self.family.learn(family, about);
        self.to.about(family, about)
    }

    fn expects(&mut self, _: &[u8]) -> usize {
        0
    }

    fn sample(&mut self, mut point: Point<'_>) -> Result<(), ParseError> {
        if self.begins(&point)? {
            return if self.options.starts { Ok(()) } else { self.to.sample(point) };
        }
        if self.collect(&mut point)? {
            return if self.options.keep_classic { self.to.sample(point) } else { Ok(()) };
        }
        self.finish()?;
        self.to.sample(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classic(buckets: &[(f64, f64)], count: Option<f64>) -> Option<Histogram> {
        let mut classic = Classic::default();
        buckets.iter().for_each(|(bound, count)| classic.bucket(*bound, *count));
        if let Some(count) = count {
            classic.count(count);
        }
        classic.convert()
    }

    #[test]
    fn cumulative_counts_become_single_ones() {
        let histogram = classic(&[(1.0, 2.0), (2.0, 5.0), (f64::INFINITY, 6.0)], Some(6.0)).unwrap();
        assert_eq!(histogram.custom_values, [1.0, 2.0]);
        let Counts::Integer { count, positive, .. } = histogram.counts else { panic!("whole counts") };
        assert_eq!((count, positive.values), (6, vec![2, 1, -2]));
    }

    #[test]
    fn what_is_missing_is_filled_in_and_what_contradicts_is_left_out() {
        assert_eq!(classic(&[(1.0, 2.0)], Some(5.0)).unwrap().count(), 5.0);
        assert_eq!(classic(&[(1.0, 2.0), (2.0, 3.0)], None).unwrap().count(), 3.0);
        assert_eq!(classic(&[(1.0, 2.0), (1.0, 9.0)], None).unwrap().count(), 2.0);
        assert_eq!(classic(&[(1.0, 0.5)], Some(1.5)).unwrap().count(), 1.5);
        assert!(classic(&[(1.0, 2.0), (2.0, 1.0)], None).is_none());
        assert!(classic(&[(1.0, -1.0)], None).is_none());
        assert!(classic(&[(f64::INFINITY, 3.0)], Some(4.0)).is_none());
        assert!(classic(&[(f64::NAN, 3.0)], None).is_none());
    }
}
