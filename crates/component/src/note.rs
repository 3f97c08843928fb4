//! What is worth knowing about arguments that are not wrong.

/// Something to know about a component's arguments: what a default means here, who can reach a listener.
///
/// `validate` prints it at its place; a load says it in the log when it is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it follows from, as dotted paths (`http.endpoint`); it is shown at the first, or at the block around it.
    /// Where one of them is written and its value is not known without running, nothing is said.
    pub fields: Vec<&'static str>,
    /// What there is to know, in a sentence.
    pub message: String,
    /// What to write to have it otherwise.
    pub help: Option<String>,
    /// Whether it is a danger: a warning in the log.
    pub caution: bool,
}

impl Note {
    /// Something that follows from these arguments.
    pub fn new(fields: impl IntoIterator<Item = &'static str>, message: impl Into<String>) -> Self {
        Self { fields: fields.into_iter().collect(), message: message.into(), help: None, caution: false }
    }

    /// Says what to write to have it otherwise.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Makes it a danger.
    #[must_use]
    pub fn caution(mut self) -> Self {
        self.caution = true;
        self
    }
}
