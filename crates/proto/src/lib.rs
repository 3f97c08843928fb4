//! Wire types as prost messages, written by hand from the published specifications.
//!
//! One module per protobuf package; nothing is generated at build time and there are no service stubs, because Corten's gRPC
//! doors hand over bytes. Field numbers and types are the specification's; the comment on each message says which.
//!
//! - [`otlp`]: OTLP 1.11 (common, resource, trace, metrics, logs, profiles as of the development package) and the collector services.
//! - [`google`]: `google.rpc.Status` and the details that OTLP uses.
//! - [`prometheus`]: remote write 1.0 and 2.0.

pub mod google;
pub mod otlp;
pub mod prometheus;
