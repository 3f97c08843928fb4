//! The machine's metrics, without an engine: the collectors that the arguments choose, gathered as text.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use corten_component::BuildError;

use crate::arguments::UnixArguments;
use crate::collector::Gatherer;
use crate::collectors;
use crate::exporter::build_info;
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// The machine's metrics in the names of node_exporter.
pub struct Unix {
    gatherer: Gatherer,
    /// Looks so far, where they are shown.
    looks: Option<AtomicU64>,
}

/// Which of the collectors a scraper wants.
#[derive(Debug, Default)]
pub struct Choice {
    only: Vec<String>,
    without: Vec<String>,
}

impl Choice {
    /// Of a query's `collect[]` and `exclude[]`.
    pub fn of(params: &[(String, String)]) -> Self {
        let all = |wanted: &str| {
            let values = params.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            values.collect()
        };
        Self { only: all("collect[]"), without: all("exclude[]") }
    }

    fn takes(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|wanted| wanted == name);
        (self.only.is_empty() || named(&self.only)) && !named(&self.without)
    }
}

impl Unix {
    /// Chosen by these arguments.
    ///
    /// # Errors
    /// An expression or an address that is none.
    pub fn new(args: &UnixArguments) -> Result<Self, BuildError> {
        let roots = Roots {
            proc: clean(&args.procfs_path),
            sys: clean(&args.sysfs_path),
            rootfs: clean(&args.rootfs_path),
            udev: clean(&args.udev_data_path),
        };
        let gatherer = Gatherer::new(collectors::build(args, &Arc::new(roots))?);
        Ok(Self { gatherer, looks: args.include_exporter_metrics.then(AtomicU64::default) })
    }

    /// What is to be seen now, as text in Prometheus's format. Blocks for `deadline` at most.
    pub fn gather(&self, choice: &Choice, deadline: Duration) -> String {
        let mut extra = Families::new();
        build_info(&mut extra, "node_exporter");
        if let Some(looks) = &self.looks {
            own(looks.fetch_add(1, Ordering::Relaxed), &mut extra);
        }
        self.gatherer.gather(|name| choice.takes(name), extra, deadline)
    }
}

/// Without slashes and dots that mean nothing, since some paths become labels.
fn clean(path: &str) -> PathBuf {
    let path: PathBuf = PathBuf::from(path).components().collect();
    path.strip_prefix(".").map(PathBuf::from).unwrap_or(path)
}

/// The metrics that a Go program has of its handler and its process, as far as they mean something here.
fn own(looks: u64, out: &mut Families) {
    let help = "Scrapes by their answer.";
    for (code, count) in [("200", looks), ("500", 0), ("503", 0)] {
        out.counter("promhttp_metric_handler_requests_total", help, &[("code", code)], count);
    }
    out.gauge("promhttp_metric_handler_requests_in_flight", "Scrapes under way.", &[], 1);
    for cause in ["encoding", "gathering"] {
        out.counter("promhttp_metric_handler_errors_total", "Scrapes that failed.", &[("cause", cause)], 0);
    }
    // What cannot be read is left out.
    let _ = process(out);
}

fn process(out: &mut Families) -> Option<()> {
    const HZ: f64 = 100.0;
    let stat = files::read("/proc/self/stat").ok()?;
    let columns: Vec<f64> =
        stat.rsplit(')').next()?.split_whitespace().map(|word| word.parse().unwrap_or(0.0)).collect();
    let column = |number: usize| columns.get(number - 3).copied();
    let (cpu, started) = (column(14)? + column(15)?, column(22)?);
    out.counter("process_cpu_seconds_total", "CPU time of this process.", &[], cpu / HZ);
    out.gauge("process_virtual_memory_bytes", "Virtual memory of this process.", &[], column(23)?);
    let resident = column(24)? * rustix::param::page_size() as f64;
    out.gauge("process_resident_memory_bytes", "Memory of this process.", &[], resident);
    let boot = files::read("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot: f64 = parse::number(boot, "stat").ok()?;
    out.gauge("process_start_time_seconds", "When this process was started.", &[], boot + started / HZ);
    let open = files::list("/proc/self/fd").ok()?.len();
    out.gauge("process_open_fds", "File descriptors of this process.", &[], open);
    let limit = |which| rustix::process::getrlimit(which).current.map_or(f64::INFINITY, |limit| limit as f64);
    out.gauge(
        "process_max_fds",
        "File descriptors that this process may have.",
        &[],
        limit(rustix::process::Resource::Nofile),
    );
    let memory = limit(rustix::process::Resource::As);
    let memory = if memory.is_finite() { memory } else { 18_446_744_073_709_552_000.0 };
    out.gauge("process_virtual_memory_max_bytes", "Virtual memory that this process may have.", &[], memory);
    Some(())
}
