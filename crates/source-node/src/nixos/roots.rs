//! Roots of Nix's garbage collector: links that keep paths of the store alive.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::tree::Tree;

const GCROOTS: &str = "/nix/var/nix/gcroots";
const PROFILES: &str = "/nix/var/nix/profiles";
const STORE: &str = "/nix/store";
/// Folders in folders; deeper ones are no work of Nix.
const DEPTH: usize = 16;

/// How many roots there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Roots {
    /// All that are alive.
    pub(super) all: usize,
    /// Those of results of builds (`gcroots/auto`), dead ones too.
    pub(super) auto: usize,
}

/// Counts roots; `None` without a Nix. What may not be seen is not counted.
pub(super) fn count(tree: &Tree) -> Option<Roots> {
    tree.resolve(GCROOTS).ok()?;
    let mut found = BTreeSet::new();
    for folder in [GCROOTS, PROFILES] {
        if let Ok(folder) = tree.resolve(folder) {
            search(tree, &folder, DEPTH, &mut found);
        }
    }
    let auto = tree.list(format!("{GCROOTS}/auto")).map_or(0, |names| names.len());
    Some(Roots { all: found.len(), auto })
}

fn search(tree: &Tree, folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let Ok(entries) = std::fs::read_dir(tree.place(folder)) else { return };
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => search(tree, &path, depth, found),
            Ok(kind) if kind.is_symlink() => found.extend(root(tree, &path)),
            _ => {}
        }
    }
}

/// The root that a link is, or that the link to which it leads is.
fn root(tree: &Tree, path: &Path) -> Option<PathBuf> {
    let (target, link) = tree.link(path).ok()?;
    if target.starts_with(STORE) {
        return Some(link);
    }
    let next = link.parent()?.join(target);
    let (target, link) = tree.link(next).ok()?;
    target.starts_with(STORE).then_some(link)
}
