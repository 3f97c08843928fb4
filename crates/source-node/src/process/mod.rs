//! `prometheus.exporter.process`: what named groups of processes use, in the names of process-exporter.
//!
//! | file | what it holds |
//! |---|---|
//! | `matcher.rs`, `template.rs` | which group a process belongs to, and how it is called |
//! | `read.rs`, `users.rs` | what `/proc` says |
//! | `counts.rs` | numbers of processes, threads and groups |
//! | `tracker.rs` | which processes are followed, and what they have used since the last look |
//! | `groups.rs` | processes added up by group |
//! | `report.rs` | groups as metrics |

mod counts;
mod groups;
mod matcher;
mod read;
mod report;
mod template;
#[cfg(test)]
mod tests;
mod tracker;
mod users;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corten_component::{Arguments, BuildContext, BuildError, Component, Handle, Invalid, RunContext, RunError};
use corten_signal::exposition::{Expose, ScrapeRequest};

use crate::exporter::{Blocking, ExporterExports, Gather, build_info, serve};
use crate::families::Families;
use groups::Groups;
pub use matcher::MatcherArguments;
use matcher::Matchers;
use read::{Id, Proc, Reading, Static};
use tracker::{Mishaps, Rules, Source, Tracker};
use users::Users;

/// The arguments of `prometheus.exporter.process`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct ProcessArguments {
    /// Where the proc file system is.
    pub procfs_path: String,
    /// Whether a process that matches nothing belongs to the group of its nearest ancestor that has one.
    pub track_children: bool,
    /// Whether threads are counted by name, too.
    pub track_threads: bool,
    /// Whether the proportional share of memory is read, which costs the kernel much for large processes.
    pub gather_smaps: bool,
    /// Whether processes that matched nothing are asked again at each scrape: they may have changed their names.
    pub recheck_on_scrape: bool,
    /// Whether a group whose last process has ended is forgotten.
    pub remove_empty_groups: bool,
    /// Which processes are watched and how their groups are called; the first block that matches counts.
    #[arg(block)]
    pub matcher: Vec<MatcherArguments>,
}

impl Default for ProcessArguments {
    fn default() -> Self {
        Self {
            procfs_path: "/proc".to_owned(),
            track_children: true,
            track_threads: true,
            gather_smaps: true,
            recheck_on_scrape: false,
            remove_empty_groups: false,
            matcher: Vec::new(),
        }
    }
}

impl ProcessArguments {
    fn validate(&self) -> Result<(), Invalid> {
        Matchers::new(&self.matcher).map(drop).map_err(|why| Invalid::at("matcher", why))
    }
}

/// `prometheus.exporter.process`.
pub struct Process {
    exposed: Handle<dyn Expose>,
}

impl Component for Process {
    const NAME: &'static str = "prometheus.exporter.process";
    const DOC: &'static str = "Exposes what named groups of processes use: processor time, memory, files, threads.\n\n\
        Names and meaning are those of process-exporter. A process belongs to the first `matcher` that matches it; \
        counters of a group go on when its processes end.";
    type Arguments = ProcessArguments;
    type Exports = ExporterExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let exporter = Exporter::new(&args).map_err(|why| BuildError::at("procfs_path", why))?;
        let exposed = cx.handle("metrics", Arc::new(Blocking::new(exporter)) as Arc<dyn Expose>);
        Ok((Self { exposed }, ExporterExports::new(Self::NAME, cx.id())))
    }

    async fn run(self, carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        // Counters begin now, not at the first scrape.
        let first = async {
            if let Some(exposed) = self.exposed.get() {
                let request = ScrapeRequest { params: Vec::new(), timeout: Duration::from_secs(60) };
                let _ = exposed.expose(request).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serve(&cx, &self.exposed) => {}
            () = first => {}
        }
        (carry, Ok(()))
    }
}

/// What is kept from look to look.
struct Exporter {
    source: Live,
    tracker: Tracker,
    groups: Groups,
    with_threads: bool,
    with_smaps: bool,
    failures: u64,
    mishaps: Mishaps,
}

impl Exporter {
    fn new(args: &ProcessArguments) -> Result<Self, String> {
        let proc = Proc::new(&args.procfs_path, args.gather_smaps, args.track_threads);
        let boot = proc.boot().map_err(|error| error.to_string())?;
        let rules = Rules { children: args.track_children, recheck: args.recheck_on_scrape };
        Ok(Self {
            source: Live { proc, boot },
            tracker: Tracker::new(Matchers::new(&args.matcher)?, Users::new("/etc/passwd"), rules),
            groups: Groups::new(args.remove_empty_groups),
            with_threads: args.track_threads,
            with_smaps: args.gather_smaps,
            failures: 0,
            mishaps: Mishaps::default(),
        })
    }
}

impl Gather for Exporter {
    fn gather(&mut self) -> Result<Families, String> {
        let mut out = Families::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        match self.tracker.look(&mut self.source, now) {
            Ok(mishaps) => {
                self.mishaps.unread += mishaps.unread;
                self.mishaps.partial += mishaps.partial;
                let groups = self.groups.update(self.tracker.followed());
                for (name, group) in &groups {
                    report::group(&mut out, name, group, self.with_smaps);
                    if self.with_threads {
                        report::threads(&mut out, name, group);
                    }
                }
            }
            Err(why) => {
                self.failures += 1;
                tracing::error!("processes cannot be read: {why}");
            }
        }
        report::failures(&mut out, self.failures, self.mishaps);
        build_info(&mut out, "process_exporter");
        Ok(out)
    }
}

/// The processes of a proc file system.
struct Live {
    proc: Proc,
    boot: f64,
}

impl Source for Live {
    fn ids(&mut self) -> Result<Vec<Id>, String> {
        let pids = self.proc.pids().map_err(|error| error.to_string())?;
        // Of a process without a readable identity there is nothing to say.
        Ok(pids.into_iter().filter_map(|pid| self.proc.id(pid).ok().flatten()).collect())
    }

    fn look(&mut self, id: Id) -> Result<Option<Reading>, String> {
        self.proc.look(id.0).map_err(|error| error.to_string())
    }

    fn describe(&mut self, id: Id) -> Result<Option<Static>, String> {
        self.proc.describe(id.0, self.boot).map_err(|error| error.to_string())
    }
}
