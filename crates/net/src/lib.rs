//! What Corten's components share of the network: the argument blocks with which a file describes TLS, servers and clients, and the
//! servers and clients that are made of them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`args`] | argument blocks: `tls`, `debug_metrics`, the client settings of Prometheus' family |
//! | [`tls`] | rustls configurations from such blocks, with reload |
//! | [`server`] | the [`server::Listener`] resource: a socket whose handler may be swapped under its connections |
//! | [`client`] | an HTTP client with deadlines, capped answers, proxies, TLS and HTTP/2 |
//! | [`grpc`] | unary gRPC over both: framing, status, compression; messages stay bytes |
//! | [`codec`] | content encodings, decoded under a limit |
//! | [`auth`] | the behaviour that `otelcol.auth.*` exports |
//! | [`body`] | request and response bodies |
//!
//! Everything read from the network has a limit and a deadline.

pub mod address;
pub mod args;
pub mod auth;
pub mod body;
pub mod client;
pub mod codec;
pub mod grpc;
pub mod server;
mod stream;
pub mod tls;

pub use address::Address;
pub use auth::{AuthData, AuthError, Authenticator, Peer, Unauthenticated};
pub use body::{Body, BodyError};

pub use http;
