//! Queues against back ends that do as told, in simulated time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod durable;
mod hold;
mod memory;
mod queue;
mod several;
mod simulation;
mod watch;
