//! Queues against back ends that do as told, in simulated time.

mod bench;
mod memory;
mod queue;
mod several;
mod simulation;
