//! `opentelemetry.proto.trace.v1`.

use super::common::{InstrumentationScope, KeyValue};
use super::resource::Resource;

/// Spans of one resource.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResourceSpans {
    /// Who produced them.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// The spans by scope.
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
    /// The schema of the resource.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// Spans of one scope.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ScopeSpans {
    /// The library that made them.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    /// The spans.
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
    /// The schema of scope and spans.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// One operation within a trace.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Span {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// W3C tracestate.
    #[prost(string, tag = "3")]
    pub trace_state: String,
    /// 8 bytes, or none for a root span.
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    /// What the operation is called.
    #[prost(string, tag = "5")]
    pub name: String,
    /// Its role, see [`span::SpanKind`].
    #[prost(enumeration = "span::SpanKind", tag = "6")]
    pub kind: i32,
    /// Start, nanoseconds since 1970.
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    /// End, nanoseconds since 1970.
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    /// Attributes.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// How many attributes the sender left out.
    #[prost(uint32, tag = "10")]
    pub dropped_attributes_count: u32,
    /// Things that happened meanwhile.
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<span::Event>,
    /// How many events the sender left out.
    #[prost(uint32, tag = "12")]
    pub dropped_events_count: u32,
    /// Other spans that it relates to.
    #[prost(message, repeated, tag = "13")]
    pub links: Vec<span::Link>,
    /// How many links the sender left out.
    #[prost(uint32, tag = "14")]
    pub dropped_links_count: u32,
    /// How it ended.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
    /// W3C trace flags in bits 0-7; bit 8: bit 9 is known; bit 9: the parent is remote.
    #[prost(fixed32, tag = "16")]
    pub flags: u32,
}

/// Parts of [`Span`].
pub mod span {
    use super::KeyValue;

    /// Something that happened during a span.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Event {
        /// When, nanoseconds since 1970.
        #[prost(fixed64, tag = "1")]
        pub time_unix_nano: u64,
        /// What.
        #[prost(string, tag = "2")]
        pub name: String,
        /// Attributes.
        #[prost(message, repeated, tag = "3")]
        pub attributes: Vec<KeyValue>,
        /// How many attributes the sender left out.
        #[prost(uint32, tag = "4")]
        pub dropped_attributes_count: u32,
    }

    /// A reference to another span.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Link {
        /// 16 bytes.
        #[prost(bytes = "vec", tag = "1")]
        pub trace_id: Vec<u8>,
        /// 8 bytes.
        #[prost(bytes = "vec", tag = "2")]
        pub span_id: Vec<u8>,
        /// W3C tracestate.
        #[prost(string, tag = "3")]
        pub trace_state: String,
        /// Attributes.
        #[prost(message, repeated, tag = "4")]
        pub attributes: Vec<KeyValue>,
        /// How many attributes the sender left out.
        #[prost(uint32, tag = "5")]
        pub dropped_attributes_count: u32,
        /// As [`super::Span::flags`].
        #[prost(fixed32, tag = "6")]
        pub flags: u32,
    }

    /// The role of a span.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
    #[repr(i32)]
    pub enum SpanKind {
        /// Not said.
        Unspecified = 0,
        /// Within an application.
        Internal = 1,
        /// Answers a remote request.
        Server = 2,
        /// Makes a remote request.
        Client = 3,
        /// Sends a message.
        Producer = 4,
        /// Receives a message.
        Consumer = 5,
    }
}

/// How a span ended.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Status {
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// See [`status::StatusCode`].
    #[prost(enumeration = "status::StatusCode", tag = "3")]
    pub code: i32,
}

/// Parts of [`Status`].
pub mod status {
    /// How a span ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
    #[repr(i32)]
    pub enum StatusCode {
        /// Not said.
        Unset = 0,
        /// Well, as a person or the application judged.
        Ok = 1,
        /// In error.
        Error = 2,
    }
}
