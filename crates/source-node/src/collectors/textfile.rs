//! `textfile`: what others have written into files, to be shown beside our own.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use super::textformat::{self, Family};
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

struct Textfile {
    directory: String,
}

pub(super) fn build(args: &UnixArguments, _: &Arc<Roots>) -> Result<Boxed, BuildError> {
    Ok(Box::new(Textfile { directory: args.textfile.directory.clone() }))
}

/// What all files together hold.
#[derive(Default)]
struct Gathered {
    /// Each with the help of the first of its name.
    families: Vec<Family>,
    helps: HashMap<String, Option<String>>,
    sources: HashMap<String, Vec<String>>,
    times: Vec<(String, i64)>,
    failed: bool,
}

impl Collector for Textfile {
    fn name(&self) -> &'static str {
        "textfile"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let mut gathered = Gathered::default();
        for dir in folders(&self.directory) {
            gathered.folder(&dir);
        }
        for family in &gathered.families {
            let help = gathered.helps.get(&family.name).cloned().flatten();
            let source = || format!("Metric read from {}", gathered.sources[&family.name].join(", "));
            family.add_to(out, &help.unwrap_or_else(source));
        }
        for (file, time) in &gathered.times {
            let help = "When a file that was read was written.";
            out.gauge("node_textfile_mtime_seconds", help, &[("file", file)], *time);
        }
        let help = "Whether a file or a folder could not be read.";
        out.gauge("node_textfile_scrape_error", help, &[], gathered.failed);
        Ok(())
    }
}

impl Gathered {
    fn folder(&mut self, dir: &Path) {
        let names = match files::list(dir) {
            Ok(names) => names,
            Err(error) => {
                self.failed = true;
                tracing::error!(collector = "textfile", "reading a folder: {error}");
                return;
            }
        };
        for name in names.iter().filter(|name| name.ends_with(".prom")) {
            let path = dir.join(name);
            if let Err(why) = self.file(&path) {
                self.failed = true;
                tracing::error!(collector = "textfile", "{}: {why}", path.display());
            }
        }
    }

    fn file(&mut self, path: &Path) -> Result<(), String> {
        let text = files::read(path).map_err(|error| error.to_string())?;
        let parsed = textformat::parse(&text)?;
        if parsed.has_timestamps {
            return Err("samples with times are not taken, so the whole file is left out".into());
        }
        let shown = path.display().to_string();
        let mut differs = None;
        for family in parsed.families {
            match (self.helps.get(&family.name), &family.help) {
                (Some(Some(first)), Some(second)) if first != second => {
                    differs = Some(format!("the help of {} differs from that in another file", family.name));
                    continue;
                }
                (Some(Some(_)), _) => {}
                _ => drop(self.helps.insert(family.name.clone(), family.help.clone())),
            }
            self.sources.entry(family.name.clone()).or_default().push(shown.clone());
            self.families.push(family);
        }
        // Only once it is read, so that a file which fails does not look fresh.
        let time = std::fs::metadata(path).map_err(|error| error.to_string())?.mtime();
        self.times.push((shown, time));
        differs.map_or(Ok(()), Err)
    }
}

/// The folders that a pattern names: `*` and `?` stand for letters of one part of the path.
fn folders(pattern: &str) -> Vec<PathBuf> {
    if pattern.is_empty() {
        return Vec::new();
    }
    if !pattern.contains(['*', '?']) {
        return vec![pattern.into()];
    }
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|dir| step(dir, part)).collect();
    }
    // Nothing of that name: the folder that cannot be read is said.
    if found.is_empty() { vec![pattern.into()] } else { found }
}

fn step(dir: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?']) {
        let path = dir.join(part);
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    let listed = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let names = files::list(listed).unwrap_or_default();
    names.iter().filter(|name| matches(part.as_bytes(), name.as_bytes())).map(|name| dir.join(name)).collect()
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        (Some((b'?', rest)), Some((_, name))) => matches(rest, name),
        (Some((letter, rest)), Some((first, name))) => letter == first && matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(directory: &Path) -> String {
        let mut out = Families::new();
        Textfile { directory: directory.display().to_string() }.collect(&mut out).unwrap();
        crate::render(&mut [out])
    }

    #[test]
    fn files_that_are_wrong_cost_themselves_alone() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("good.prom", "# HELP a Good.\na{x=\"1\"} 1\n");
        write("same.prom", "a{y=\"2\"} 2\n");
        write("times.prom", "b 1 1700000000000\n");
        write("broken.prom", "c{ 1\n");
        write("other.txt", "d 1\n");
        let text = collect(dir.path());
        assert!(text.contains("# HELP a Good.\n# TYPE a untyped\n"), "{text}");
        assert!(text.contains("a{x=\"1\"} 1\n") && text.contains("a{y=\"2\"} 2\n"), "{text}");
        assert!(text.contains("node_textfile_scrape_error 1\n"), "{text}");
        assert_eq!(text.matches("node_textfile_mtime_seconds{").count(), 2, "{text}");
        assert!(!text.contains("\nb ") && !text.contains("\nc") && !text.contains("\nd "), "{text}");
    }

    #[test]
    fn help_must_agree_and_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("1.prom"), "# HELP a One.\na{x=\"1\"} 1\n").unwrap();
        std::fs::write(dir.path().join("2.prom"), "# HELP a Two.\na{x=\"2\"} 2\nb 1\n").unwrap();
        let text = collect(dir.path());
        assert!(text.contains("a{x=\"1\"} 1\n") && !text.contains("a{x=\"2\"}"), "{text}");
        assert!(text.contains("# HELP b Metric read from ") && text.contains("scrape_error 1\n"), "{text}");
    }

    #[test]
    fn a_folder_may_be_a_pattern_or_none() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, metric) in [("app1", "a 1\n"), ("app2", "b 1\n"), ("else", "c 1\n")] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
            std::fs::write(dir.path().join(folder).join("x.prom"), metric).unwrap();
        }
        let text = collect(&dir.path().join("app*"));
        assert!(text.contains("\na 1\n") && text.contains("\nb 1\n") && !text.contains("\nc 1\n"), "{text}");
        assert!(collect(&dir.path().join("none")).contains("scrape_error 1\n"));
        assert!(collect(Path::new("")).contains("scrape_error 0\n"));
    }
}
