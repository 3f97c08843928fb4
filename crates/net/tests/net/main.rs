//! Servers and clients with real sockets, and the codecs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod codec;
mod listener;
mod refusals;
