//! A machine's files below a root, where symbolic links mean what they mean on that machine.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Result};
use std::path::{Component, Path, PathBuf};

/// As many links in one path as the kernel follows.
const LINKS: usize = 40;

/// The files of a machine.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether it is this machine's.
    pub(super) fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path of the machine is, whose links have been followed.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The path with all links followed, as the machine names it. It exists.
    pub(super) fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.follow(path.as_ref(), true)
    }

    /// What a link says, and where the link itself is, as the machine names it.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Result<(PathBuf, PathBuf)> {
        let link = self.follow(path.as_ref(), false)?;
        Ok((std::fs::read_link(self.place(&link))?, link))
    }

    /// The names in a folder, sorted.
    pub(super) fn list(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        let folder = self.place(&self.resolve(path)?);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A text without white space around it.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        Ok(std::fs::read_to_string(self.place(&self.resolve(path)?))?.trim().to_owned())
    }

    fn follow(&self, path: &Path, also_last: bool) -> Result<PathBuf> {
        let mut done = PathBuf::from("/");
        let mut pending = parts(path);
        let mut links = 0;
        while let Some(next) = pending.pop() {
            if next == ".." {
                done.pop();
                continue;
            }
            let here = done.join(next);
            match std::fs::read_link(self.place(&here)) {
                Ok(target) if also_last || !pending.is_empty() => {
                    links += 1;
                    if links > LINKS {
                        return Err(Error::other("too many symbolic links"));
                    }
                    if target.is_absolute() {
                        done = PathBuf::from("/");
                    }
                    pending.append(&mut parts(&target));
                }
                // It is there, and is no link.
                Err(error) if error.kind() != ErrorKind::InvalidInput => return Err(error),
                _ => done = here,
            }
        }
        Ok(done)
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |component: Component<'_>| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("nix/store/abc-system")).unwrap();
        fs::create_dir_all(root.join("run")).unwrap();
        fs::write(root.join("nix/store/abc-system/version"), "24.05\n").unwrap();
        symlink("/nix/store/abc-system", root.join("run/current")).unwrap();
        symlink("../../../../run/current", root.join("run/up")).unwrap();
        symlink("loop", root.join("run/loop")).unwrap();
        symlink("/etc/passwd", root.join("run/outside")).unwrap();
        let tree = Tree::new(root);
        for path in ["/run/current", "/run/up", "run/up/../abc-system/."] {
            assert_eq!(tree.resolve(path).unwrap(), Path::new("/nix/store/abc-system"), "{path}");
        }
        assert_eq!(tree.read("/run/up/version").unwrap(), "24.05");
        assert_eq!(tree.list("/run/up").unwrap(), ["version"]);
        let (target, link) = tree.link("/run/up").unwrap();
        assert_eq!((target.to_str(), link.to_str()), (Some("../../../../run/current"), Some("/run/up")));
        assert!(tree.resolve("/run/loop").unwrap_err().to_string().contains("too many"));
        assert_eq!(tree.resolve("/run/outside").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(tree.resolve("/nowhere/x").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(tree.link("/nix/store").is_err());
    }
}
