//! Prometheus's remote write protocol, in its two versions.
//!
//! Both are sent in snappy's block format. Source: the remote write specifications 1.0 and 2.0 and the messages that
//! they name.

pub mod v1;
pub mod v2;
