//! `cargo xtask tidy`: house rules that the compiler does not know.

mod documents;
mod layers;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lexopt::Parser;
use lexopt::prelude::Long;

use crate::{bpf, docs, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask tidy [--no-docs]

Checks that crates depend on lower layers only, that every source file opens with `//!` and stays short, that text
is clean, that what the documents name exists, and that generated pages are as the code declares them.

  --no-docs   leave the generated pages out (checking them compiles all components)
";

/// What is wrong, each with its place.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn add(&mut self, place: impl std::fmt::Display, problem: impl std::fmt::Display) {
        self.0.push(format!("{place}: {problem}"));
    }
}

/// A text file of the project.
struct TextFile {
    /// From the root, with `/`.
    name: String,
    text: String,
}

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let mut with_docs = true;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("no-docs") => with_docs = false,
            other => return Err(other.unexpected().into()),
        }
    }
    check(with_docs)
}

/// All rules; every breach is printed.
pub(crate) fn check(with_docs: bool) -> Result<()> {
    let mut report = Report::default();
    let files = files()?;
    layers::check(&workspace::metadata(false)?, &mut report);
    sources::check(&files, &mut report);
    documents::check(&files, &mut report);
    for object in bpf::stale()? {
        report.add(object, "is not compiled of its sources: run `cargo xtask bpf` and commit it");
    }
    for problem in &report.0 {
        println!("{problem}");
    }
    if !report.0.is_empty() {
        bail!("{} house rules are broken", report.0.len());
    }
    if with_docs { docs::generate(true) } else { Ok(()) }
}

const FOLDERS_LEFT_OUT: &[&str] = &["target", "node_modules", "data-corten", "corpus", "artifacts", "__pycache__"];
const ENDINGS: &[&str] = &["rs", "toml", "md", "alloy", "py", "go", "java", "mjs", "nix", "c", "h", "sh", "run"];

/// All text files that belong to the project, sorted.
fn files() -> Result<Vec<TextFile>> {
    let mut todo = vec![workspace::root().to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_symlink() || name == ".git" {
                continue;
            }
            if path.is_dir() {
                if !FOLDERS_LEFT_OUT.contains(&name.as_str()) {
                    todo.push(path);
                }
            } else if ENDINGS.contains(&name.rsplit('.').next().unwrap_or_default()) || name == "run" {
                files.push(TextFile {
                    name: relative(&path),
                    text: std::fs::read_to_string(&path).with_context(|| path.display().to_string())?,
                });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn relative(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(workspace::root()).unwrap_or(path).to_owned();
    path.to_string_lossy().replace('\\', "/")
}
