//! `prometheus.remote_write` against a real server on loopback.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

mod bench;
mod failures;
mod restart;
mod simulation;
mod wire;
