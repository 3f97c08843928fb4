//! Which processes are observed, and what they are called. Pure: what is known of a process comes as [`Facts`].
//!
//! | file | what it holds |
//! |---|---|
//! | `container.rs` | what containers are called |
//! | `facts.rs` | [`Facts`]: what is known of a process |
//! | `language.rs` | [`Language`]: what it is written in |
//! | `ports.rs` | [`Ports`]: lists and ranges of ports |
//! | `selector.rs` | [`Selector`]: one rule, and [`Selection`]: all of them |
//! | `naming.rs` | the service that a process is |

pub mod container;
pub mod facts;
pub mod language;
pub mod naming;
pub mod ports;
pub mod selector;

pub use container::{Container, Containers};
pub use facts::Facts;
pub use language::Language;
pub use ports::Ports;
pub use selector::{Pattern, Selection, Selector};
