//! Corten as a program: the list of all components, the command line, the HTTP API and the summary page.

mod allocator;
pub mod cli;
mod components;
mod fetch;
mod http;
pub mod logs;
mod notify;
mod process;
pub mod run;
mod text;

pub use components::registry;

/// The version that `--version` prints.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The source revision, if the build was told (`CORTEN_REVISION`).
pub const REVISION: &str = match option_env!("CORTEN_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
