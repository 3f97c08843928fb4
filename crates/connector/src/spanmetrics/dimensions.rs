//! The attributes that series are told apart by.

use corten_signal::otlp::views::ValueView;
use regex::Regex;

use super::arguments::Dimension;
use super::glob;
use crate::attributes::Names;

pub(crate) const SERVICE_NAME: &str = "service.name";
pub(crate) const SPAN_NAME: &str = "span.name";
pub(crate) const SPAN_KIND: &str = "span.kind";
pub(crate) const STATUS_CODE: &str = "status.code";
pub(crate) const INSTANCE: &str = "collector.instance.id";

/// Whether a list of dimensions can be used.
pub(crate) fn validate(list: &[Dimension]) -> Result<(), String> {
    let mut names = vec![SERVICE_NAME, SPAN_KIND, STATUS_CODE, SPAN_NAME, INSTANCE];
    let mut globs = Vec::new();
    for dimension in list {
        let (name, pattern) = (&dimension.name, &dimension.glob);
        match (name.is_empty(), pattern.is_empty()) {
            (false, false) => {
                return Err(format!(
                    "dimension entry must set only one of `name` or `glob`, got both: name={name:?} glob={pattern:?}"
                ));
            }
            (true, true) => return Err("dimension entry must set one of `name` or `glob`".to_owned()),
            (false, true) if names.contains(&name.as_str()) => {
                return Err(format!("duplicate dimension name {name:?}"));
            }
            (false, true) => names.push(name),
            (true, false) if dimension.default.is_some() => {
                return Err(format!("`default` is not supported on `glob` dimension {pattern:?}"));
            }
            (true, false) => {
                let compiled =
                    glob::compile(pattern).map_err(|why| format!("invalid dimension glob {pattern:?}: {why}"))?;
                globs.push((pattern, compiled));
            }
        }
    }
    for name in names {
        if let Some((pattern, _)) = globs.iter().find(|(_, glob)| glob.is_match(name)) {
            return Err(format!("duplicate dimension name {name:?} conflicting with glob {pattern:?}"));
        }
    }
    Ok(())
}

/// A list of dimensions, ready for use.
#[derive(Debug, Default)]
pub(crate) struct Dimensions {
    named: Vec<(String, Option<String>)>,
    globs: Vec<Regex>,
}

impl Dimensions {
    pub(crate) fn new(list: &[Dimension]) -> Result<Self, String> {
        let mut dimensions = Self::default();
        for dimension in list {
            if dimension.glob.is_empty() {
                dimensions.named.push((dimension.name.clone(), dimension.default.clone()));
            } else {
                dimensions.globs.push(glob::compile(&dimension.glob)?);
            }
        }
        Ok(dimensions)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.globs.is_empty()
    }

    /// Gives each dimension that there is: of the span, or else of what is around it, or else its default.
    pub(crate) fn each(&self, span: &Names<'_>, around: &Names<'_>, mut give: impl FnMut(&str, ValueView<'_>)) {
        for (name, default) in &self.named {
            if let Some(value) = span.get(name) {
                give(name, value);
            } else if let Some(value) = around.get(name) {
                give(name, value);
            } else if let Some(value) = default {
                give(name, ValueView::Str(value));
            }
        }
        if self.globs.is_empty() {
            return;
        }
        let matches = |name: &str| self.globs.iter().any(|glob| glob.is_match(name));
        for (name, attribute) in span.sorted().into_iter().filter(|(name, _)| matches(name)) {
            give(name, attribute.value());
        }
        let others = around.sorted().into_iter().filter(|(name, _)| matches(name) && span.get(name).is_none());
        for (name, attribute) in others {
            give(name, attribute.value());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Dimension {
        Dimension { name: name.to_owned(), ..Dimension::default() }
    }

    fn globbed(glob: &str) -> Dimension {
        Dimension { glob: glob.to_owned(), ..Dimension::default() }
    }

    #[test]
    fn names_are_distinct() {
        assert_eq!(validate(&[named("a"), named("b"), globbed("http.*")]), Ok(()));
        assert_eq!(validate(&[named("a"), named("a")]).unwrap_err(), "duplicate dimension name \"a\"");
        assert!(validate(&[named("span.name")]).is_err() && validate(&[named("collector.instance.id")]).is_err());
        assert!(validate(&[globbed("span.*")]).unwrap_err().contains("conflicting with glob \"span.*\""));
        assert!(validate(&[named("a"), globbed("[ab]")]).is_err());
        assert!(validate(&[Dimension::default()]).unwrap_err().contains("one of `name` or `glob`"));
        assert!(validate(&[Dimension { glob: "b".into(), ..named("a") }]).unwrap_err().contains("only one of"));
        assert!(validate(&[Dimension { default: Some("x".into()), ..globbed("b") }]).is_err());
        assert!(validate(&[globbed("a[")]).unwrap_err().starts_with("invalid dimension glob \"a[\""));
    }
}
