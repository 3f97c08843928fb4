//! The machine's metrics, without an engine: the collectors that the arguments choose, gathered as text.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corten_component::BuildError;

use crate::arguments::UnixArguments;
use crate::collector::Gatherer;
use crate::collectors;
use crate::families::Families;
use crate::roots::Roots;

/// The machine's metrics in the names of node_exporter.
pub struct Unix {
    gatherer: Gatherer,
}

impl Unix {
    /// Chosen by these arguments.
    pub fn new(args: &UnixArguments) -> Result<Self, BuildError> {
        let roots = Roots {
            proc: clean(&args.procfs_path),
            sys: clean(&args.sysfs_path),
            rootfs: clean(&args.rootfs_path),
            udev: clean(&args.udev_data_path),
        };
        Ok(Self { gatherer: Gatherer::new(collectors::build(args, &Arc::new(roots))?) })
    }

    /// What is to be seen now, as text in Prometheus's format. Blocks for `deadline` at most.
    pub fn gather(&self, deadline: Duration) -> String {
        let mut extra = Families::new();
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("revision", ""), ("branch", "")];
        out_build_info(&mut extra, &labels);
        self.gatherer.gather(extra, deadline)
    }
}

fn out_build_info(out: &mut Families, labels: &[(&str, &str)]) {
    out.gauge("node_exporter_build_info", "The program that shows these metrics.", labels, 1);
}

/// Without slashes and dots that mean nothing, since some paths become labels.
fn clean(path: &str) -> PathBuf {
    let path: PathBuf = PathBuf::from(path).components().collect();
    path.strip_prefix(".").map(PathBuf::from).unwrap_or(path)
}
