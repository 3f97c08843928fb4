//! Real servers and clients, observed as they are: every request gives exactly one right span.
//!
//! Each test asks a server numbered questions, keeps a ledger of what it asked and got ([`ledger::Asked`]), and compares
//! it with the spans: none missing, none twice, none that nobody asked for; method, path, status, sizes, time and parent
//! as the client saw them. What the collector counts as not told must agree as well.
//!
//! The collector runs as a user without rights but the few that `corten doctor ebpf` names. What runs here are the short
//! forms; `cargo xtask campaign tracing` asks each server `CORTEN_COUNT` times, and brings the servers that a machine
//! lacks (`tests/services`). A test whose server is not there says `skipped` and why; the long form takes that for a
//! failure.
#![cfg(feature = "ebpf")]
#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking
#![allow(clippy::disallowed_methods)] // blocking waits: there is no loop to block
#![allow(clippy::print_stdout, reason = "what a campaign found, and why it could not run")]

mod calls;
mod chain;
mod costs;
mod curl;
mod http1;
mod http2;
mod ledger;
mod loader;
mod rates;
mod servers;
mod services;
mod shapes;
mod storms;
mod watched;

/// What is under test; another build of it where `CORTEN_BINARY` names one, for figures.
fn binary() -> String {
    std::env::var("CORTEN_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_corten").to_owned())
}

/// How many requests: `CORTEN_COUNT`, or few.
fn count(few: usize) -> usize {
    std::env::var("CORTEN_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(few)
}
