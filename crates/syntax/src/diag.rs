//! What is wrong with a file, said to the person who wrote it.

use crate::Span;

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong; something is worth knowing.
    Note,
    /// The file loads all the same.
    Warning,
    /// The file does not load.
    Error,
}

/// One mistake, where it stands, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the load.
    pub severity: Severity,
    /// Where it stands; `None` for mistakes without a place, such as a missing file.
    pub span: Option<Span>,
    /// Alloy's wording.
    pub message: String,
    /// What was expected, the nearest name, what to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span: span.into(), message: message.into(), help: None }
    }

    /// A warning at a place.
    pub fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, span: span.into(), message: message.into(), help: None }
    }

    /// A note at a place.
    pub fn note(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, span: span.into(), message: message.into(), help: None }
    }

    /// Adds the `help:` line.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Several diagnostics, in the order found.
pub type Diagnostics = Vec<Diagnostic>;
