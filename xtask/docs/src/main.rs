//! Writes `docs/reference` from what the binary declares: a page per component, one of functions, one of the command
//! line, and an index. With `--check` nothing is written, and pages that differ are named.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod cli;
mod component;
mod functions;
mod index;
mod links;
mod markdown;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// Pages by file name.
type Pages = BTreeMap<String, String>;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    // Help texts are what the program itself prints: this program can be it.
    if args.first().is_some_and(|first| first == cli::AS_CORTEN) {
        return corten_pipeline::cli::main(std::iter::once("corten".into()).chain(args.into_iter().skip(1)));
    }
    let check = match args.as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => {
            eprintln!("usage: xtask-docs [--check]");
            return ExitCode::FAILURE;
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match pages(&root).and_then(|pages| put(&root.join("docs/reference"), &pages, check)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn pages(root: &Path) -> Result<Pages> {
    let registry = corten_pipeline::registry()?;
    let links = links::Links::new(&registry);
    let mut pages = Pages::new();
    for registration in registry.iter() {
        let path = root.join("docs/examples").join(format!("{}.alloy", registration.name));
        let example = std::fs::read_to_string(&path)
            .with_context(|| format!("every component has an example; write {}", path.display()))?;
        pages.insert(format!("{}.md", registration.name), component::page(registration, &example, &links));
    }
    pages.insert("functions.md".into(), functions::page());
    pages.insert("command-line.md".into(), cli::page()?);
    pages.insert("README.md".into(), index::page(&registry));
    Ok(pages)
}

/// Writes the pages and removes those that are no longer; or says what it would do.
fn put(folder: &Path, pages: &Pages, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (name, text) in pages {
        let path = folder.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        stale.push(path.clone());
        if !check {
            std::fs::create_dir_all(folder)?;
            std::fs::write(&path, text)?;
        }
    }
    for path in others(folder, pages)? {
        if !check {
            std::fs::remove_file(&path)?;
        }
        stale.push(path);
    }
    let names: Vec<_> = stale.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
    match (check, names.is_empty()) {
        (true, false) => bail!("not as the code declares: {}; run `cargo xtask docs` and commit", names.join(", ")),
        (false, false) => println!("docs/reference: wrote {}", names.join(", ")),
        _ => println!("docs/reference: {} pages, all current", pages.len()),
    }
    Ok(())
}

fn others(folder: &Path, pages: &Pages) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut others = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !pages.contains_key(&*entry.file_name().to_string_lossy()) {
            others.push(entry.path());
        }
    }
    Ok(others)
}
