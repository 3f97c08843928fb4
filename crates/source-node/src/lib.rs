//! The host as metrics: what node_exporter says of a Linux machine, in its names, from `/proc`, `/sys`, netlink and D-Bus.
//!
//! | file | what it holds |
//! |---|---|
//! | `families.rs`, `number.rs` | [`Families`]: samples on their way to sorted Prometheus text |
//! | `roots.rs`, `files.rs` | [`Roots`]: where the machine's files are; reading them |
//! | `collector.rs` | [`Collector`], [`Gatherer`]: all collectors at once, each at its own risk |
//! | `gang.rs` | jobs that may hang, on as few threads as progress allows |
//! | `exporter.rs` | what all exporters share: their target, being found, gathering that may block |
//! | `bus.rs` | [`Bus`]: a D-Bus connection that comes back |
//! | `gpu/`, `nixos/`, `own/`, `process/`, `systemd_exporter/` | the components `prometheus.exporter.gpu`, `.nixos`, `.self`, `.process`, `.systemd` |
//! | `netlink.rs`, `parse.rs`, `filter.rs` | what collectors share |
//! | `arguments.rs`, `unix.rs`, `component.rs` | [`Unix`], `prometheus.exporter.unix`: the collectors that the user chooses |
//! | `collectors/` | one file for each collector, named as node_exporter names it |
//!
//! Every path is below a root that the user may set, so a machine can be read from a copy of its files.

mod arguments;
mod bus;
mod collector;
mod collectors;
mod component;
mod exporter;
mod families;
pub mod files;
mod filter;
#[doc(hidden)]
pub mod fuzz;
mod gang;
pub mod gpu;
mod netlink;
pub mod nixos;
mod number;
pub mod own;
mod parse;
pub mod process;
mod roots;
pub mod systemd_exporter;
mod unix;

pub use arguments::UnixArguments;

pub use bus::{Bus, BusError, Method};
pub use collector::{Collector, Failure, Gatherer, Outcome};
pub use collectors::names as collector_names;
pub use component::UnixExporter;
pub use exporter::{ExporterExports, build_info, serve};
pub use families::{Families, Kind, Value, render};
pub use roots::Roots;
pub use unix::{Choice, Unix};

use corten_component::Registration;

/// The components of this crate.
pub const COMPONENTS: &[Registration] = &[
    Registration::of::<gpu::Gpu>(),
    Registration::of::<nixos::Nixos>(),
    Registration::of::<own::Own>(),
    Registration::of::<process::Process>(),
    Registration::of::<systemd_exporter::Systemd>(),
    Registration::of::<UnixExporter>(),
];
