//! `corten run`: from options to a process that works until it is told to end.

pub(crate) mod blocks;
mod control;
mod drain;
mod exposed;
mod extra;
mod guide;
mod serve;
mod storage;

use std::path::PathBuf;
use std::time::Duration;

use corten_component::metrics;

use crate::cli::Failure;
use crate::http::{Debugging, Wanted};
use crate::logs::Logs;
use crate::traces::Traces;

pub(crate) use control::Control;
pub use extra::Extra;
pub use storage::Storage;

/// Where the configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, or a directory of `*.alloy` files.
    Path(PathBuf),
    /// The embedded one: OTLP on loopback, shown on the terminal.
    Default,
    /// Made by the command line, of what it was told otherwise than by a file.
    Made {
        /// What diagnostics call it.
        name: &'static str,
        /// The configuration.
        text: String,
    },
}

/// What `corten run` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the configuration is.
    pub source: Source,
    /// Where components keep files; `None` for a run that should leave nothing behind.
    pub storage: Option<PathBuf>,
    /// Address of the HTTP server.
    pub listen: String,
    /// Address by which components reach the HTTP server without the network.
    pub memory_address: String,
    /// Prefix of the summary page and the web API, `/` or `/x/y`.
    pub ui_prefix: String,
    /// Host names besides loopback's under which a loopback HTTP server may be reached.
    pub allowed_hosts: Vec<String>,
    /// Whether `/-/support` is not forbidden.
    pub support_bundle: bool,
    /// CPU cores that carry the data path, at least 1.
    pub data_cores: usize,
    /// How long the drain may take.
    pub drain_deadline: Duration,
    /// A component's metrics at an address of their own.
    pub extra: Option<Extra>,
    /// Flags without effect, and why: said in the log.
    pub notes: Vec<(&'static str, &'static str)>,
}

impl Options {
    /// The defaults of the command line for a source.
    pub fn new(source: Source) -> Self {
        Self {
            storage: (source != Source::Default).then(|| PathBuf::from("data-corten/")),
            source,
            listen: "127.0.0.1:12345".to_owned(),
            memory_address: "alloy.internal:12345".to_owned(),
            ui_prefix: "/".to_owned(),
            allowed_hosts: Vec::new(),
            support_bundle: true,
            data_cores: 1,
            drain_deadline: Duration::from_secs(600),
            extra: None,
            notes: Vec::new(),
        }
    }
}

/// How long the last log lines may take to be written.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(2);
/// Name look-ups, file reads, compression: few at a time.
const BLOCKING_THREADS: usize = 8;

/// Runs a configuration until a signal ends it, as `corten run` does.
///
/// Takes over the process, so there is one call in a process: it becomes the `tracing` subscriber (which it leaves
/// alone if there is one), sets the panic hook, handles SIGHUP, SIGTERM and SIGINT, speaks to systemd, writes the log
/// to standard error, and runs on threads of its own. It must not be called inside a tokio runtime. A pipeline
/// beside other work is `corten_engine::Engine` with [`registry`](crate::registry).
///
/// # Errors
/// If the storage is in use, the address of the HTTP server cannot be had, the first load fails (its diagnostics
/// stand on standard error by then), or a second signal cuts the drain short.
pub fn run(options: Options) -> Result<(), Failure> {
    crate::allocator::set_up();
    let metrics = metrics::Registry::new();
    let (logs, traces) = (Logs::stderr(&metrics), Traces::new(&metrics));
    logs.install(&traces);
    count_panics(&metrics, &logs);
    let result = run_with(options, metrics, &logs, traces);
    logs.give_up_waiting();
    logs.flush(LAST_LINES);
    result
}

fn run_with(options: Options, metrics: metrics::Registry, logs: &Logs, traces: Traces) -> Result<(), Failure> {
    let storage = options.storage.as_deref().map(Storage::lock).transpose().map_err(Failure::new)?;
    let runtime = runtime(options.data_cores)
        .map_err(|error| Failure::new(format!("starting threads: {}", crate::text::io(&error))))?;
    let result = runtime.block_on(serve::serve(options, metrics, logs.clone(), traces));
    // What was abandoned must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    drop(storage);
    result
}

pub(crate) fn runtime(data_cores: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match data_cores {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if data_cores > 1 {
        builder.worker_threads(data_cores).thread_name("data");
    }
    builder.enable_all().max_blocking_threads(BLOCKING_THREADS).thread_keep_alive(Duration::from_secs(5)).build()
}

/// A panic ends a task, not the process; it is a mistake in the program and must be seen.
fn count_panics(metrics: &metrics::Registry, logs: &Logs) {
    let panics = metrics.process().counter("corten_panics_total", "Panics that were caught.", &[]);
    let logs = logs.clone();
    std::panic::set_hook(Box::new(move |info| {
        panics.inc();
        let message = info.payload();
        let message = message
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| message.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown".to_owned());
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, err = message, "panic: a mistake in Corten, please report it");
        if std::thread::current().name() == Some("main") {
            logs.give_up_waiting();
            logs.flush(LAST_LINES);
        }
    }));
}

/// The blocks that the process handles, for checking a file; they change nothing that anyone sees.
pub(crate) fn host_blocks_for_validation() -> Vec<corten_engine::HostBlock> {
    let metrics = metrics::Registry::new();
    blocks::all(Logs::stderr(&metrics), Traces::new(&metrics), Debugging::default(), Wanted::default())
}
