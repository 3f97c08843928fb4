//! `opentelemetry.proto.profiles.v1development`, as of OTLP 1.11.
//!
//! Fields named `*_index`, `*_indices` and `*_strindex` are positions in the tables of the request's [`ProfilesDictionary`], in
//! which entry 0 is the empty one and stands for "none".

use super::common::{AnyValue, InstrumentationScope};
use super::resource::Resource;

/// The tables that all profiles of one request share.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ProfilesDictionary {
    /// Mapped files.
    #[prost(message, repeated, tag = "1")]
    pub mapping_table: Vec<Mapping>,
    /// Code locations.
    #[prost(message, repeated, tag = "2")]
    pub location_table: Vec<Location>,
    /// Functions.
    #[prost(message, repeated, tag = "3")]
    pub function_table: Vec<Function>,
    /// Spans during which samples were taken.
    #[prost(message, repeated, tag = "4")]
    pub link_table: Vec<Link>,
    /// Strings.
    #[prost(string, repeated, tag = "5")]
    pub string_table: Vec<String>,
    /// Attributes.
    #[prost(message, repeated, tag = "6")]
    pub attribute_table: Vec<KeyValueAndUnit>,
    /// Call stacks.
    #[prost(message, repeated, tag = "7")]
    pub stack_table: Vec<Stack>,
}

/// Profiles of one resource.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResourceProfiles {
    /// Who produced them.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// The profiles by scope.
    #[prost(message, repeated, tag = "2")]
    pub scope_profiles: Vec<ScopeProfiles>,
    /// The schema of the resource.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// Profiles of one scope.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ScopeProfiles {
    /// The profiler that made them.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    /// The profiles.
    #[prost(message, repeated, tag = "2")]
    pub profiles: Vec<Profile>,
    /// The schema of scope and profiles.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// Samples of one type over an interval.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Profile {
    /// Type and unit of the samples' values.
    #[prost(message, optional, tag = "1")]
    pub sample_type: Option<ValueType>,
    /// The samples.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Start, nanoseconds since 1970.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// Length of the interval, nanoseconds.
    #[prost(uint64, tag = "4")]
    pub duration_nano: u64,
    /// What is counted between samples.
    #[prost(message, optional, tag = "5")]
    pub period_type: Option<ValueType>,
    /// How much of it lies between samples.
    #[prost(int64, tag = "6")]
    pub period: i64,
    /// 16 bytes or none.
    #[prost(bytes = "vec", tag = "7")]
    pub profile_id: Vec<u8>,
    /// How many attributes the sender left out.
    #[prost(uint32, tag = "8")]
    pub dropped_attributes_count: u32,
    /// The format of the original, such as `pprof`.
    #[prost(string, tag = "9")]
    pub original_payload_format: String,
    /// The original that this was made of.
    #[prost(bytes = "vec", tag = "10")]
    pub original_payload: Vec<u8>,
    /// Attributes.
    #[prost(int32, repeated, tag = "11")]
    pub attribute_indices: Vec<i32>,
}

/// A span.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Link {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
}

/// Type and unit of a value.
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct ValueType {
    /// Its type, such as `cpu`.
    #[prost(int32, tag = "1")]
    pub type_strindex: i32,
    /// Its unit, such as `nanoseconds`.
    #[prost(int32, tag = "2")]
    pub unit_strindex: i32,
}

/// What was seen at one stack.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Sample {
    /// The stack.
    #[prost(int32, tag = "1")]
    pub stack_index: i32,
    /// Attributes.
    #[prost(int32, repeated, tag = "2")]
    pub attribute_indices: Vec<i32>,
    /// The span.
    #[prost(int32, tag = "3")]
    pub link_index: i32,
    /// Values, one for each observation.
    #[prost(int64, repeated, tag = "4")]
    pub values: Vec<i64>,
    /// Times of the observations, nanoseconds since 1970.
    #[prost(fixed64, repeated, tag = "5")]
    pub timestamps_unix_nano: Vec<u64>,
}

/// A file mapped into memory.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Mapping {
    /// First address.
    #[prost(uint64, tag = "1")]
    pub memory_start: u64,
    /// End of the addresses.
    #[prost(uint64, tag = "2")]
    pub memory_limit: u64,
    /// Offset in the file of the first address.
    #[prost(uint64, tag = "3")]
    pub file_offset: u64,
    /// The file.
    #[prost(int32, tag = "4")]
    pub filename_strindex: i32,
    /// Attributes, such as build ids.
    #[prost(int32, repeated, tag = "5")]
    pub attribute_indices: Vec<i32>,
}

/// A call stack, the leaf first.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Stack {
    /// Its locations.
    #[prost(int32, repeated, tag = "1")]
    pub location_indices: Vec<i32>,
}

/// A place in code.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Location {
    /// The mapping that holds the address.
    #[prost(int32, tag = "1")]
    pub mapping_index: i32,
    /// The address.
    #[prost(uint64, tag = "2")]
    pub address: u64,
    /// Source lines; several if functions were inlined, the caller last.
    #[prost(message, repeated, tag = "3")]
    pub lines: Vec<Line>,
    /// Attributes.
    #[prost(int32, repeated, tag = "4")]
    pub attribute_indices: Vec<i32>,
}

/// A line of source.
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct Line {
    /// The function.
    #[prost(int32, tag = "1")]
    pub function_index: i32,
    /// The line, from 1.
    #[prost(int64, tag = "2")]
    pub line: i64,
    /// The column, from 1.
    #[prost(int64, tag = "3")]
    pub column: i64,
}

/// A function.
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct Function {
    /// Its name for people.
    #[prost(int32, tag = "1")]
    pub name_strindex: i32,
    /// Its name for the linker.
    #[prost(int32, tag = "2")]
    pub system_name_strindex: i32,
    /// The source file.
    #[prost(int32, tag = "3")]
    pub filename_strindex: i32,
    /// Its first line.
    #[prost(int64, tag = "4")]
    pub start_line: i64,
}

/// An attribute with a unit, its strings in the dictionary.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct KeyValueAndUnit {
    /// Its name.
    #[prost(int32, tag = "1")]
    pub key_strindex: i32,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
    /// Its unit (UCUM).
    #[prost(int32, tag = "3")]
    pub unit_strindex: i32,
}
