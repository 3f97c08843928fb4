//! Paths whose last part may have wildcards.

use std::path::{Path, PathBuf};

/// A path with `*` in its last part alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    folder: PathBuf,
    name: String,
}

impl Pattern {
    /// `None` if it cannot be one.
    pub(super) fn new(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').map_or((".", path), |(folder, name)| (folder, name));
        let folder = if folder.is_empty() { "/" } else { folder };
        let (_, extension) = name.rsplit_once('.')?;
        let known = matches!(extension, "json" | "yml" | "yaml" | "JSON" | "YML" | "YAML");
        (known && !folder.contains('*')).then(|| Self { folder: folder.into(), name: name.to_owned() })
    }

    /// Where its files are.
    pub(super) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// The files that it means, sorted by name.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        if !self.name.contains('*') {
            let path = self.joined(&self.name);
            return if path.exists() { vec![path] } else { Vec::new() };
        }
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut files: Vec<PathBuf> =
            names.filter(|name| matches(&self.name, name)).map(|name| self.joined(&name)).collect();
        files.sort();
        files
    }

    /// As it was written: `a.json` stays that, without `./`.
    fn joined(&self, name: &str) -> PathBuf {
        if self.folder == Path::new(".") { name.into() } else { self.folder.join(name) }
    }
}

/// Whether a name is what a pattern with `*` means.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, expected) in [
            ("*.json", "a.json", true),
            ("*.json", ".json", true),
            ("*.json", "a.jsonx", false),
            ("a*b*.yml", "a1b2.yml", true),
            ("a*b*.yml", "ab.yml", true),
            ("a*b*.yml", "a.yml", false),
            ("a*a.yml", "a.yml", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_lists_in_known_languages_are_read() {
        for good in ["a.json", "/x/*.yml", "x/a*b.yaml", "/a.YAML"] {
            assert!(Pattern::new(good).is_some(), "{good}");
        }
        for bad in ["", "a", "a.txt", "*/a.json", "/x*/a.yml", "a.json/"] {
            assert!(Pattern::new(bad).is_none(), "{bad}");
        }
    }
}
