//! What is made of exchanges: spans and metrics, with names of services and routes. Pure: no clock, no network.
//!
//! | file | what it holds |
//! |---|---|
//! | `service.rs` | [`Service`]: whose exchange it was |
//! | `view.rs` | [`View`]: an exchange as conventions describe it: addresses, path, route, status |
//! | `route/` | [`Routes`]: paths to routes, with a guard on their number |
//! | `redact.rs` | takes secrets out of queries and URLs |
//! | `exclude.rs` | what is telemetry itself, and who already sends his own |
//! | `select.rs` | [`Select`]: which attributes are told |
//! | `span.rs` | spans |
//! | `measure/` | durations, sizes, spans and the service graph as metrics |
//!
//! Sources: the semantic conventions of OpenTelemetry for HTTP and RPC (1.38), and Beyla's metric names and buckets.

pub mod exclude;
pub mod measure;
pub mod redact;
pub mod route;
pub mod select;
pub mod service;
pub mod span;
pub mod view;

pub use exclude::Exclusions;
pub use measure::{MeasureSettings, Measures};
pub use route::{RouteRules, Routes, Unmatched};
pub use select::Select;
pub use service::Service;
pub use view::View;

use corten_proto::otlp::common::{AnyValue, KeyValue, any_value::Value};

/// A text attribute.
pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// A number attribute.
pub(crate) fn number(key: &str, value: impl TryInto<i64>) -> KeyValue {
    attribute(key, Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}
