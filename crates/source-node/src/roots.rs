//! Where the machine's files are.

use std::path::{Path, PathBuf};

/// The places below which collectors read; another machine's files may lie there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/`.
    pub rootfs: PathBuf,
    /// `/run/udev/data`.
    pub udev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), rootfs: "/".into(), udev: "/run/udev/data".into() }
    }
}

impl Roots {
    /// A file below `/proc`.
    pub fn proc(&self, path: impl AsRef<Path>) -> PathBuf {
        self.proc.join(path)
    }

    /// A file below `/sys`.
    pub fn sys(&self, path: impl AsRef<Path>) -> PathBuf {
        self.sys.join(path)
    }

    /// A file below `/`; `path` may begin with a slash.
    pub fn rootfs(&self, path: &str) -> PathBuf {
        self.rootfs.join(path.trim_start_matches('/'))
    }

    /// A file of udev's database.
    pub fn udev(&self, name: &str) -> PathBuf {
        self.udev.join(name)
    }

    /// A path of this process's view as the machine names it: without the root's prefix.
    pub fn strip<'a>(&self, path: &'a str) -> &'a str {
        let root = self.rootfs.to_str().unwrap_or("/");
        if root == "/" {
            return path;
        }
        match path.strip_prefix(root) {
            Some("") => "/",
            Some(stripped) => stripped,
            None => path,
        }
    }

    /// Whether `/proc` is a kernel's and not a copy, so that system calls tell of the same machine as the files.
    pub fn is_live(&self) -> bool {
        rustix::fs::statfs(&self.proc).is_ok_and(|stat| stat.f_type == rustix::fs::PROC_SUPER_MAGIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_proc_is_told_from_the_kernels() {
        assert!(Roots::default().is_live());
        let dir = tempfile::tempdir().unwrap();
        assert!(!Roots { proc: dir.path().to_owned(), ..Roots::default() }.is_live());
    }

    #[test]
    fn the_root_is_stripped_and_never_leaves_nothing() {
        let roots = Roots { rootfs: "/host".into(), ..Roots::default() };
        assert_eq!(roots.strip("/host/var"), "/var");
        assert_eq!(roots.strip("/host"), "/");
        assert_eq!(roots.strip("/else"), "/else");
        assert_eq!(Roots::default().strip("/var"), "/var");
        assert_eq!(roots.rootfs("/etc/os-release"), Path::new("/host/etc/os-release"));
    }
}
