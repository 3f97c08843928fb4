//! What both eBPF crates share: loading programs, what the kernel and our capabilities allow, pumping rings, and the
//! processes of the machine.
//!
//! Programs are compiled by `cargo xtask bpf` and come as bytes ([`Image`]). Nothing here needs root: what is missing
//! is named ([`Capabilities`], [`Kernel`], [`LoadError`]), and a program that cannot be loaded costs what it was for,
//! not the rest.

mod capabilities;
mod image;
mod kernel;
mod load;
pub mod process;
mod pump;
pub mod symbols;
mod words;

pub use capabilities::{Capabilities, Capability};
pub use image::Image;
pub use kernel::{Kernel, Lockdown};
/// libbpf, for what is not wrapped here.
pub use libbpf_rs;
pub use load::{LoadError, Loaded, Plan};
pub use pump::{Pump, PumpError, Ring};
