//! What the tests of this package share: where the programs are, and requests in a form that can be compared.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod normal;
mod programs;

pub use normal::{Telemetry, telemetry};
pub use programs::{program, target};
