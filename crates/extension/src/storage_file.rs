//! `otelcol.storage.file`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corten_component::{
    Arguments, BoxFuture, BuildContext, BuildError, Component, Exports, Invalid, RunContext, RunError,
};
use corten_delivery::log::{Log, OpenError, Options, directory_name, open_left, open_shared};
use corten_delivery::{Left, Storage, StorageHandle};
use corten_net::args::DebugMetrics;

/// The arguments of `otelcol.storage.file`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct StorageFileArguments {
    /// The directory that holds the buffers; the component's own below the storage path where it is not written.
    pub directory: String,
    /// Whether the directory is made where it is missing.
    pub create_directory: bool,
    /// Its permissions when it is made, as an octal number. Files in it are the owner's alone in any case.
    pub directory_permissions: String,
    /// Whether data counts as stored only once it is on the disk. `false` survives the end of the process, but not
    /// of the machine; it is faster where syncing is slow.
    pub fsync: bool,
    /// The greatest size on disk of each client's buffer, in bytes; 0 for as much as its queue may hold. What happens
    /// then is for the queue's `overflow` to say. An extension of Corten.
    pub max_size: i64,
    /// Taken for compatibility: another process that has the directory locked is waited for by trying again.
    pub timeout: Duration,
    /// Taken for compatibility: files are given back in pieces of 8 MiB as soon as nothing in them is waited for.
    #[arg(block)]
    pub compaction: Option<Compaction>,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

impl Default for StorageFileArguments {
    fn default() -> Self {
        Self {
            directory: String::new(),
            create_directory: true,
            directory_permissions: "0750".to_owned(),
            fsync: true,
            max_size: 0,
            timeout: Duration::from_secs(1),
            compaction: None,
            debug_metrics: DebugMetrics::default(),
        }
    }
}

/// `compaction`: without effect, since the files of a buffer never need it.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct Compaction {
    /// Without effect.
    pub on_start: bool,
    /// Without effect.
    pub on_rebound: bool,
    /// Without effect.
    pub directory: String,
    /// Without effect.
    pub rebound_needed_threshold_mib: i64,
    /// Without effect.
    pub rebound_trigger_threshold_mib: i64,
    /// Without effect.
    pub max_transaction_size: i64,
    /// Without effect.
    pub check_interval: Duration,
    /// Without effect.
    pub cleanup_on_start: bool,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            on_start: false,
            on_rebound: false,
            directory: String::new(),
            rebound_needed_threshold_mib: 100,
            rebound_trigger_threshold_mib: 10,
            max_transaction_size: 65_536,
            check_interval: Duration::from_secs(5),
            cleanup_on_start: false,
        }
    }
}

/// A buffer smaller than this could not hold two segments.
const SMALLEST: i64 = 1 << 20;

impl StorageFileArguments {
    fn mode(&self) -> Option<u32> {
        u32::from_str_radix(&self.directory_permissions, 8).ok().filter(|mode| *mode <= 0o777)
    }

    fn validate(&self) -> Result<(), Invalid> {
        match self.mode() {
            None => {
                return Err(Invalid::at("directory_permissions", "directory_permissions must be an octal number")
                    .with_help("for example \"0750\""));
            }
            Some(mode) if mode & 0o700 != 0o700 => {
                return Err(Invalid::at("directory_permissions", "directory_permissions must let the owner in")
                    .with_help("for example \"0750\""));
            }
            Some(_) => {}
        }
        if self.max_size != 0 && self.max_size < SMALLEST {
            return Err(Invalid::at("max_size", "max_size must be 0, or 1048576 bytes at least"));
        }
        Ok(())
    }
}

/// `otelcol.storage.file`.
pub struct StorageFile {
    files: Arc<Files>,
}

/// What others refer to.
#[derive(Debug, Exports)]
pub struct StorageExports {
    /// For the attribute `storage` of a `sending_queue`.
    pub handler: StorageHandle,
}

struct Files {
    directory: PathBuf,
    create: bool,
    mode: u32,
    options: Options,
}

impl Files {
    fn prepare(&self) -> Result<(), OpenError> {
        let failed = |why: String| OpenError::Io { path: self.directory.clone(), why };
        if self.create {
            let made = DirBuilder::new().recursive(true).mode(self.mode).create(&self.directory);
            made.map_err(|error| failed(error.to_string()))?;
        }
        match std::fs::metadata(&self.directory) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(failed("it is not a directory".to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl Storage for Files {
    fn open<'a>(&'a self, client: &'a str) -> BoxFuture<'a, Result<Arc<Log>, OpenError>> {
        Box::pin(async move {
            self.prepare()?;
            open_shared(&self.directory.join(directory_name(client)), self.options.clone()).await
        })
    }

    fn open_left<'a>(&'a self, client: &'a Path, destination: &'a str) -> BoxFuture<'a, Result<Left, OpenError>> {
        Box::pin(open_left(client, self.options.clone(), destination))
    }

    fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Component for StorageFile {
    const NAME: &'static str = "otelcol.storage.file";
    const DOC: &'static str = "Keeps the queues of exporters on disk.\n\n\
        Data that a queue with this storage has taken survives a crash of the process, and with `fsync` (which holds \
        unless it is switched off) one of the machine. Each exporter has a directory of its own in `directory`. \
        Damaged files never keep a queue from starting: what is whole is delivered, and what is gone is logged. \
        While the disk is full or broken, what comes is sent from memory and acknowledged once it is delivered; what \
        memory has no room for is refused, or counted as dropped where `overflow = \"drop_oldest\"` is written.\n\n\
        A `batch` processor in front of such exporters keeps what it holds in a directory of its own beside theirs, \
        written once for all of them, before it acknowledges it; what a process leaves there goes to those exporters \
        that have not had it. Exporters without a storage get nothing again.";
    type Arguments = StorageFileArguments;
    type Exports = StorageExports;
    type Carry = ();

    async fn build(
        args: Arc<StorageFileArguments>,
        cx: &mut BuildContext<'_>,
    ) -> Result<(Self, StorageExports), BuildError> {
        let directory = match args.directory.as_str() {
            "" => cx.data_dir().to_owned(),
            written => PathBuf::from(written),
        };
        let options = Options {
            fsync: args.fsync,
            max_bytes: u64::try_from(args.max_size).ok().filter(|max| *max > 0),
            ..Options::default()
        };
        let mode = args.mode().unwrap_or(0o750);
        let files = Arc::new(Files { directory, create: args.create_directory, mode, options });
        let behaviour: Arc<dyn Storage> = files.clone();
        let handler = cx.handle("handler", behaviour);
        Ok((Self { files }, StorageExports { handler }))
    }

    async fn run(self, (): (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        match self.files.prepare() {
            Ok(()) => cx.health().healthy(format!("keeping queues in {}", self.files.directory.display())),
            Err(error) => {
                tracing::error!(%error, "the storage directory cannot be used");
                cx.health().unhealthy(error.to_string());
            }
        }
        cx.stopping().await;
        ((), Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_not_written_is_safe() {
        let args = StorageFileArguments::default();
        assert!(args.fsync && args.create_directory && args.check().is_ok());
        let field = |args: StorageFileArguments| args.check().unwrap_err().field.unwrap();
        for mode in ["75x", "", "0070", "07777"] {
            let wrong = StorageFileArguments { directory_permissions: mode.to_owned(), ..args.clone() };
            assert_eq!(field(wrong), "directory_permissions", "{mode}");
        }
        assert_eq!(field(StorageFileArguments { max_size: 100, ..args }), "max_size");
    }

    #[tokio::test]
    async fn a_client_has_a_directory_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a/b");
        let files = Files { directory: directory.clone(), create: true, mode: 0o700, options: Options::default() };
        let log = files.open("otelcol.exporter.otlp.x").await.unwrap();
        let again = files.open("otelcol.exporter.otlp.x").await.unwrap();
        assert!(Arc::ptr_eq(&log, &again));
        let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(directory.join("otelcol.exporter.otlp.x").is_dir());
        let missing =
            Files { directory: root.path().join("c"), create: false, mode: 0o700, options: Options::default() };
        assert!(missing.open("x").await.unwrap_err().to_string().contains("/c: "));
    }
}
