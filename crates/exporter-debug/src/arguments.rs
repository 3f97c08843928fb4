//! What the user writes.

use corten_component::{Arguments, Invalid};
use corten_net::args::DebugMetrics;

use crate::text::Verbosity;

/// The arguments of `otelcol.exporter.debug`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct DebugArguments {
    /// `basic`: one line a batch, with counts; `normal`: one line an item; `detailed`: everything.
    pub verbosity: Verbosity,
    /// How many times the same text is written in each second.
    pub sampling_initial: u64,
    /// After that, the same text is written every so many times; 1 writes all, 0 none.
    pub sampling_thereafter: u64,
    /// Whether the text goes to Corten's log, at level info, instead of to `output_paths`.
    pub use_internal_logger: bool,
    /// Where the text goes otherwise: `stdout`, `stderr` or paths of files, which are appended to.
    pub output_paths: Vec<String>,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

impl Default for DebugArguments {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            output_paths: vec!["stdout".into()],
            debug_metrics: DebugMetrics::default(),
        }
    }
}

impl DebugArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.use_internal_logger {
            return Ok(());
        }
        if self.output_paths.is_empty() {
            let help = "name \"stdout\", \"stderr\" or a file, or set use_internal_logger = true";
            return Err(Invalid::at("output_paths", "output_paths must not be empty").with_help(help));
        }
        match self.output_paths.iter().find(|path| path.is_empty()) {
            Some(_) => Err(Invalid::at("output_paths", "output_paths must not contain an empty path")),
            None => Ok(()),
        }
    }
}
