//! What tests share: the real binary as a child process, back ends that answer as told and remember what they got,
//! and a cutter that takes unregistered components out of a file. A dev-dependency only.

mod collector;
mod cut;
pub mod data;
pub mod exporter;
mod grpc;
mod metrics;
mod program;
mod remote_write;
mod sender;
mod sink;
mod systemd;
mod target;
mod wait;

pub use collector::{Collector, Exited, Nobody, free_address};
pub use cut::{Cut, cut};
pub use metrics::Samples;
pub use program::Program;
pub use remote_write::{Write, WrittenSeries};
pub use sender::{Answered, Protocol, Sender};
pub use sink::{Answer, Received, Sink};
pub use systemd::{FakeSystemd, SystemdUnit, SystemdWorld};
pub use target::Target;
pub use wait::eventually;
