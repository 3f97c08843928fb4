//! Corten as a program: the list of all components, the command line, the HTTP API and the summary page.
//!
//! [`run()`](run::run) is the whole program for one configuration; it takes over the process. Programs that want a
//! pipeline beside other work embed `corten-engine` with [`registry`].

mod allocator;
pub mod cli;
mod components;
#[cfg(feature = "source-node")]
mod exporter;
mod fetch;
mod http;
pub mod logs;
mod notify;
mod process;
pub mod run;
mod text;
mod traces;

pub use cli::Failure;
pub use components::registry;
pub use run::{Options, run};

/// The version that `--version` prints.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The source revision, if the build was told (`CORTEN_REVISION`).
pub const REVISION: &str = match option_env!("CORTEN_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
