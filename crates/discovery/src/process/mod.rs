//! `discovery.process`: the processes of this machine.

mod join;
mod scan;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::Scope;
use corten_component::{Arguments, BuildError, Health, Invalid};
use corten_signal::labels::Labels;
use corten_signal::targets::Targets;

use crate::source::Source;

/// The arguments of `discovery.process`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct ProcessArguments {
    /// Targets of containers, whose labels are added to the processes in them. They are offered, too.
    pub join: Targets,
    /// How often to look.
    pub refresh_interval: Duration,
    /// What is found out of a process.
    #[arg(block)]
    pub discover_config: DiscoverConfig,
}

impl Default for ProcessArguments {
    fn default() -> Self {
        Self {
            join: Targets::default(),
            refresh_interval: Duration::from_secs(60),
            discover_config: DiscoverConfig::default(),
        }
    }
}

impl ProcessArguments {
    fn validate(&self) -> Result<(), Invalid> {
        match self.refresh_interval.is_zero() {
            true => Err(Invalid::at("refresh_interval", "refresh_interval must be greater than zero")),
            false => Ok(()),
        }
    }
}

/// `discover_config`: what is found out of a process.
#[derive(Debug, Clone, PartialEq, Eq, Arguments)]
pub struct DiscoverConfig {
    /// The program: `__meta_process_exe`. Processes whose program may not be seen are left out.
    pub exe: bool,
    /// The working directory: `__meta_process_cwd`. Processes where it may not be seen are left out.
    pub cwd: bool,
    /// The command line: `__meta_process_commandline`.
    pub commandline: bool,
    /// The user's number: `__meta_process_uid`.
    pub uid: bool,
    /// The user's name: `__meta_process_username`.
    pub username: bool,
    /// The control groups: `__meta_process_cgroup_path`.
    pub cgroup_path: bool,
    /// The container: `__container_id__`.
    pub container_id: bool,
}

impl Default for DiscoverConfig {
    fn default() -> Self {
        Self {
            exe: true,
            cwd: true,
            commandline: true,
            uid: false,
            username: false,
            cgroup_path: false,
            container_id: true,
        }
    }
}

/// `discovery.process`.
pub struct Process {
    args: Arc<ProcessArguments>,
    health: Health,
}

impl Source for Process {
    const NAME: &'static str = "discovery.process";
    const DOC: &'static str = "Finds the processes of this machine.\n\n\
        Each is a target with `__process_pid__`. What may be seen of the processes of others depends on the rights of \
        the collector.";
    type Arguments = ProcessArguments;

    fn new(args: Arc<ProcessArguments>, _: &Scope, health: &Health) -> Result<Self, BuildError> {
        Ok(Self { args, health: health.clone() })
    }

    async fn look(&mut self) -> Option<Vec<Labels>> {
        let wanted = self.args.discover_config.clone();
        let found = tokio::task::spawn_blocking(move || scan::processes(Path::new("/"), &wanted)).await;
        match found.map_err(std::io::Error::other).and_then(|found| found) {
            Ok(found) => {
                self.health.healthy(format!("{} processes have been found", found.len()));
                Some(join::join(found, &self.args.join))
            }
            Err(error) => {
                tracing::error!(err = %error, "processes cannot be listed");
                self.health.unhealthy(format!("processes cannot be listed: {error}"));
                None
            }
        }
    }

    fn update(&mut self, args: Arc<ProcessArguments>) {
        self.args = args;
    }

    fn interval(&self) -> Duration {
        self.args.refresh_interval
    }
}
