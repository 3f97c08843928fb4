//! What the documents promise exists: files that they link to, chores that they name; and the files that a project
//! must have.

use super::{Report, TextFile};
use crate::{verb_names, workspace};

const NEEDED: &[&str] = &[
    ".ci/run",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "fuzz/Cargo.lock",
    "rustfmt.toml",
];

pub(super) fn check(files: &[TextFile], report: &mut Report) {
    for name in NEEDED {
        if !workspace::root().join(name).is_file() {
            report.add(name, "is missing");
        }
    }
    let ignored = std::fs::read_to_string(workspace::root().join(".gitignore")).unwrap_or_default();
    if ignored.lines().any(|line| line.trim_matches('/') == "Cargo.lock") {
        report.add(".gitignore", "leaves Cargo.lock out; builds must be the same everywhere");
    }
    for file in files.iter().filter(|file| file.name.ends_with(".md")) {
        for (number, line) in file.text.lines().enumerate() {
            let place = format!("{}:{}", file.name, number + 1);
            for verb in chores(line).filter(|verb| !verb_names().any(|name| name == *verb)) {
                report.add(&place, format_args!("`cargo xtask {verb}` does not exist"));
            }
            for link in links(line).filter(|link| !exists(&file.name, link)) {
                report.add(&place, format_args!("links to {link}, which does not exist"));
            }
        }
    }
}

/// The chores that a line tells the reader to run.
fn chores(line: &str) -> impl Iterator<Item = &str> {
    line.split("cargo xtask ").skip(1).filter_map(|rest| {
        let verb = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next()?;
        // `cargo xtask --help`, `cargo xtask CHORE`
        (!verb.is_empty() && !verb.starts_with('-')).then_some(verb)
    })
}

/// Targets of `[text](target)` that are files.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#']).next()?;
        (!target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")).then_some(target)
    })
}

fn exists(document: &str, link: &str) -> bool {
    let folder = workspace::root().join(document);
    folder.parent().is_some_and(|folder| folder.join(link).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chores_and_links_are_found_in_lines() {
        let line = "run `cargo xtask demo --once`, see [the page](docs/a.md#top) and [it](https://example.com)";
        assert_eq!(chores(line).collect::<Vec<_>>(), ["demo"]);
        assert_eq!(links(line).collect::<Vec<_>>(), ["docs/a.md"]);
        assert_eq!(chores("`cargo xtask --help`, cargo xtask CHORE").count(), 0);
    }

    #[test]
    fn what_does_not_exist_is_reported() {
        let text = "Run `cargo xtask dmeo`, then read [this](nowhere.md).\n".to_owned();
        let mut report = Report::default();
        check(&[TextFile { name: "README.md".into(), text }], &mut report);
        for expected in ["`cargo xtask dmeo` does not exist", "links to nowhere.md, which does not exist"] {
            assert!(report.0.iter().any(|problem| problem.ends_with(expected)), "{:?}", report.0);
        }
    }
}
