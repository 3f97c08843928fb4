//! `discovery.*`: where targets come from.
//!
//! | file | what it holds |
//! |---|---|
//! | `relabel.rs` | [`Relabel`]: `discovery.relabel`, targets changed by rules |
//! | `process/` | [`Process`]: `discovery.process`, the processes of this machine |
//! | `file/` | [`File`]: `discovery.file`, lists of targets in files |
//! | `http.rs` | [`Http`]: `discovery.http`, lists of targets from a server |
//! | `dns/` | [`Dns`]: `discovery.dns`, records of names |
//! | `groups.rs` | lists of targets as files and servers write them |
//! | `source.rs` | [`Source`], which the others are, and the component that looks and publishes: only changes, and not too often |
//!
//! A source that fails keeps what it found last and says so in its health.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod dns;
mod file;
mod groups;
mod http;
mod process;
mod relabel;
mod source;

use corten_component::Registration;

pub use dns::{Dns, DnsArguments};
pub use file::{File, FileArguments};
pub use http::{Http, HttpArguments};
pub use process::{DiscoverConfig, Process, ProcessArguments};
pub use relabel::{Relabel, RelabelArguments, RelabelExports};
pub use source::{Discovery, Source, TargetsExports};

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[
    Registration::of::<Relabel>(),
    Registration::of::<Discovery<Process>>(),
    Registration::of::<Discovery<File>>(),
    Registration::of::<Discovery<Http>>(),
    Registration::of::<Discovery<Dns>>(),
];
