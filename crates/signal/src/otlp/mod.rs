//! OTLP travels as its own bytes.
//!
//! A [`Batch`] is one or more `Export*ServiceRequest` messages of one [`SignalKind`], held as received. Every such message is
//! `repeated ResourceX = 1`, so the requests written one after the other are again one request; batching is appending to a [`Rope`].
//! What enters has passed the door (checked at every level), so that no later stage has to doubt the bytes.

mod batch;
mod check;
mod describe;
pub mod door;
mod edit;
mod forms;
pub mod json;
mod kind;
mod message;
mod meta;
mod ports;
mod response;
mod rewrite;
mod rope;
mod schema;
mod split;
pub mod views;
mod wire;

pub use batch::{Batch, ConcatError, Encoded, Received, Request};
pub use check::{CheckError, Checked, MAX_VALUE_DEPTH, check};
pub use edit::{EDIT_ITEMS, EditError, Edited};
pub use forms::Form;
pub use kind::{KindSet, SignalKind};
pub use message::Message;
pub use meta::{Meta, MetaBuilder, MetaValue};
pub use ports::{InputExports, OutputArguments};
pub use response::{BodyFormat, ErrorStatus, PartialSuccess};
pub use rope::{Rope, RopeReader};
pub use split::Split;
