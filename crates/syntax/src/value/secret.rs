//! Text that must not be shown.

use std::fmt;
use std::sync::Arc;

/// A secret. Its only way out is [`Secret::expose`]; it prints as `(secret)`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes text as a secret.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that must send or compare it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Text that is a secret only if its source said so.
#[derive(Clone, PartialEq, Eq)]
pub struct OptionalSecret {
    /// The text; shown only when `is_secret` is false.
    text: Secret,
    /// Whether it must not be shown.
    pub is_secret: bool,
}

impl OptionalSecret {
    /// Takes text.
    pub fn new(text: impl Into<Arc<str>>, is_secret: bool) -> Self {
        Self { text: Secret::new(text), is_secret }
    }

    /// The text if it may be shown.
    pub fn plain(&self) -> Option<&str> {
        (!self.is_secret).then(|| self.text.expose())
    }

    /// As a secret.
    pub fn secret(&self) -> &Secret {
        &self.text
    }
}

impl fmt::Debug for OptionalSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plain() {
            Some(text) => write!(f, "{text:?}"),
            None => f.write_str("(secret)"),
        }
    }
}
