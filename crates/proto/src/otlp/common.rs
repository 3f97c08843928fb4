//! `opentelemetry.proto.common.v1`: attribute values, scopes, entity references.

/// A value of any of the types attributes and log bodies may have.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AnyValue {
    /// The value; none is the empty value.
    #[prost(oneof = "any_value::Value", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub value: Option<any_value::Value>,
}

/// The types of [`AnyValue`].
pub mod any_value {
    /// One of them.
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Value {
        /// Text.
        #[prost(string, tag = "1")]
        StringValue(String),
        /// A truth value.
        #[prost(bool, tag = "2")]
        BoolValue(bool),
        /// A signed integer.
        #[prost(int64, tag = "3")]
        IntValue(i64),
        /// A floating point number.
        #[prost(double, tag = "4")]
        DoubleValue(f64),
        /// A list.
        #[prost(message, tag = "5")]
        ArrayValue(super::ArrayValue),
        /// A map.
        #[prost(message, tag = "6")]
        KvlistValue(super::KeyValueList),
        /// Bytes.
        #[prost(bytes, tag = "7")]
        BytesValue(Vec<u8>),
        /// Text by its index in the dictionary of a profiles request; other signals do not use it.
        #[prost(int32, tag = "8")]
        StringValueStrindex(i32),
    }
}

/// A list of values.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ArrayValue {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}

/// A map, as a list of pairs with unique keys.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct KeyValueList {
    /// The pairs.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<KeyValue>,
}

/// An attribute.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct KeyValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
    /// Its name by index in the dictionary of a profiles request; other signals do not use it.
    #[prost(int32, tag = "3")]
    pub key_strindex: i32,
}

/// The library that produced the telemetry.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InstrumentationScope {
    /// Its name; empty is unknown.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version; empty is unknown.
    #[prost(string, tag = "2")]
    pub version: String,
    /// More about it.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
    /// How many attributes the sender left out.
    #[prost(uint32, tag = "4")]
    pub dropped_attributes_count: u32,
}

/// An entity that a resource describes, by keys of the resource's attributes.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct EntityRef {
    /// The schema of the type and keys.
    #[prost(string, tag = "1")]
    pub schema_url: String,
    /// The type of the entity, such as `service`.
    #[prost(string, tag = "2")]
    pub r#type: String,
    /// The keys of the attributes that identify it.
    #[prost(string, repeated, tag = "3")]
    pub id_keys: Vec<String>,
    /// The keys of the attributes that describe it.
    #[prost(string, repeated, tag = "4")]
    pub description_keys: Vec<String>,
}
