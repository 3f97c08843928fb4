//! Loading and reloading: the one place where a load is done, measured, logged and told to systemd.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use corten_component::metrics::{self, Counter, Gauge};
use corten_engine::{Engine, LoadError, LoadReport};
use corten_signal::exposition::Routes;
use tokio::sync::watch;

use super::exposed::exposed;
use super::guide;
use super::{Options, Source};
use crate::http::Debugging;
use crate::notify::Notifier;
use crate::text;
use crate::traces::Traces;

/// What signals and HTTP act upon.
pub(crate) struct Control {
    pub(crate) engine: Engine,
    pub(crate) metrics: metrics::Registry,
    pub(crate) options: Options,
    pub(crate) notifier: Notifier,
    pub(crate) started: SystemTime,
    pub(crate) debugging: Debugging,
    pub(crate) routes: Arc<Routes>,
    traces: Traces,
    /// Files of which a warning has been given.
    exposed: Mutex<Vec<String>>,
    /// One load at a time, from RELOADING to READY.
    loading: tokio::sync::Mutex<()>,
    stopping: AtomicBool,
    last_load: Mutex<Option<LastLoad>>,
    /// Counts reloads that succeeded.
    loads: watch::Sender<u64>,
    load: LoadMetrics,
}

/// How the last load went, for people.
#[derive(Debug, Clone)]
pub(crate) struct LastLoad {
    pub(crate) when: SystemTime,
    /// One line; `None` if it went well.
    pub(crate) error: Option<String>,
}

struct LoadMetrics {
    successful: Gauge,
    timestamp: Gauge,
    failures: Counter,
    hash: Mutex<Option<String>>,
}

const HASH: &str = "alloy_config_hash";

impl Control {
    pub(crate) fn new(
        engine: Engine,
        metrics: metrics::Registry,
        options: Options,
        traces: Traces,
        debugging: Debugging,
        routes: Arc<Routes>,
    ) -> Self {
        let scope = metrics.process();
        let load = LoadMetrics {
            successful: scope.gauge(
                "alloy_config_last_load_successful",
                "Whether the last load of the configuration succeeded.",
                &[],
            ),
            timestamp: scope.gauge(
                "alloy_config_last_load_success_timestamp_seconds",
                "When a load of the configuration last succeeded, in seconds since the epoch.",
                &[],
            ),
            failures: scope.counter("alloy_config_load_failures_total", "Loads of the configuration that failed.", &[]),
            hash: Mutex::default(),
        };
        Self {
            engine,
            metrics,
            options,
            notifier: Notifier::from_environment(),
            started: SystemTime::now(),
            debugging,
            routes,
            traces,
            exposed: Mutex::default(),
            loading: tokio::sync::Mutex::new(()),
            stopping: AtomicBool::new(false),
            last_load: Mutex::default(),
            loads: watch::Sender::new(0),
            load,
        }
    }

    /// The first load.
    pub(crate) async fn load(&self) -> Result<LoadReport, LoadError> {
        let _one = self.loading.lock().await;
        let result = self.engine.load(self.source()).await;
        self.record(&result);
        result
    }

    /// A load while running. `trigger` says who asked.
    pub(crate) async fn reload(&self, trigger: &'static str) -> Result<LoadReport, LoadError> {
        let _one = self.loading.lock().await;
        self.notifier.reloading();
        tracing::info!(trigger, "reloading the configuration");
        let result = self.engine.load(self.source()).await;
        self.record(&result);
        match &result {
            Ok(report) => {
                self.loads.send_modify(|count| *count += 1);
                for warning in &report.warnings {
                    tracing::warn!("{}", corten_syntax::plain_line(warning, &report.source_map));
                }
                tracing::info!(
                    started = report.started,
                    replaced = report.replaced,
                    updated = report.updated,
                    stopped = report.stopped,
                    unchanged = report.unchanged,
                    duration = ?report.took,
                    "config reloaded"
                );
                if !report.abandoned.is_empty() {
                    tracing::warn!(
                        components = report.abandoned.join(", "),
                        "replaced components had not ended in time"
                    );
                }
            }
            Err(error) => {
                tracing::error!(err = %error, "failed to reload config; the previous one runs on");
                // The one-line form has only the first.
                for diagnostic in error.diagnostics.iter().skip(1).take(20) {
                    tracing::error!("{}", corten_syntax::plain_line(diagnostic, &error.source_map));
                }
            }
        }
        self.tell_ready();
        result
    }

    /// Changes with every reload that succeeded.
    pub(crate) fn loads(&self) -> watch::Receiver<u64> {
        self.loads.subscribe()
    }

    /// Whether the process works: loaded and not on its way out.
    pub(crate) fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && self.engine.ready()
    }

    /// From now on probes hear that we are not ready.
    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn tell_ready(&self) {
        self.notifier.ready(&self.status());
    }

    /// One sentence for `systemctl status`.
    pub(crate) fn status(&self) -> String {
        let health = self.engine.health_summary();
        let bad = health.unhealthy.len() + health.exited.len();
        let all = text::count(health.healthy + health.unknown + bad, "component");
        let failed = match self.last_load() {
            Some(LastLoad { error: Some(_), .. }) => "; the last reload failed, see the log",
            _ => "",
        };
        match health.unhealthy.first().or(health.exited.first()) {
            None => format!("{all}, all healthy{failed}"),
            Some(first) if bad == 1 => format!("{all}, 1 unhealthy: {first}{failed}"),
            Some(first) => format!("{all}, {bad} unhealthy: {first}, ...{failed}"),
        }
    }

    pub(crate) fn last_load(&self) -> Option<LastLoad> {
        self.last_load.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn source(&self) -> corten_engine::Source {
        match &self.options.source {
            Source::Path(path) => corten_engine::Source::path(path.clone()),
            Source::Default => corten_engine::Source::text(guide::DEFAULT_NAME, guide::DEFAULT),
            Source::Made { name, text } => corten_engine::Source::text(*name, text),
        }
    }

    fn record(&self, result: &Result<LoadReport, LoadError>) {
        let when = SystemTime::now();
        let error = result.as_ref().err().map(ToString::to_string);
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner) = Some(LastLoad { when, error });
        match result {
            Ok(report) => {
                self.load.successful.set(1.0);
                let since = when.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                self.load.timestamp.set(since.as_secs_f64());
                self.publish_hash(&report.sha256);
                self.traces.follow(&self.engine);
                self.warn_of_exposed(&report.secret_files);
            }
            Err(_) => {
                self.load.successful.set(0.0);
                self.load.failures.inc();
            }
        }
    }

    /// Says once which files others can read the secrets of.
    fn warn_of_exposed(&self, secret_files: &[String]) {
        let found = match &self.options.source {
            Source::Path(_) => exposed(secret_files),
            Source::Default | Source::Made { .. } => Vec::new(),
        };
        let mut known = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        for file in found.iter().filter(|file| !known.iter().any(|other| other == **file)) {
            tracing::warn!(
                file,
                "the configuration holds a secret and everybody on this machine can read it: take the right to read \
                 from others (chmod o-r), or keep the secret in a file of its own with local.file"
            );
        }
        *known = found.into_iter().map(str::to_owned).collect();
    }

    fn publish_hash(&self, sha256: &str) {
        let scope = self.metrics.process();
        let mut known = self.load.hash.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = known.replace(sha256.to_owned())
            && old != sha256
        {
            scope.remove(HASH, &[("sha256", &old), ("cluster_name", "")]);
        }
        let labels = [("sha256", sha256), ("cluster_name", "")];
        scope.gauge(HASH, "SHA-256 of the running configuration, as a label; always 1.", &labels).set(1.0);
    }
}

/// The configured path, if it is one.
impl Options {
    pub(crate) fn config_path(&self) -> Option<&PathBuf> {
        match &self.source {
            Source::Path(path) => Some(path),
            Source::Default | Source::Made { .. } => None,
        }
    }
}
