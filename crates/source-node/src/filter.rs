//! Which devices, chips or fields a user wants to see.

use corten_component::BuildError;
use corten_signal::regexp;
use regex::Regex;

/// A regular expression that may match anywhere; an empty one is none.
pub(crate) fn pattern(field: &str, text: &str) -> Result<Option<Regex>, BuildError> {
    if text.is_empty() {
        return Ok(None);
    }
    regexp::compile(text).map(Some).map_err(|why| BuildError::at(field, why))
}

/// What to leave out, and what alone to keep.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    exclude: Option<Regex>,
    include: Option<Regex>,
}

impl Filter {
    /// Of the arguments `BLOCK.{what}_exclude` and `BLOCK.{what}_include`.
    pub(crate) fn new(block: &str, what: &str, exclude: &str, include: &str) -> Result<Self, BuildError> {
        let exclude = pattern(&format!("{block}.{what}_exclude"), exclude)?;
        let include = pattern(&format!("{block}.{what}_include"), include)?;
        Ok(Self { exclude, include })
    }

    /// Of an argument that names what to leave out.
    pub(crate) fn without(field: &str, exclude: &str) -> Result<Self, BuildError> {
        Ok(Self { exclude: pattern(field, exclude)?, include: None })
    }

    /// Whether this one is not wanted.
    pub(crate) fn ignores(&self, name: &str) -> bool {
        self.exclude.as_ref().is_some_and(|pattern| pattern.is_match(name))
            || self.include.as_ref().is_some_and(|pattern| !pattern.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_anywhere_and_empty_ones_match_nothing() {
        let filter = Filter::new("arp", "device", "veth", "").unwrap();
        assert!(filter.ignores("myveth0") && !filter.ignores("eth0"));
        let filter = Filter::new("arp", "device", "", "^eth").unwrap();
        assert!(filter.ignores("myeth0") && !filter.ignores("eth0"));
        let error = Filter::new("arp", "device", "(", "").unwrap_err();
        assert_eq!(error.field.as_deref(), Some("arp.device_exclude"));
    }
}
