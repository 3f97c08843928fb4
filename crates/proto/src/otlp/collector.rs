//! The collector services: `opentelemetry.proto.collector.{trace,metrics,logs}.v1` and `.profiles.v1development`.

use super::logs::ResourceLogs;
use super::metrics::ResourceMetrics;
use super::profiles::{ProfilesDictionary, ResourceProfiles};
use super::trace::ResourceSpans;

/// A request to take traces.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportTraceServiceRequest {
    /// The data by resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

/// The answer to a request to take traces.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportTraceServiceResponse {
    /// Set if something was rejected, or if there is a warning.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<ExportTracePartialSuccess>,
}

/// What of the traces was not taken.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportTracePartialSuccess {
    /// How many items; they must not be sent again.
    #[prost(int64, tag = "1")]
    pub rejected_spans: i64,
    /// For people; with nothing rejected, a warning.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// A request to take metrics.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportMetricsServiceRequest {
    /// The data by resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}

/// The answer to a request to take metrics.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportMetricsServiceResponse {
    /// Set if something was rejected, or if there is a warning.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<ExportMetricsPartialSuccess>,
}

/// What of the metrics was not taken.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportMetricsPartialSuccess {
    /// How many items; they must not be sent again.
    #[prost(int64, tag = "1")]
    pub rejected_data_points: i64,
    /// For people; with nothing rejected, a warning.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// A request to take logs.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportLogsServiceRequest {
    /// The data by resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_logs: Vec<ResourceLogs>,
}

/// The answer to a request to take logs.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportLogsServiceResponse {
    /// Set if something was rejected, or if there is a warning.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<ExportLogsPartialSuccess>,
}

/// What of the logs was not taken.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportLogsPartialSuccess {
    /// How many items; they must not be sent again.
    #[prost(int64, tag = "1")]
    pub rejected_log_records: i64,
    /// For people; with nothing rejected, a warning.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// A request to take profiles.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportProfilesServiceRequest {
    /// The data by resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_profiles: Vec<ResourceProfiles>,
    /// The tables that the profiles refer to.
    #[prost(message, optional, tag = "2")]
    pub dictionary: Option<ProfilesDictionary>,
}

/// The answer to a request to take profiles.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportProfilesServiceResponse {
    /// Set if something was rejected, or if there is a warning.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<ExportProfilesPartialSuccess>,
}

/// What of the profiles was not taken.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportProfilesPartialSuccess {
    /// How many items; they must not be sent again.
    #[prost(int64, tag = "1")]
    pub rejected_profiles: i64,
    /// For people; with nothing rejected, a warning.
    #[prost(string, tag = "2")]
    pub error_message: String,
}
