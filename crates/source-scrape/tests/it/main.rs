//! The scraper against real targets on loopback, and the reader against expositions.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

mod bench;
mod formats;
mod life;
mod limits;
mod requests;
mod security;
