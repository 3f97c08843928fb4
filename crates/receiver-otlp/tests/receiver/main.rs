//! The receiver with real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod browser;
mod encoded;
mod grpc;
mod http;
mod limits;
mod reload;
mod support;
mod text;
mod transports;
