//! Package `io.prometheus.write.v2`: remote write 2.0.

pub use super::v1::{BucketSpan, Histogram, MetricType};

/// What one request writes.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Request {
    /// All strings of the request; the first is empty.
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    /// Values, by series.
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeries>,
}

/// A series and some of its values.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TimeSeries {
    /// Name and value of each label, sorted by name, as indices into [`Request::symbols`].
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// Numbers, in order of time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Native histograms, in order of time.
    #[prost(message, repeated, tag = "3")]
    pub histograms: Vec<Histogram>,
    /// Examples of what was counted.
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<Exemplar>,
    /// What its family is.
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
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
    /// Since when it counts, in milliseconds since 1970; 0 if that is not known.
    #[prost(int64, tag = "3")]
    pub start_timestamp: i64,
}

/// An example of what was counted.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Exemplar {
    /// Name and value of each label, as indices into [`Request::symbols`].
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// The value that was observed.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// What a metric family is.
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct Metadata {
    /// Its type.
    #[prost(enumeration = "MetricType", tag = "1")]
    pub r#type: i32,
    /// What it counts, as an index into [`Request::symbols`].
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    /// Its unit, as an index into [`Request::symbols`].
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}
