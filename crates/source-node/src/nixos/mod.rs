//! `prometheus.exporter.nixos`: generations, store, roots and boot entries of a NixOS, without running a program.
//!
//! | file | what it holds |
//! |---|---|
//! | `exporter.rs` | a scrape |
//! | `system.rs` | generations, the running system and the booted one, channels, boot entries |
//! | `roots.rs` | roots of the garbage collector |
//! | `walk.rs` | the size of the store |
//! | `daemon.rs` | Nix's daemon, over D-Bus |
//! | `tree.rs` | files below a root, where links mean what they mean on that machine |

mod daemon;
mod exporter;
mod roots;
mod system;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use corten_component::{Arguments, BuildContext, BuildError, Component, Handle, RunContext, RunError};
use corten_signal::exposition::Expose;

use crate::exporter::{ExporterExports, serve};
pub use exporter::Exporter;

/// The arguments of `prometheus.exporter.nixos`.
#[derive(Debug, Clone, PartialEq, Eq, Arguments)]
pub struct NixosArguments {
    /// Where the root of the file system is.
    pub rootfs_path: String,
    /// Where the boot partition is mounted, below the root. Its entries are often for root alone.
    pub boot_path: String,
    /// How often the store's size is taken in the background; 0 is never.
    pub store_walk_interval: Duration,
}

impl Default for NixosArguments {
    fn default() -> Self {
        Self {
            rootfs_path: "/".to_owned(),
            boot_path: "/boot".to_owned(),
            store_walk_interval: Duration::from_secs(3600),
        }
    }
}

/// `prometheus.exporter.nixos`.
pub struct Nixos {
    exporter: Arc<Exporter>,
    exposed: Handle<dyn Expose>,
}

/// What the last walk through the store has seen.
#[derive(Default)]
pub struct NixosCarry(Option<walk::Walk>);

impl Component for Nixos {
    const NAME: &'static str = "prometheus.exporter.nixos";
    const DOC: &'static str = "Exposes generations, store, channels, garbage-collector roots and boot entries of NixOS.\n\n\
        It reads links and folders, runs no program and needs no rights; what it may not see is left out (the boot \
        entries are usually root's). The size of the store is taken in the background at the lowest priority, \
        `nixos_store_walk_age_seconds` says how long ago; until the first time there is none. All families are gauges, \
        also those that end in `_total`. On another system it exposes nothing.";
    type Arguments = NixosArguments;
    type Exports = ExporterExports;
    type Carry = NixosCarry;

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let exporter = Arc::new(Exporter::new(&args));
        let exposed = cx.handle("metrics", Arc::clone(&exporter) as Arc<dyn Expose>);
        Ok((Self { exporter, exposed }, ExporterExports::new(Self::NAME, cx.id())))
    }

    async fn run(self, carry: NixosCarry, cx: RunContext<Self>) -> (NixosCarry, Result<(), RunError>) {
        self.exporter.inherit(carry.0);
        tokio::select! {
            () = serve(&cx, &self.exposed) => {}
            () = self.exporter.walk() => {}
        }
        (NixosCarry(self.exporter.last_walk()), Ok(()))
    }
}
