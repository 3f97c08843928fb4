//! `google.rpc`: the error body of OTLP and the details that OTLP uses.

/// `google.protobuf.Any`: a message with its type.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Any {
    /// `type.googleapis.com/` and the full name of the message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message, encoded.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds of the same sign, below 10⁹.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `google.rpc.Status`: what an OTLP/HTTP error body holds, and gRPC's `grpc-status-details-bin`.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Status {
    /// A gRPC status code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Typed details, such as [`RetryInfo`].
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.rpc.RetryInfo`: when the sender may try again.
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct RetryInfo {
    /// The time to wait before the next attempt.
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<Duration>,
}

impl RetryInfo {
    /// The type URL under which it stands in [`Status::details`].
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.RetryInfo";
}
