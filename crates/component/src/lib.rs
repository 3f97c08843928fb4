//! The contract between a component and whoever runs it.
//!
//! A [`Component`] takes typed [`Arguments`], exports values, receives items through [`Port`]s and passes them on
//! through [`Fanout`]s. An instance never changes: new arguments make a new instance behind the same ports, and
//! what must survive moves as the instance's `Carry`. This crate knows no signal: what travels through a port is
//! any type that implements [`Signal`].
//!
//! | file | what it holds |
//! |---|---|
//! | `component.rs` | [`Component`], [`BuildContext`], [`RunContext`], the errors of both |
//! | `consume.rs`, `port.rs`, `fanout.rs` | the data path: calls that are answered |
//! | `edge.rs` | looking on: what passes from one component to another |
//! | `receipt.rs` | who is responsible for an item until it is settled |
//! | `handle.rs` | exported behaviour (auth, storage), equal across replacements |
//! | `resource.rs` | listeners, logs, locks: what outlives an instance, by key |
//! | `arguments/` | the declaration that parser, validation and docs share |
//! | `note.rs` | what is worth knowing about arguments that are not wrong |
//! | `metrics/` | self-metrics |
//! | `registration.rs` | the erased form that the engine works with |

pub mod arguments;
mod component;
mod consume;
mod edge;
mod exports;
mod fanout;
mod handle;
mod health;
mod id;
pub mod metrics;
pub mod node;
mod note;
mod port;
mod receipt;
mod registration;
mod resource;

pub use arguments::{Arguments, Attribute, Body, Enumeration, Invalid, Labelled, Schema, ValueError};
pub use component::{BuildContext, BuildError, Component, RunContext, RunError};
pub use consume::{BoxFuture, Consume, Durable, Kinds, Reason, Refusal, Signal};
pub use edge::{Edge, Tap, Watching};
pub use exports::{ExportField, Exports, NoExports};
pub use fanout::Fanout;
pub use handle::{Behaviour, Handle};
pub use health::{Health, HealthReport, HealthState};
pub use id::NodeId;
pub use note::Note;
pub use port::{Port, wiring};
pub use receipt::{Coverage, Outcome, Receipt, Settled, Try};
pub use registration::{Built, Carry, Ended, Instance, Registration, Registry, RegistryError};
pub use resource::{Lease, Resource, ResourceError};

pub use corten_component_derive::{Arguments, Enumeration, Exports, Metrics};

/// The target of `tracing` spans that exist to be exported as spans of Corten itself, and say nothing in log lines.
/// Where nobody exports them, a host should switch their call sites off.
pub const TRACE_TARGET: &str = "corten::trace";

/// What the derives expand to; not for direct use.
#[doc(hidden)]
pub mod private {
    pub use crate::arguments::slot::BlockSlot;
    pub use corten_syntax::{Object, Value};
}
