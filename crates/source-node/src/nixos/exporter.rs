//! A scrape: cheap looks at a few folders, what the last walk through the store has seen, and one call to systemd.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corten_component::BoxFuture;
use corten_signal::exposition::{Expose, Exposition, ScrapeRequest};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::roots::{self, Roots};
use super::tree::Tree;
use super::walk::{Walk, Walker};
use super::{NixosArguments, daemon, system};
use crate::bus::Bus;
use crate::exporter::{build_info, patience};
use crate::families::{Families, render};

/// How long the call to systemd may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// Roots are thousands of links: they are counted no more often.
const ROOTS_EVERY: Duration = Duration::from_secs(60);

/// The looks at files, which may block.
struct Files {
    tree: Tree,
    boot: PathBuf,
    roots: Option<(Instant, Option<Roots>)>,
}

impl Files {
    fn look(&mut self) -> Families {
        let mut out = Families::new();
        system::collect(&mut out, &self.tree, &self.boot);
        let roots = match self.roots {
            Some((when, roots)) if when.elapsed() < ROOTS_EVERY => roots,
            _ => self.roots.insert((Instant::now(), roots::count(&self.tree))).1,
        };
        if let Some(roots) = roots {
            let help = "Links that keep paths of the store from being collected.";
            out.gauge("nixos_gc_roots_total", help, &[], roots.all);
            out.gauge("nixos_gcroots_auto", "Links to results of builds, of those and dead ones.", &[], roots.auto);
        }
        out
    }
}

/// Looks at a NixOS when it is scraped, and at its store in the background.
pub struct Exporter {
    files: Arc<Mutex<Files>>,
    walker: Walker,
    /// Only of this machine.
    bus: Option<Bus>,
}

impl Exporter {
    /// As the arguments say.
    pub fn new(args: &NixosArguments) -> Self {
        let tree = Tree::new(&args.rootfs_path);
        let bus = tree.is_live().then(|| Bus::system(DEADLINE));
        Self::with_bus(args, bus)
    }

    pub(super) fn with_bus(args: &NixosArguments, bus: Option<Bus>) -> Self {
        let tree = Tree::new(&args.rootfs_path);
        let files = Files { tree: tree.clone(), boot: args.boot_path.clone().into(), roots: None };
        Self { files: Arc::new(Mutex::new(files)), walker: Walker::new(tree, args.store_walk_interval), bus }
    }

    /// Looks at the store in the background until it is dropped.
    pub async fn walk(&self) {
        self.walker.run().await;
    }

    pub(super) fn last_walk(&self) -> Option<Walk> {
        self.walker.last()
    }

    pub(super) fn inherit(&self, walk: Option<Walk>) {
        self.walker.inherit(walk);
    }

    async fn daemon(&self, out: &mut Families) {
        let Some(bus) = &self.bus else { return };
        match daemon::is_active(bus).await {
            Ok(Some(is_active)) => {
                let help = "Whether Nix's daemon runs or its socket would start it.";
                out.gauge("nixos_nix_daemon_active", help, &[], is_active);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!("systemd does not say whether Nix's daemon runs: {error}"),
        }
    }
}

fn report(out: &mut Families, walk: &Walk) {
    let help = "Disk space that the store takes; files with several names count once.";
    out.gauge("nixos_store_size_bytes", help, &[], walk.bytes);
    out.gauge("nixos_store_paths", "Paths in the store.", &[], walk.paths);
    out.gauge("nixos_store_derivations_total", "Derivations in the store.", &[], walk.derivations);
    let help = "How old the figures of the store are, in seconds.";
    out.gauge("nixos_store_walk_age_seconds", help, &[], walk.ended.elapsed().as_secs_f64());
    let help = "How long the walk through the store took, in seconds.";
    out.gauge("nixos_store_walk_duration_seconds", help, &[], walk.took.as_secs_f64());
    let help = "Files and folders of the store that the walk could not look at.";
    out.gauge("nixos_store_walk_errors", help, &[], walk.errors);
}

impl Expose for Exporter {
    fn expose(&self, request: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
        Box::pin(async move {
            let files = Arc::clone(&self.files);
            let look = async move {
                let mut files = files.lock_owned().await;
                tokio::task::spawn_blocking(move || files.look()).await
            };
            let mut out = Families::new();
            let (looked, ()) = tokio::join!(timeout(patience(&request), look), self.daemon(&mut out));
            let found = match looked {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => return Err(format!("looking at the system has failed: {error}")),
                Err(_) => return Err("looking at the system has not come back in time".to_owned()),
            };
            if let Some(walk) = self.walker.last() {
                report(&mut out, &walk);
            }
            build_info(&mut out, "nixos_exporter");
            Ok(Exposition::text(render(&mut [found, out])))
        })
    }
}
