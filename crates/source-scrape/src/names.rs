//! Which names metrics and labels may have.

use corten_component::Enumeration;
use corten_signal::labels::{Labels, NAME};

use crate::parse::ParseError;

/// Which names are valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum NameScheme {
    /// Letters, digits, underscores, and colons in metric names.
    #[default]
    Legacy,
    /// Any text.
    Utf8,
}

/// How names that are not valid in the older scheme are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum Escaping {
    /// Not written: underscores with the legacy scheme of names, as they are with the other.
    #[default]
    #[arg(name = "")]
    Unset,
    /// As they are.
    #[arg(name = "allow-utf-8")]
    AllowUtf8,
    /// With underscores in place of what is not valid.
    Underscores,
    /// Dots as `_dot_`, underscores as two.
    Dots,
    /// With code points, after `U__`.
    Values,
}

impl NameScheme {
    /// # Errors
    /// The first name that is not valid.
    pub(crate) fn check(self, labels: &Labels) -> Result<(), ParseError> {
        let valid = |name: &str, colon: bool| match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => {
                let mut bytes = name.bytes();
                let other = |byte: u8| byte == b'_' || (colon && byte == b':');
                bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || other(first))
                    && bytes.all(|byte| byte.is_ascii_alphanumeric() || other(byte))
            }
        };
        let good = valid(labels.name(), true) && labels.iter().all(|(name, _)| name == NAME || valid(name, false));
        good.then_some(()).ok_or_else(|| ParseError(format!("invalid metric name or label names: {labels}")))
    }
}
