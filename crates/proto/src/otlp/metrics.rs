//! `opentelemetry.proto.metrics.v1`.

use super::common::{InstrumentationScope, KeyValue};
use super::resource::Resource;

/// Metrics of one resource.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResourceMetrics {
    /// Who produced them.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// The metrics by scope.
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
    /// The schema of the resource.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// Metrics of one scope.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ScopeMetrics {
    /// The library that made them.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    /// The metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    /// The schema of scope and metrics.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// A named measurement with its points.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Metric {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it measures.
    #[prost(string, tag = "2")]
    pub description: String,
    /// Its unit (UCUM).
    #[prost(string, tag = "3")]
    pub unit: String,
    /// More about the metric itself.
    #[prost(message, repeated, tag = "12")]
    pub metadata: Vec<KeyValue>,
    /// Its type and points.
    #[prost(oneof = "metric::Data", tags = "5, 7, 9, 10, 11")]
    pub data: Option<metric::Data>,
}

/// Parts of [`Metric`].
pub mod metric {
    /// The type of a metric, with its points.
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Data {
        /// A value as it is now.
        #[prost(message, tag = "5")]
        Gauge(super::Gauge),
        /// A sum over time.
        #[prost(message, tag = "7")]
        Sum(super::Sum),
        /// A distribution in given buckets.
        #[prost(message, tag = "9")]
        Histogram(super::Histogram),
        /// A distribution in exponential buckets.
        #[prost(message, tag = "10")]
        ExponentialHistogram(super::ExponentialHistogram),
        /// A distribution as quantiles, from older systems.
        #[prost(message, tag = "11")]
        Summary(super::Summary),
    }
}

/// A value as it is now.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Gauge {
    /// The points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
}

/// A sum over time.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Sum {
    /// The points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
    /// Since when a point counts.
    #[prost(enumeration = "AggregationTemporality", tag = "2")]
    pub aggregation_temporality: i32,
    /// Whether it never falls.
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}

/// A distribution in given buckets.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Histogram {
    /// The points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<HistogramDataPoint>,
    /// Since when a point counts.
    #[prost(enumeration = "AggregationTemporality", tag = "2")]
    pub aggregation_temporality: i32,
}

/// A distribution in exponential buckets.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExponentialHistogram {
    /// The points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<ExponentialHistogramDataPoint>,
    /// Since when a point counts.
    #[prost(enumeration = "AggregationTemporality", tag = "2")]
    pub aggregation_temporality: i32,
}

/// A distribution as quantiles.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Summary {
    /// The points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<SummaryDataPoint>,
}

/// Since when a point of a sum or histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum AggregationTemporality {
    /// Not said; not to be used.
    Unspecified = 0,
    /// Since the last report.
    Delta = 1,
    /// Since a fixed start.
    Cumulative = 2,
}

/// A point of a gauge or sum.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct NumberDataPoint {
    /// Attributes.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    /// Start of the interval, nanoseconds since 1970; 0 is unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// End of the interval, nanoseconds since 1970.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// Raw measurements.
    #[prost(message, repeated, tag = "5")]
    pub exemplars: Vec<Exemplar>,
    /// Bit 0: no value was recorded.
    #[prost(uint32, tag = "8")]
    pub flags: u32,
    /// The value.
    #[prost(oneof = "number_data_point::Value", tags = "4, 6")]
    pub value: Option<number_data_point::Value>,
}

/// Parts of [`NumberDataPoint`].
pub mod number_data_point {
    /// The value of a point.
    #[derive(Clone, Copy, PartialEq, ::prost::Oneof)]
    pub enum Value {
        /// A floating point number.
        #[prost(double, tag = "4")]
        AsDouble(f64),
        /// An integer.
        #[prost(sfixed64, tag = "6")]
        AsInt(i64),
    }
}

/// A point of a histogram.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistogramDataPoint {
    /// Attributes.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// Start of the interval, nanoseconds since 1970; 0 is unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// End of the interval, nanoseconds since 1970.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The number of measurements.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// Their sum.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// Measurements by bucket; one more than the bounds.
    #[prost(fixed64, repeated, tag = "6")]
    pub bucket_counts: Vec<u64>,
    /// Upper bounds of the buckets, inclusive, rising.
    #[prost(double, repeated, tag = "7")]
    pub explicit_bounds: Vec<f64>,
    /// Raw measurements.
    #[prost(message, repeated, tag = "8")]
    pub exemplars: Vec<Exemplar>,
    /// Bit 0: no value was recorded.
    #[prost(uint32, tag = "10")]
    pub flags: u32,
    /// The least measurement.
    #[prost(double, optional, tag = "11")]
    pub min: Option<f64>,
    /// The greatest measurement.
    #[prost(double, optional, tag = "12")]
    pub max: Option<f64>,
}

/// A point of an exponential histogram.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExponentialHistogramDataPoint {
    /// Attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    /// Start of the interval, nanoseconds since 1970; 0 is unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// End of the interval, nanoseconds since 1970.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The number of measurements.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// Their sum.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// The base of the buckets is 2^(2^-scale).
    #[prost(sint32, tag = "6")]
    pub scale: i32,
    /// Measurements around zero.
    #[prost(fixed64, tag = "7")]
    pub zero_count: u64,
    /// Buckets of positive measurements.
    #[prost(message, optional, tag = "8")]
    pub positive: Option<exponential_histogram_data_point::Buckets>,
    /// Buckets of negative measurements.
    #[prost(message, optional, tag = "9")]
    pub negative: Option<exponential_histogram_data_point::Buckets>,
    /// Bit 0: no value was recorded.
    #[prost(uint32, tag = "10")]
    pub flags: u32,
    /// Raw measurements.
    #[prost(message, repeated, tag = "11")]
    pub exemplars: Vec<Exemplar>,
    /// The least measurement.
    #[prost(double, optional, tag = "12")]
    pub min: Option<f64>,
    /// The greatest measurement.
    #[prost(double, optional, tag = "13")]
    pub max: Option<f64>,
    /// The width of the zero bucket to either side.
    #[prost(double, tag = "14")]
    pub zero_threshold: f64,
}

/// Parts of [`ExponentialHistogramDataPoint`].
pub mod exponential_histogram_data_point {
    /// Consecutive buckets.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Buckets {
        /// The index of the first bucket.
        #[prost(sint32, tag = "1")]
        pub offset: i32,
        /// Measurements by bucket.
        #[prost(uint64, repeated, tag = "2")]
        pub bucket_counts: Vec<u64>,
    }
}

/// A point of a summary.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SummaryDataPoint {
    /// Attributes.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    /// Start of the interval, nanoseconds since 1970; 0 is unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// End of the interval, nanoseconds since 1970.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The number of measurements.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// Their sum.
    #[prost(double, tag = "5")]
    pub sum: f64,
    /// Values at quantiles.
    #[prost(message, repeated, tag = "6")]
    pub quantile_values: Vec<summary_data_point::ValueAtQuantile>,
    /// Bit 0: no value was recorded.
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

/// Parts of [`SummaryDataPoint`].
pub mod summary_data_point {
    /// The value that a share of measurements does not exceed.
    #[derive(Clone, Copy, PartialEq, ::prost::Message)]
    pub struct ValueAtQuantile {
        /// The share, 0 to 1.
        #[prost(double, tag = "1")]
        pub quantile: f64,
        /// The value.
        #[prost(double, tag = "2")]
        pub value: f64,
    }
}

/// A raw measurement, with the span in which it was made.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Exemplar {
    /// Attributes that the point left out.
    #[prost(message, repeated, tag = "7")]
    pub filtered_attributes: Vec<KeyValue>,
    /// When, nanoseconds since 1970.
    #[prost(fixed64, tag = "2")]
    pub time_unix_nano: u64,
    /// 8 bytes or none.
    #[prost(bytes = "vec", tag = "4")]
    pub span_id: Vec<u8>,
    /// 16 bytes or none.
    #[prost(bytes = "vec", tag = "5")]
    pub trace_id: Vec<u8>,
    /// The value.
    #[prost(oneof = "exemplar::Value", tags = "3, 6")]
    pub value: Option<exemplar::Value>,
}

/// Parts of [`Exemplar`].
pub mod exemplar {
    /// The value measured.
    #[derive(Clone, Copy, PartialEq, ::prost::Oneof)]
    pub enum Value {
        /// A floating point number.
        #[prost(double, tag = "3")]
        AsDouble(f64),
        /// An integer.
        #[prost(sfixed64, tag = "6")]
        AsInt(i64),
    }
}
