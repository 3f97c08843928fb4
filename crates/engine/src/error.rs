//! What a load answers.

use std::fmt;
use std::time::Duration;

use corten_syntax::{Diagnostic, Diagnostics, Severity, SourceMap};

/// Where a load failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadStage {
    /// The files could not be read or parsed.
    Read,
    /// The graph is wrong, a block could not be evaluated or built, or a resource could not be had.
    Graph,
}

/// A load that failed. What ran before runs on.
#[derive(Debug, Clone)]
pub struct LoadError {
    /// How far it came.
    pub stage: LoadStage,
    /// The path or name that was to be loaded.
    pub origin: String,
    /// The files that the diagnostics point into, imported ones included.
    pub source_map: SourceMap,
    /// Everything that is wrong; never empty.
    pub diagnostics: Diagnostics,
}

/// `FILE:LINE:COL: message`, `-: message` without a place.
pub(crate) fn line(map: &SourceMap, diagnostic: &Diagnostic) -> String {
    format!("{}: {}", place(map, diagnostic.span), diagnostic.message)
}

pub(crate) fn place(map: &SourceMap, span: Option<corten_syntax::Span>) -> String {
    match span.and_then(|span| Some((span, map.get(span.file)?))) {
        Some((span, file)) => {
            let position = file.position(span.start);
            format!("{}:{}:{}", file.name, position.line, position.column)
        }
        None => "-".to_owned(),
    }
}

/// Several diagnostics in one line: the first and how many follow.
pub(crate) fn summary(map: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    let Some(first) = errors.first() else { return "no diagnostics".to_owned() };
    match errors.len() {
        1 => line(map, first),
        n => format!("{} (and {} more diagnostics)", line(map, first), n - 1),
    }
}

/// One line, as `/-/reload` answers.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = summary(&self.source_map, &self.diagnostics);
        match self.stage {
            LoadStage::Read => write!(f, "reading config path {:?}: {summary}", self.origin),
            LoadStage::Graph => write!(f, "error during the initial load: {summary}"),
        }
    }
}

impl std::error::Error for LoadError {}

/// What a load did.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// The files that were loaded, imported ones included.
    pub source_map: SourceMap,
    /// Warnings, such as deprecated functions.
    pub warnings: Diagnostics,
    /// SHA-256 of the loaded files in lower-case hex.
    pub sha256: String,
    /// The names of those of its own files that write out a secret.
    pub secret_files: Vec<String>,
    /// Components that did not run before.
    pub started: usize,
    /// Components whose instance was replaced.
    pub replaced: usize,
    /// Components that took new arguments while running.
    pub updated: usize,
    /// Components that have gone.
    pub stopped: usize,
    /// Components that were left alone.
    pub unchanged: usize,
    /// Instances that had not ended by the deadline and were abandoned.
    pub abandoned: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What a drain did.
#[derive(Debug, Clone, Default)]
pub struct DrainReport {
    /// Components that ended in time.
    pub stopped: usize,
    /// Components that had not ended by the deadline.
    pub abandoned: Vec<String>,
    /// How long it took.
    pub took: Duration,
}
