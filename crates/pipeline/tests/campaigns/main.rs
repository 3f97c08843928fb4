//! The collector is broken on purpose, and must say afterwards what became of every item.
//!
//! Each campaign sends numbered spans, injects its faults from a seed, and ends with the same verdict: what was
//! acknowledged has arrived ([`load::Book`]), nothing else has, what came twice was under way at a fault, and the
//! collector's own counters agree to the item ([`verdict::conserved`]).
//!
//! What runs here are the short forms. `cargo xtask campaign NAME` runs the long ones: `CORTEN_COUNT` is how many
//! faults, `CORTEN_SEED` the seed of another run. A campaign whose fault needs more than this machine allows (a mount,
//! a cgroup, a library) says `skipped` and why; the long form takes that for a failure.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking
#![allow(clippy::disallowed_methods)] // blocking waits beside the runtime that is waited for
#![allow(clippy::print_stdout, reason = "what repeats a run, and what it found")]

mod backends;
mod clock;
mod damage;
mod descriptors;
mod disk;
mod front;
mod http2;
mod kill;
mod load;
mod overload;
mod pause;
mod pipeline;
mod retry_after;
mod returns;
mod setting;
mod shutdown;
mod slow_clients;
mod verdict;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

/// Whether a batch in front of a queue on disk holds nothing that is not on disk too.
const BATCHED: bool = true;
