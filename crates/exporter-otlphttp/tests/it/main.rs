//! The exporter against a real server on loopback.

mod bench;
mod http;
mod tls;
