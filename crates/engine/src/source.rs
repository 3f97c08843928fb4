//! Where a configuration comes from.

use std::path::{Path, PathBuf};

use corten_syntax::ast::Body;
use corten_syntax::{Diagnostic, Diagnostics, SourceMap, check_encoding, parse};

/// A configuration to load.
#[derive(Debug, Clone)]
pub struct Source(Origin);

#[derive(Debug, Clone)]
enum Origin {
    Path(PathBuf),
    Text { name: String, text: String },
}

/// Text of a configuration with the name that diagnostics print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The texts of a source and the directory that they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) files: Vec<Text>,
    pub(crate) directory: String,
}

impl Source {
    /// A file, or a directory whose direct children `*.alloy` are one configuration.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self(Origin::Path(path.into()))
    }

    /// Text that diagnostics call `name`.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self(Origin::Text { name: name.into(), text: text.into() })
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        match &self.0 {
            Origin::Path(path) => path.display().to_string(),
            Origin::Text { name, .. } => name.clone(),
        }
    }

    pub(crate) fn read(&self) -> Result<Texts, String> {
        match &self.0 {
            Origin::Path(path) => read_path(path),
            Origin::Text { name, text } => Ok(Texts {
                files: vec![Text { name: name.clone(), bytes: text.clone().into_bytes() }],
                directory: ".".to_owned(),
            }),
        }
    }
}

/// Reads a file, or the direct children `*.alloy` of a directory in the order of their names.
pub(crate) fn read_path(path: &Path) -> Result<Texts, String> {
    let why = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let read = |path: &Path| {
        let bytes = std::fs::read(path).map_err(|error| why(path, error))?;
        Ok::<_, String>(Text { name: path.display().to_string(), bytes })
    };
    if !std::fs::metadata(path).map_err(|error| why(path, error))?.is_dir() {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Ok(Texts { files: vec![read(path)?], directory: parent.display().to_string() });
    }
    let mut children = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| why(path, error))? {
        let child = entry.map_err(|error| why(path, error))?.path();
        if child.extension().is_some_and(|extension| extension == "alloy") && !child.is_dir() {
            children.push(child);
        }
    }
    children.sort();
    let files = children.iter().map(|child| read(child)).collect::<Result<_, _>>()?;
    Ok(Texts { files, directory: path.display().to_string() })
}

impl Texts {
    /// The statements of all files. Mistakes of all files are collected; only a wrong encoding ends the search.
    pub(crate) fn parse(&self, map: &mut SourceMap) -> (Body, Diagnostics) {
        let (mut body, mut diagnostics) = (Vec::new(), Vec::new());
        for file in &self.files {
            let text = match check_encoding(&file.bytes) {
                Ok(text) => text,
                Err(why) => {
                    diagnostics.push(Diagnostic::error(None, format!("{}: {why}", file.name)));
                    return (body, diagnostics);
                }
            };
            let (parsed, found) = parse(map, &file.name, text);
            body.extend(parsed.body);
            diagnostics.extend(found);
        }
        (body, diagnostics)
    }
}
