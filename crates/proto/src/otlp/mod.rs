//! OTLP 1.11, as `opentelemetry-proto` publishes it.
//!
//! Enumerations stand in messages as `i32`, because proto3 enumerations are open; the enums here name the known values.

pub mod collector;
pub mod common;
pub mod logs;
pub mod metrics;
pub mod profiles;
pub mod resource;
pub mod trace;
