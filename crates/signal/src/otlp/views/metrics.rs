//! Metrics and their points.

use corten_proto::otlp::metrics::AggregationTemporality;

use super::{AttributeView, Body, Hex, ValueView, fields};

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct MetricView<'a>(pub(super) Body<'a>);

impl<'a> MetricView<'a> {
    fields! {
        /// Its name.
        name: text 1,
        /// What it measures.
        description: text 2,
        /// Its unit (UCUM).
        unit: text 3,
        /// More about the metric itself.
        metadata: attributes 12,
    }

    /// Its type and points; `None` if it has neither.
    pub fn data(&self) -> Option<MetricData<'a>> {
        [
            MetricType::Gauge,
            MetricType::Sum,
            MetricType::Histogram,
            MetricType::ExponentialHistogram,
            MetricType::Summary,
        ]
        .into_iter()
        .find_map(|ty| self.0.message(ty as u32).map(|body| MetricData { ty, body }))
    }
}

/// The type of a metric. Its number is that of the field in the message `Metric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricType {
    /// A value as it is now.
    Gauge = 5,
    /// A sum over time.
    Sum = 7,
    /// A distribution in given buckets.
    Histogram = 9,
    /// A distribution in exponential buckets.
    ExponentialHistogram = 10,
    /// A distribution as quantiles.
    Summary = 11,
}

impl MetricType {
    /// The name, as in `ExponentialHistogram`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauge => "Gauge",
            Self::Sum => "Sum",
            Self::Histogram => "Histogram",
            Self::ExponentialHistogram => "ExponentialHistogram",
            Self::Summary => "Summary",
        }
    }
}

/// Type and points of a metric.
#[derive(Debug, Clone, Copy)]
pub struct MetricData<'a> {
    ty: MetricType,
    body: Body<'a>,
}

impl<'a> MetricData<'a> {
    /// The type.
    pub fn metric_type(&self) -> MetricType {
        self.ty
    }

    /// Since when a point counts; `None` for gauges and summaries, which do not say.
    pub fn temporality(&self) -> Option<AggregationTemporality> {
        match self.ty {
            MetricType::Gauge | MetricType::Summary => None,
            _ => AggregationTemporality::try_from(self.body.number(2) as i32).ok(),
        }
    }

    /// Whether it is a sum that never falls.
    pub fn is_monotonic(&self) -> bool {
        self.ty == MetricType::Sum && self.body.number(3) != 0
    }

    /// The points.
    pub fn points(&self) -> impl Iterator<Item = PointView<'a>> + use<'a> {
        let ty = self.ty;
        self.body.each(1).map(move |body| PointView { ty, body })
    }
}

/// The value of a number point or exemplar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NumberView {
    /// A floating point number.
    Double(f64),
    /// An integer.
    Int(i64),
}

/// A point of a metric of any type. What the type does not have is `None` or empty.
#[derive(Debug, Clone, Copy)]
pub struct PointView<'a> {
    ty: MetricType,
    body: Body<'a>,
}

impl<'a> PointView<'a> {
    fn attributes_number(&self) -> u32 {
        match self.ty {
            MetricType::Gauge | MetricType::Sum | MetricType::Summary => 7,
            MetricType::Histogram => 9,
            MetricType::ExponentialHistogram => 1,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self.ty, MetricType::Gauge | MetricType::Sum)
    }

    /// Its attributes.
    pub fn attributes(&self) -> impl Iterator<Item = AttributeView<'a>> + Clone + use<'a> {
        self.body.attributes(self.attributes_number())
    }

    /// One attribute.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.body.attribute(self.attributes_number(), key)
    }

    /// Start of the interval, nanoseconds since 1970; 0 is unknown.
    pub fn start_time_unix_nano(&self) -> u64 {
        self.body.number(2)
    }

    /// End of the interval, nanoseconds since 1970.
    pub fn time_unix_nano(&self) -> u64 {
        self.body.number(3)
    }

    /// Bit 0: no value was recorded.
    pub fn flags(&self) -> u32 {
        let number = if matches!(self.ty, MetricType::Histogram | MetricType::ExponentialHistogram) { 10 } else { 8 };
        self.body.number(number) as u32
    }

    /// The value of a point of a gauge or sum.
    pub fn value(&self) -> Option<NumberView> {
        if !self.is_number() {
            return None;
        }
        self.body
            .double(4)
            .map(NumberView::Double)
            .or_else(|| self.body.find(6).map(|value| NumberView::Int(value.number() as i64)))
    }

    /// The number of measurements of a distribution.
    pub fn count(&self) -> Option<u64> {
        (!self.is_number()).then(|| self.body.number(4))
    }

    /// The sum of the measurements of a distribution, if it is known.
    pub fn sum(&self) -> Option<f64> {
        let sum = if self.is_number() { None } else { self.body.double(5) };
        if self.ty == MetricType::Summary { Some(sum.unwrap_or(0.0)) } else { sum }
    }

    /// The least measurement of a histogram, if it is known.
    pub fn min(&self) -> Option<f64> {
        match self.ty {
            MetricType::Histogram => self.body.double(11),
            MetricType::ExponentialHistogram => self.body.double(12),
            _ => None,
        }
    }

    /// The greatest measurement of a histogram, if it is known.
    pub fn max(&self) -> Option<f64> {
        match self.ty {
            MetricType::Histogram => self.body.double(12),
            MetricType::ExponentialHistogram => self.body.double(13),
            _ => None,
        }
    }

    fn of(&self, ty: MetricType) -> Body<'a> {
        if self.ty == ty { self.body } else { Body(&[]) }
    }

    /// Measurements by bucket of a histogram; one more than the bounds.
    pub fn bucket_counts(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.of(MetricType::Histogram).numbers(6)
    }

    /// The upper bounds of a histogram's buckets.
    pub fn explicit_bounds(&self) -> impl Iterator<Item = f64> + use<'a> {
        self.of(MetricType::Histogram).numbers(7).map(f64::from_bits)
    }

    /// The scale of an exponential histogram: the base of its buckets is 2^(2^-scale).
    pub fn scale(&self) -> i32 {
        zigzag(self.of(MetricType::ExponentialHistogram).number(6))
    }

    /// The measurements of an exponential histogram around zero.
    pub fn zero_count(&self) -> u64 {
        self.of(MetricType::ExponentialHistogram).number(7)
    }

    /// The width of an exponential histogram's zero bucket.
    pub fn zero_threshold(&self) -> f64 {
        self.of(MetricType::ExponentialHistogram).double(14).unwrap_or(0.0)
    }

    /// The positive buckets of an exponential histogram.
    pub fn positive(&self) -> BucketsView<'a> {
        BucketsView(self.of(MetricType::ExponentialHistogram).message(8).unwrap_or(Body(&[])))
    }

    /// The negative buckets of an exponential histogram.
    pub fn negative(&self) -> BucketsView<'a> {
        BucketsView(self.of(MetricType::ExponentialHistogram).message(9).unwrap_or(Body(&[])))
    }

    /// The quantiles of a summary: share (0 to 1) and value.
    pub fn quantiles(&self) -> impl Iterator<Item = (f64, f64)> + use<'a> {
        let pair = |body: Body<'_>| (body.double(1).unwrap_or(0.0), body.double(2).unwrap_or(0.0));
        self.of(MetricType::Summary).each(6).map(pair)
    }

    /// Raw measurements.
    pub fn exemplars(&self) -> impl Iterator<Item = ExemplarView<'a>> + use<'a> {
        let number = match self.ty {
            MetricType::Gauge | MetricType::Sum => 5,
            MetricType::Histogram => 8,
            MetricType::ExponentialHistogram => 11,
            // A number that no field has.
            MetricType::Summary => 0,
        };
        self.body.each(number).map(ExemplarView)
    }
}

fn zigzag(number: u64) -> i32 {
    let number = number as u32;
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

/// Consecutive buckets of an exponential histogram.
#[derive(Debug, Clone, Copy)]
pub struct BucketsView<'a>(Body<'a>);

impl<'a> BucketsView<'a> {
    /// The index of the first.
    pub fn offset(&self) -> i32 {
        zigzag(self.0.number(1))
    }

    /// Measurements by bucket.
    pub fn counts(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.0.varints(2)
    }
}

/// A raw measurement.
#[derive(Debug, Clone, Copy)]
pub struct ExemplarView<'a>(Body<'a>);

impl<'a> ExemplarView<'a> {
    fields! {
        /// When, nanoseconds since 1970.
        time_unix_nano: u64 2,
        /// Attributes that the point left out.
        filtered_attributes: attributes 7,
    }

    /// The value.
    pub fn value(&self) -> Option<NumberView> {
        self.0
            .double(3)
            .map(NumberView::Double)
            .or_else(|| self.0.find(6).map(|value| NumberView::Int(value.number() as i64)))
    }

    /// The span in which it was made.
    pub fn span_id(&self) -> Hex<'a> {
        Hex(self.0.bytes(4))
    }

    /// The trace in which it was made.
    pub fn trace_id(&self) -> Hex<'a> {
        Hex(self.0.bytes(5))
    }
}
