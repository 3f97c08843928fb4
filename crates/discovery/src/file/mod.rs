//! `discovery.file`: lists of targets in files.

mod pattern;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use corten_component::metrics::{Counter, Histogram, MetricDoc, MetricKind, Metrics as _, Scope};
use corten_component::{Arguments, BuildError, Health, Invalid, Metrics};
use corten_signal::labels::Labels;
use tokio::time::Instant;

use crate::groups::{self, Language};
use crate::source::Source;
use pattern::Pattern;
use watch::Watch;

/// A file may have at most this many bytes.
const LARGEST: u64 = 64 << 20;

/// The arguments of `discovery.file`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct FileArguments {
    /// Files ending in `.json`, `.yml` or `.yaml`; a `*` in the last part of a path stands for any characters.
    #[arg(required)]
    pub files: Vec<String>,
    /// How often files are read again besides when they change.
    pub refresh_interval: Duration,
}

impl Default for FileArguments {
    fn default() -> Self {
        Self { files: Vec::new(), refresh_interval: Duration::from_secs(5 * 60) }
    }
}

impl FileArguments {
    fn validate(&self) -> Result<(), Invalid> {
        for file in &self.files {
            if Pattern::new(file).is_none() {
                return Err(Invalid::at("files", format!("path name {file:?} is not valid for file discovery"))
                    .with_help("it must end in .json, .yml or .yaml, and only its last part may have a *"));
            }
        }
        if self.refresh_interval.is_zero() {
            return Err(Invalid::at("refresh_interval", "refresh_interval must be greater than zero"));
        }
        Ok(())
    }
}

/// What the component counts.
#[derive(Debug, Clone, Metrics)]
struct Meters {
    /// Files that could not be read.
    #[metric(name = "prometheus_sd_file_read_errors_total")]
    errors: Counter,
    /// Watches for changes that could not be set up.
    #[metric(name = "prometheus_sd_file_watcher_errors_total")]
    watch_errors: Counter,
    /// Time that reading all files took, in seconds.
    #[metric(name = "prometheus_sd_file_scan_duration_seconds", buckets = [0.001, 0.01, 0.1, 1.0, 10.0])]
    scan: Histogram,
}

const MTIME: MetricDoc = MetricDoc {
    name: "prometheus_sd_file_mtime_seconds",
    kind: MetricKind::Gauge,
    help: "When a file was last changed, in seconds since the epoch.",
    labels: &["filename"],
};
const DOCS: [MetricDoc; Meters::DOCS.len() + 1] = corten_net::client::join_docs(Meters::DOCS, &[MTIME]);

/// `discovery.file`.
pub struct File {
    args: Arc<FileArguments>,
    /// What each file held when it was last read.
    found: BTreeMap<PathBuf, Vec<Labels>>,
    watch: Option<Watch>,
    meters: Meters,
    scope: Scope,
    health: Health,
}

/// A file's targets and when it was changed.
type Content = (Vec<Labels>, SystemTime);

fn read(path: &Path) -> Result<Content, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.len() > LARGEST {
        return Err(format!("the file is larger than {LARGEST} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let language = if is_json { Language::Json } else { Language::Yaml };
    let targets = groups::read(&text, language, "__meta_filepath", &path.to_string_lossy())?;
    Ok((targets, metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
}

fn read_all(patterns: &[String]) -> Vec<(PathBuf, Result<Content, String>)> {
    let paths = patterns.iter().filter_map(|pattern| Pattern::new(pattern)).flat_map(|pattern| pattern.files());
    paths.map(|path| (path.clone(), read(&path))).collect()
}

impl File {
    fn watch(&mut self) {
        let folders = self.args.files.iter().filter_map(|file| Pattern::new(file)).map(|pattern| pattern.folder());
        self.watch = match Watch::new(folders) {
            Ok(watch) => Some(watch),
            Err(error) => {
                self.meters.watch_errors.inc();
                tracing::warn!(err = %error, "changes of files are only noticed every refresh_interval");
                None
            }
        };
    }

    /// Takes up what was read: files that failed keep their targets, files that are gone lose them.
    fn take(&mut self, read: Vec<(PathBuf, Result<Content, String>)>) {
        let mut found = BTreeMap::new();
        let mut failed = Vec::new();
        for (path, content) in read {
            let name = path.to_string_lossy().into_owned();
            let targets = match content {
                Ok((targets, modified)) => {
                    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                    self.scope.gauge(MTIME.name, MTIME.help, &[("filename", &name)]).set(since.as_secs_f64());
                    targets
                }
                Err(why) => {
                    self.meters.errors.inc();
                    tracing::error!(path = name, err = why, "a list of targets could not be read");
                    failed.push(format!("{name}: {why}"));
                    self.found.remove(&path).unwrap_or_default()
                }
            };
            found.insert(path, targets);
        }
        for gone in self.found.keys().filter(|path| !found.contains_key(*path)) {
            self.scope.remove(MTIME.name, &[("filename", &gone.to_string_lossy())]);
        }
        self.found = found;
        match failed.is_empty() {
            true => self.health.healthy(format!("{} files have been read", self.found.len())),
            false => self.health.unhealthy(failed.join("; ")),
        }
    }
}

impl Source for File {
    const NAME: &'static str = "discovery.file";
    const DOC: &'static str = "Reads lists of targets from files, in JSON or YAML.\n\n\
        Changes of the files are taken up at once. A file that cannot be read keeps the targets that it had. Each \
        target gets `__meta_filepath`.";
    const METRICS: &'static [MetricDoc] = &DOCS;
    type Arguments = FileArguments;

    fn new(args: Arc<FileArguments>, metrics: &Scope, health: &Health) -> Result<Self, BuildError> {
        let meters = Meters::register(metrics, &[]);
        Ok(Self { args, found: BTreeMap::new(), watch: None, meters, scope: metrics.clone(), health: health.clone() })
    }

    fn begin(&mut self) {
        self.watch();
    }

    async fn look(&mut self) -> Option<Vec<Labels>> {
        let begun = Instant::now();
        let patterns = self.args.files.clone();
        let read = tokio::task::spawn_blocking(move || read_all(&patterns)).await.ok()?;
        self.take(read);
        self.meters.scan.observe(begun.elapsed().as_secs_f64());
        Some(self.found.values().flatten().cloned().collect())
    }

    fn update(&mut self, args: Arc<FileArguments>) {
        self.args = args;
        self.watch();
    }

    fn interval(&self) -> Duration {
        self.args.refresh_interval
    }

    async fn changed(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use corten_component::NodeId;
    use corten_component::metrics::Registry;

    use super::*;

    fn files(folder: &Path) -> File {
        let scope = Registry::new().node(&NodeId::root("discovery.file.x"));
        let args = FileArguments {
            files: vec![format!("{}/*.json", folder.display()), format!("{}/one.yml", folder.display())],
            ..FileArguments::default()
        };
        File::new(Arc::new(args), &scope, &Health::default()).unwrap()
    }

    async fn addresses(files: &mut File) -> Vec<String> {
        let found = files.look().await.unwrap();
        found.iter().map(|labels| labels.get("__address__").unwrap_or_default().to_owned()).collect()
    }

    #[tokio::test]
    async fn a_broken_file_keeps_its_targets_and_a_missing_one_loses_them() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.json", r#"[{"targets": ["a"]}]"#);
        write("b.json", r#"[{"targets": ["b"]}]"#);
        write("one.yml", "- targets: [c]");
        write("other.yml", "- targets: [d]");
        let mut files = files(folder.path());
        assert_eq!(addresses(&mut files).await, ["a", "b", "c"]);
        write("a.json", "[{");
        std::fs::remove_file(folder.path().join("b.json")).unwrap();
        assert_eq!(addresses(&mut files).await, ["a", "c"]);
        assert_eq!(files.meters.errors.get(), 1);
        write("a.json", "[]");
        assert_eq!(addresses(&mut files).await, ["c"]);
    }

    #[tokio::test]
    async fn a_file_that_is_written_anew_is_read_anew_and_the_same_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("one.yml"), text).unwrap();
        let mut files = files(folder.path());
        write(
            "- targets: ['localhost:9090', 'example.org:443']\n  labels:\n    foo: bar\n\n- targets: ['my.domain']\n",
        );
        let first = files.look().await.unwrap();
        let name = folder.path().join("one.yml").display().to_string();
        let target = |address: &str, more: &[(&str, &str)]| {
            Labels::from_pairs([[("__address__", address), ("__meta_filepath", &*name)].as_slice(), more].concat())
        };
        let foo = [("foo", "bar")];
        let expected = [target("localhost:9090", &foo), target("example.org:443", &foo), target("my.domain", &[])];
        assert_eq!(first, expected);
        write(
            "# Other text.\n- targets: [\"localhost:9090\", \"example.org:443\"]\n  labels: {foo: bar}\n- targets: [my.domain]\n",
        );
        assert_eq!(files.look().await.unwrap(), first, "the same targets");
        // An empty group, and one written by halves.
        for broken in ["- targets: ['localhost:9090']\n\n- null\n", "- targets: ['localhost:9090'"] {
            write(broken);
            assert_eq!(files.look().await.unwrap(), first, "{broken}");
        }
        write("- targets: ['my.domain']\n- targets: ['localhost:9090']\n  labels:\n    foo: bar\n    fred: baz\n");
        let fred = [("foo", "bar"), ("fred", "baz")];
        assert_eq!(files.look().await.unwrap(), [target("my.domain", &[]), target("localhost:9090", &fred)]);
        std::fs::remove_file(&name).unwrap();
        assert_eq!(files.look().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(folder.path());
        files.watch();
        std::fs::write(folder.path().join("a.json"), "[]").unwrap();
        tokio::time::timeout(Duration::from_secs(30), files.changed()).await.unwrap();
    }
}
