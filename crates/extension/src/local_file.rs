//! `local.file`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corten_component::metrics::{Gauge, MetricDoc, Metrics as _};
use corten_component::{
    Arguments, BuildContext, BuildError, Component, Enumeration, Exports, Invalid, Metrics, RunContext, RunError,
};
use corten_syntax::OptionalSecret;

use crate::watch::Watch;

/// A file may have at most this many bytes: its content stands in memory, and in every value made of it.
const LIMIT: u64 = 64 << 20;

/// The arguments of `local.file`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct FileArguments {
    /// The file.
    #[arg(required)]
    pub filename: String,
    /// How changes are noticed. With `fsnotify` the file is read every `poll_frequency`, too.
    pub detector: Detector,
    /// How often the file is read.
    pub poll_frequency: Duration,
    /// Whether the content must not be shown.
    pub is_secret: bool,
}

impl Default for FileArguments {
    fn default() -> Self {
        Self {
            filename: String::new(),
            detector: Detector::default(),
            poll_frequency: Duration::from_secs(60),
            is_secret: false,
        }
    }
}

impl FileArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.poll_frequency.is_zero() {
            return Err(Invalid::at("poll_frequency", "poll_frequency must be greater than 0"));
        }
        Ok(())
    }
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Detector {
    /// By the kernel's events.
    #[default]
    Fsnotify,
    /// By reading it from time to time.
    Poll,
}

/// What `local.file` exports.
#[derive(Debug, Exports)]
pub struct FileExports {
    /// The file's content.
    pub content: OptionalSecret,
}

#[derive(Metrics)]
struct FileMetrics {
    /// When the file was last read, in seconds since 1970.
    #[metric(name = "local_file_timestamp_last_accessed_unix_seconds")]
    last_accessed: Gauge,
}

/// `local.file`.
pub struct LocalFile {
    args: Arc<FileArguments>,
    metrics: FileMetrics,
}

impl Component for LocalFile {
    const NAME: &'static str = "local.file";
    const DOC: &'static str = "The content of a file.\n\nThe first reading must succeed; if a later one fails, the component is \
        unhealthy and the old content stays. The content must be UTF-8.";
    const METRICS: &'static [MetricDoc] = FileMetrics::DOCS;
    type Arguments = FileArguments;
    type Exports = FileExports;
    type Carry = ();

    async fn build(args: Arc<FileArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, FileExports), BuildError> {
        let metrics = FileMetrics::register(cx.metrics(), &[]);
        let this = Self { args, metrics };
        let exports = this.read().await.map_err(|why| BuildError::at("filename", why))?;
        Ok((this, exports))
    }

    async fn run(self, _carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let path = Path::new(&self.args.filename);
        let mut watch = Watch::new(path, self.args.detector == Detector::Fsnotify, self.args.poll_frequency);
        loop {
            // At once, for what happened since the first reading.
            match self.read().await {
                Ok(exports) => {
                    cx.publish(&exports);
                    cx.health().healthy("read file");
                }
                Err(why) => cx.health().unhealthy(why),
            }
            tokio::select! {
                () = watch.changed() => {}
                () = cx.stopping() => return ((), Ok(())),
            }
        }
    }
}

impl LocalFile {
    async fn read(&self) -> Result<FileExports, String> {
        let name = &self.args.filename;
        let fail = |why: String| format!("reading {name}: {why}");
        let found = tokio::fs::metadata(name).await.map_err(|error| fail(error.to_string()))?;
        if found.is_dir() {
            return Err(fail("it is a directory".into()));
        }
        if found.len() > LIMIT {
            return Err(fail(format!("{} bytes are more than the {LIMIT} that a value may have", found.len())));
        }
        let bytes = tokio::fs::read(name).await.map_err(|error| fail(error.to_string()))?;
        let text = String::from_utf8(bytes)
            .map_err(|error| fail(format!("it is not UTF-8 (byte {})", error.utf8_error().valid_up_to())))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.last_accessed.set(now.as_secs_f64().floor());
        Ok(FileExports { content: OptionalSecret::new(text, self.args.is_secret) })
    }
}
