//! Points of each type into samples.

use std::sync::Arc;

use corten_proto::otlp::metrics::AggregationTemporality;
use corten_signal::labels::{Builder, Labels, NAME};
use corten_signal::otlp::views::{ExemplarView, MetricData, MetricType, NumberView, PointView};
use corten_signal::samples::{Exemplar, Histogram, Metadata, RowExemplar, STALE, Sample, SampleValue};
use tokio::time::Instant;

use super::arguments::OtlpToSamplesArguments;
use super::cumulate::Sums;
use super::native::{Exponential, custom, empty};
use super::state::State;

/// A histogram with given buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Classic {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) counts: Vec<u64>,
    pub(super) bounds: Vec<f64>,
}

impl Classic {
    fn of(point: &PointView<'_>) -> Self {
        Self {
            count: point.count().unwrap_or(0),
            sum: point.sum(),
            counts: point.bucket_counts().collect(),
            bounds: point.explicit_bounds().collect(),
        }
    }

    /// Adds another with the same buckets; `false` if it has others.
    pub(super) fn add(&mut self, other: &Self) -> bool {
        if self.bounds != other.bounds || self.counts.len() != other.counts.len() {
            return false;
        }
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.zip(other.sum).map(|(one, more)| one + more);
        self.counts.iter_mut().zip(&other.counts).for_each(|(one, more)| *one = one.saturating_add(*more));
        true
    }

    /// Upper bounds, rising, and how much is at most that, without the last that holds all.
    fn cumulative(&self) -> Vec<(f64, u64)> {
        let mut buckets: Vec<_> = self
            .bounds
            .iter()
            .copied()
            .zip(self.counts.iter().copied())
            .filter(|(bound, _)| bound.is_finite())
            .collect();
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut sum = 0u64;
        for (_, count) in &mut buckets {
            sum = sum.saturating_add(*count);
            *count = sum;
        }
        buckets
    }
}

/// What was left out, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    /// Points of sums and histograms whose temporality Prometheus does not have.
    pub(crate) temporality: u64,
    /// Samples older than the last of their series.
    pub(crate) old: u64,
    /// Points of histograms that cannot be native ones.
    pub(crate) shape: u64,
    /// Differences for whose sums there was no room.
    pub(crate) full: u64,
}

/// Samples in the making.
pub(super) struct Writer<'c> {
    pub(super) args: &'c OtlpToSamplesArguments,
    pub(super) state: &'c mut State,
    pub(super) now: Instant,
    pub(super) rows: Vec<Sample>,
    pub(super) exemplars: Vec<RowExemplar>,
    pub(super) drops: Drops,
}

/// A metric under its name in Prometheus.
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) metadata: Option<Arc<Metadata>>,
    pub(super) data: MetricData<'a>,
}

/// What all samples of a point have.
struct At {
    time: u64,
    /// Milliseconds; 0 if it does not count from somewhere.
    start: i64,
    stale: bool,
}

const NO_RECORDED_VALUE: u32 = 1;

fn milliseconds(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX)
}

fn number(value: Option<NumberView>) -> f64 {
    match value {
        Some(NumberView::Double(number)) => number,
        Some(NumberView::Int(number)) => number as f64,
        None => 0.0,
    }
}

impl Writer<'_> {
    /// Adds a sample of a series; its row, unless it is too old. `counts`: it is a counter, or part of one.
    fn put(&mut self, labels: Labels, metric: &Metric<'_>, at: &At, value: SampleValue, counts: bool) -> Option<u32> {
        let labels = self.state.shared(&labels).unwrap_or(labels);
        let timestamp = milliseconds(at.time);
        let start = if counts { at.start } else { 0 };
        let row = |timestamp, start, value| Sample {
            labels: labels.clone(),
            timestamp,
            start,
            value,
            metadata: metric.metadata.clone(),
        };
        let begins = self.args.start_timestamp_zero_ingestion && start > 0 && start < timestamp;
        if begins && self.state.zero_is_due(&labels, start, self.now) {
            let zero = match &value {
                SampleValue::Float(_) => SampleValue::Float(0.0),
                SampleValue::Histogram(histogram) => SampleValue::Histogram(Arc::new(empty(histogram))),
            };
            self.rows.push(row(start, start, zero));
        }
        if !self.state.is_in_order(&labels, at.time, self.now) {
            self.drops.old += 1;
            return None;
        }
        self.rows.push(row(timestamp, start, value));
        u32::try_from(self.rows.len() - 1).ok()
    }

    fn float(&mut self, labels: Labels, metric: &Metric<'_>, at: &At, value: f64, counts: bool) -> Option<u32> {
        let value = if at.stale { STALE } else { value };
        self.put(labels, metric, at, SampleValue::Float(value), counts)
    }

    fn exemplar(&mut self, row: Option<u32>, exemplar: &ExemplarView<'_>) {
        let Some((row, labels)) =
            row.and_then(|row| Some((row, self.rows.get(usize::try_from(row).ok()?)?.labels.clone())))
        else {
            return;
        };
        let time = exemplar.time_unix_nano();
        if !self.state.exemplar_is_in_order(&labels, time, self.now) {
            return;
        }
        let ids = [("trace_id", exemplar.trace_id()), ("span_id", exemplar.span_id())];
        let ids = ids.into_iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| (name, id.to_string()));
        let (labels, value) = (Labels::from_pairs(ids), number(exemplar.value()));
        let exemplar = Exemplar { labels, value, timestamp: milliseconds(time) };
        self.exemplars.push(RowExemplar { row, exemplar });
    }

    fn exemplars(&mut self, row: Option<u32>, point: &PointView<'_>) {
        point.exemplars().for_each(|exemplar| self.exemplar(row, &exemplar));
    }

    /// Adds a point. `labels` are those of all its series.
    pub(super) fn point(&mut self, metric: &Metric<'_>, point: &PointView<'_>, labels: Builder<'_>) {
        let mut at = At {
            time: point.time_unix_nano(),
            start: milliseconds(point.start_time_unix_nano()),
            stale: point.flags() & NO_RECORDED_VALUE != 0,
        };
        match metric.data.metric_type() {
            MetricType::Gauge => {
                let labels = named(labels, metric.name);
                self.float(labels, metric, &at, number(point.value()), false);
            }
            MetricType::Sum => self.sum(metric, point, named(labels, metric.name), &mut at),
            MetricType::Histogram => {
                let classic =
                    match self.delta(metric, point, &labels, &mut at, |sums| sums.classic(point, Classic::of(point))) {
                        Summed::NotNeeded => Classic::of(point),
                        Summed::Sum(sum) => sum,
                        Summed::Nothing => return,
                    };
                match self.args.convert_classic_histograms_to_nhcb {
                    true => {
                        let native = custom(&classic, &classic.bounds, at.stale);
                        self.native(metric, point, labels, &at, native);
                    }
                    false => self.classic(metric, point, labels, &at, &classic),
                }
            }
            MetricType::ExponentialHistogram => {
                let summed = self.delta(metric, point, &labels, &mut at, |sums| sums.exponential(point));
                let exponential = match summed {
                    Summed::NotNeeded => Exponential::of(point),
                    Summed::Sum(sum) => sum,
                    Summed::Nothing => return,
                };
                self.native(metric, point, labels, &at, exponential.to_native(at.stale));
            }
            MetricType::Summary => self.summary(metric, point, labels, &at),
        }
    }

    fn sum(&mut self, metric: &Metric<'_>, point: &PointView<'_>, labels: Labels, at: &mut At) {
        let is_counter = metric.data.is_monotonic();
        let mut value = number(point.value());
        let is_delta = metric.data.temporality() == Some(AggregationTemporality::Delta);
        if is_delta && at.stale {
            self.state.end(&labels);
        } else if is_delta {
            match self.add_up(point, &labels, at, |sums| sums.number(point, value)) {
                Some(sum) => value = sum,
                None => return,
            }
        }
        let row = self.float(labels, metric, at, value, is_counter);
        if is_counter {
            self.exemplars(row, point);
        }
    }

    /// Adds a histogram of delta temporality to those before.
    fn delta<T>(
        &mut self,
        metric: &Metric<'_>,
        point: &PointView<'_>,
        labels: &Builder<'_>,
        at: &mut At,
        add: impl FnOnce(&mut Sums) -> Option<T>,
    ) -> Summed<T> {
        if metric.data.temporality() != Some(AggregationTemporality::Delta) {
            return Summed::NotNeeded;
        }
        let labels = named(labels.clone(), metric.name);
        if at.stale {
            self.state.end(&labels);
            return Summed::NotNeeded;
        }
        self.add_up(point, &labels, at, add).map_or(Summed::Nothing, Summed::Sum)
    }

    fn add_up<T>(
        &mut self,
        point: &PointView<'_>,
        labels: &Labels,
        at: &mut At,
        add: impl FnOnce(&mut Sums) -> Option<T>,
    ) -> Option<T> {
        let Some(sums) = self.state.sums(labels, self.now, Sums::memory(point), Sums::new) else {
            self.drops.full += 1;
            return None;
        };
        let sum = add(sums);
        at.start = milliseconds(sums.start);
        self.drops.old += u64::from(sum.is_none());
        sum
    }

    fn native(
        &mut self,
        metric: &Metric<'_>,
        point: &PointView<'_>,
        labels: Builder<'_>,
        at: &At,
        histogram: Option<Histogram>,
    ) {
        let Some(histogram) = histogram else {
            self.drops.shape += 1;
            return;
        };
        let value = SampleValue::Histogram(Arc::new(histogram));
        let row = self.put(named(labels, metric.name), metric, at, value, true);
        self.exemplars(row, point);
    }

    fn classic<'l>(
        &mut self,
        metric: &Metric<'_>,
        point: &PointView<'_>,
        mut labels: Builder<'l>,
        at: &At,
        classic: &Classic,
    ) {
        let mut with = |suffix: &str, le: Option<String>| {
            labels.set(NAME, format!("{}{suffix}", metric.name));
            if let Some(le) = le {
                labels.set("le", le);
            }
            labels.build()
        };
        let sum = with("_sum", None);
        if let Some(value) = classic.sum {
            self.float(sum, metric, at, value, true);
        } else if at.stale && self.state.shared(&sum).is_some() {
            // A point without a value has no sum, but the series that there was ends too.
            self.float(sum, metric, at, STALE, true);
        }
        self.float(with("_count", None), metric, at, classic.count as f64, true);
        let mut exemplars: Vec<_> = point.exemplars().collect();
        exemplars.sort_by(|one, other| number(one.value()).total_cmp(&number(other.value())));
        let mut exemplars = exemplars.into_iter().peekable();
        for (bound, count) in classic.cumulative() {
            let row = self.float(with("_bucket", Some(bound.to_string())), metric, at, count as f64, true);
            while let Some(exemplar) = exemplars.next_if(|exemplar| number(exemplar.value()) < bound) {
                self.exemplar(row, &exemplar);
            }
        }
        let row = self.float(with("_bucket", Some("+Inf".to_owned())), metric, at, classic.count as f64, true);
        exemplars.for_each(|exemplar| self.exemplar(row, &exemplar));
    }

    fn summary(&mut self, metric: &Metric<'_>, point: &PointView<'_>, mut labels: Builder<'_>, at: &At) {
        let sums = [("_sum", point.sum().unwrap_or(0.0)), ("_count", point.count().unwrap_or(0) as f64)];
        for (suffix, value) in sums {
            labels.set(NAME, format!("{}{suffix}", metric.name));
            self.float(labels.build(), metric, at, value, true);
        }
        labels.set(NAME, metric.name.to_owned());
        for (quantile, value) in point.quantiles() {
            labels.set("quantile", quantile.to_string());
            self.float(labels.build(), metric, at, value, false);
        }
    }
}

/// A point of differences, added up.
enum Summed<T> {
    /// It was cumulative already.
    NotNeeded,
    Sum(T),
    /// It is old, or has no room.
    Nothing,
}

fn named(mut labels: Builder<'_>, name: &str) -> Labels {
    labels.set(NAME, name.to_owned());
    labels.build()
}
