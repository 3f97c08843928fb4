//! What talks to the kernel: loads the programs of `bpf/`, says which processes are observed, and pumps records.
//!
//! [`Capture`] is the running whole; [`Records`] is where its records come out, [`Capture::verdict`] the way back.

mod control;
pub mod doctor;
mod hooks;
mod losses;
mod outlet;
mod running;
mod tls;
mod tracefs;

pub use control::{Budget, Policy};
pub use hooks::{Attempt, HookSet};
pub use outlet::Records;
pub use running::{Capture, CaptureError, Settings};
pub use tls::ProbeKind;
