//! The processes of the machine and the ports that they listen on: what is, by iterators, and what changes, by
//! tracepoints. With `CAP_BPF` and `CAP_PERFMON` it sees all users and all namespaces; /proc is read only for what the
//! kernel does not tell a program (command line, environment, control group), and only of processes that are asked for.

mod details;
mod table;
mod watch;
mod wire;

pub use details::{Details, Mapping};
pub use table::{Process, Table};
pub use watch::{Losses, Watch, WatchError};
pub use wire::{Change, Event, Family, Listener, Row};
