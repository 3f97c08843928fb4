//! `opentelemetry.proto.resource.v1`: who produced the telemetry.

use super::common::{EntityRef, KeyValue};

/// The producer of telemetry.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Resource {
    /// What is known of it: `service.name`, `host.name`, ...
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    /// How many attributes the sender left out.
    #[prost(uint32, tag = "2")]
    pub dropped_attributes_count: u32,
    /// The entities among the attributes.
    #[prost(message, repeated, tag = "3")]
    pub entity_refs: Vec<EntityRef>,
}
