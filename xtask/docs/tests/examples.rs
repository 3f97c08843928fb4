//! The documents' configurations are accepted by `corten validate`, and printed as `corten fmt` would.
//!
//! In Markdown, a block marked `alloy` is a whole configuration; one marked `alloy-fragment` only has to parse.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use corten_syntax::{SourceMap, format, parse};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files below a folder that end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn documents() -> Vec<PathBuf> {
    let mut all = files(&root().join("docs"), "md");
    all.extend(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root().join(name)));
    all
}

/// Code blocks of a language in a Markdown text, with the line that they begin at.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let (mut found, mut open) = (Vec::new(), None::<(usize, String)>);
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start()) {
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, fence) if fence.strip_prefix("```") == Some(language) => open = Some((number + 1, String::new())),
            (None, _) => {}
        }
    }
    found
}

fn assert_valid(what: &str, text: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.alloy");
    std::fs::write(&path, text).expect("a file");
    let args = ["corten".into(), "validate".into(), "--allow-warnings".into(), path.into_os_string()];
    assert_eq!(corten_pipeline::cli::main(args), ExitCode::SUCCESS, "{what} is not valid; see the message above");
}

#[test]
fn configurations_in_documents_are_valid() {
    let mut seen = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        for (line, block) in blocks(&text, "alloy") {
            assert_valid(&format!("{}:{line}", document.display()), &block);
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} configurations were found");
}

#[test]
fn fragments_in_documents_parse() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        for (line, block) in blocks(&text, "alloy-fragment") {
            let (_, problems) = parse(&mut SourceMap::default(), "fragment", &block);
            assert!(problems.is_empty(), "{}:{line}: {problems:?}", document.display());
        }
    }
}

#[test]
fn example_files_are_valid_and_formatted() {
    let examples = files(&root().join("docs/examples"), "alloy");
    let registry = corten_pipeline::registry().expect("a registry");
    for registration in registry.iter() {
        let wanted = format!("{}.alloy", registration.name);
        assert!(examples.iter().any(|path| path.ends_with(&wanted)), "docs/examples/{wanted} is missing");
    }
    for path in examples {
        let text = std::fs::read_to_string(&path).expect("an example");
        assert_valid(&path.display().to_string(), &text);
        assert_eq!(format(&text).as_deref(), Ok(text.as_str()), "{}: run `corten fmt -w` on it", path.display());
    }
}

#[test]
fn blocks_are_found() {
    let text = "a\n```alloy\nx = 1\n```\nb\n```sh\nls\n```\n```alloy\ny = 2\n```\n";
    assert_eq!(blocks(text, "alloy"), [(2, "x = 1\n".to_owned()), (9, "y = 2\n".to_owned())]);
}

#[test]
fn the_walkthrough_shows_the_code_that_is_tested() {
    let example =
        |name| std::fs::read_to_string(root().join("examples/embed-engine/src").join(name)).expect("a source");
    let (tally, main) = (example("tally.rs"), example("main.rs"));
    let guide = std::fs::read_to_string(root().join("CONTRIBUTING.md")).expect("the guide");
    let pieces = blocks(&guide, "rust");
    assert!(pieces.len() >= 5, "{pieces:?}");
    for (line, piece) in pieces {
        assert!(tally.contains(&piece) || main.contains(&piece), "CONTRIBUTING.md:{line} is not in the example");
    }
}
