//! What travels through Corten's ports.
//!
//! [`otlp`] holds the one item type of the OpenTelemetry path: a batch of export requests in their own wire bytes.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod otlp;
