//! Package `prometheus`: remote write 1.0.

/// What one request writes.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WriteRequest {
    /// Values, by series.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
    /// What metric families are.
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<MetricMetadata>,
}

/// A series and some of its values.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TimeSeries {
    /// Its labels, sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Numbers, in order of time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Examples of what was counted.
    #[prost(message, repeated, tag = "3")]
    pub exemplars: Vec<Exemplar>,
    /// Native histograms, in order of time.
    #[prost(message, repeated, tag = "4")]
    pub histograms: Vec<Histogram>,
}

/// A label.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A number at a time.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Sample {
    /// The number.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// An example of what was counted.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Exemplar {
    /// Its labels.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// The value that was observed.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// What a metric family is.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct MetricMetadata {
    /// Its type.
    #[prost(enumeration = "MetricType", tag = "1")]
    pub r#type: i32,
    /// Its name.
    #[prost(string, tag = "2")]
    pub metric_family_name: String,
    /// What it counts.
    #[prost(string, tag = "4")]
    pub help: String,
    /// Its unit.
    #[prost(string, tag = "5")]
    pub unit: String,
}

/// The types of metric families, the same in both versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum MetricType {
    /// Not said.
    Unknown = 0,
    /// Only grows.
    Counter = 1,
    /// Goes up and down.
    Gauge = 2,
    /// Counted in buckets.
    Histogram = 3,
    /// Buckets that go up and down.
    Gaugehistogram = 4,
    /// Quantiles.
    Summary = 5,
    /// Always 1.
    Info = 6,
    /// One of several states.
    Stateset = 7,
}

/// A native histogram, the same in both versions but for [`Histogram::start_timestamp`].
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Histogram {
    /// Observations, as a whole number.
    #[prost(uint64, optional, tag = "1")]
    pub count_int: Option<u64>,
    /// Observations, as a fraction.
    #[prost(double, optional, tag = "2")]
    pub count_float: Option<f64>,
    /// Their sum.
    #[prost(double, tag = "3")]
    pub sum: f64,
    /// The resolution.
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    /// The width of the zero bucket.
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    /// What is in the zero bucket, as a whole number.
    #[prost(uint64, optional, tag = "6")]
    pub zero_count_int: Option<u64>,
    /// What is in the zero bucket, as a fraction.
    #[prost(double, optional, tag = "7")]
    pub zero_count_float: Option<f64>,
    /// Where negative buckets are.
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<BucketSpan>,
    /// Their counts, each as a difference to the one before.
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    /// Their counts, as they are.
    #[prost(double, repeated, tag = "10")]
    pub negative_counts: Vec<f64>,
    /// Where positive buckets are.
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    /// Their counts, each as a difference to the one before.
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    /// Their counts, as they are.
    #[prost(double, repeated, tag = "13")]
    pub positive_counts: Vec<f64>,
    /// What is known of resets: 0 nothing, 1 it has begun anew, 2 it has not, 3 it is a gauge.
    #[prost(int32, tag = "14")]
    pub reset_hint: i32,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    /// Upper boundaries, with the schema of custom buckets.
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
    /// Since when it counts, in milliseconds since 1970; in 2.0 only.
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

/// A run of buckets.
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct BucketSpan {
    /// The distance from the end of the run before.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// How many buckets.
    #[prost(uint32, tag = "2")]
    pub length: u32,
}
