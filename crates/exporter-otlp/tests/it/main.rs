//! The exporter against a real server on loopback.

mod bench;
mod grpc;
mod tls;
