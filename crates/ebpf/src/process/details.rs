//! What only /proc knows of a process. Read when somebody asks, of processes that were chosen.

use std::path::PathBuf;

/// Longer files of /proc are cut; a command line or an environment can have megabytes.
const LONGEST: u64 = 128 * 1024;

/// The files of one process. Each answer is empty if the process is gone or may not be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Details {
    pid: u32,
}

/// A file that is mapped with the right to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// Device and inode: the same file under whatever name.
    pub file: (String, u64),
    /// Its name as the process sees it.
    pub path: String,
}

impl Details {
    /// Of this process.
    pub fn of(pid: u32) -> Self {
        Self { pid }
    }

    fn path(self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.pid))
    }

    fn bytes(self, file: &str) -> Vec<u8> {
        use std::io::Read;
        let mut bytes = Vec::new();
        if let Ok(file) = std::fs::File::open(self.path(file)) {
            // What could be read before the process went is good enough.
            let _ = file.take(LONGEST).read_to_end(&mut bytes);
        }
        bytes
    }

    /// The program's file, as the process names it.
    pub fn executable(self) -> Option<PathBuf> {
        std::fs::read_link(self.path("exe")).ok()
    }

    /// The words of the command line.
    pub fn command(self) -> Vec<String> {
        words(&self.bytes("cmdline"))
    }

    /// The environment it was started with, as `NAME=value`.
    pub fn environment(self) -> Vec<String> {
        words(&self.bytes("environ"))
    }

    /// Its control group (version 2), such as `/system.slice/nginx.service`.
    pub fn control_group(self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes("cgroup")).into_owned();
        text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
    }

    /// Where its files are from our side: its root.
    pub fn file(self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    /// Files it has mapped to run, each once.
    pub fn mappings(self) -> Vec<Mapping> {
        mappings(&String::from_utf8_lossy(&self.bytes("maps")))
    }
}

fn words(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

fn mappings(text: &str) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        // 7f0c-7f0d r-xp 00001000 fe:00 1234   /usr/lib/libssl.so.3
        let mut fields = line.splitn(6, ' ');
        let (Some(rights), Some(device), Some(inode)) = (fields.nth(1), fields.nth(1), fields.next()) else { continue };
        let path = fields.next().unwrap_or_default().trim_start();
        if !rights.contains('x') || !path.starts_with('/') {
            continue;
        }
        let mapping = Mapping {
            file: (device.to_owned(), inode.parse().unwrap_or_default()),
            path: path.trim_end_matches(" (deleted)").to_owned(),
        };
        if !found.contains(&mapping) {
            found.push(mapping);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_programs_are_found() {
        let text = "55e0-55e1 r--p 00000000 fe:00 11                         /usr/bin/x\n\
                    55e1-55e2 r-xp 00001000 fe:00 11                         /usr/bin/x\n\
                    7f00-7f01 r-xp 00001000 fe:00 12                         /usr/lib/with space.so (deleted)\n\
                    7f00-7f01 r-xp 00000000 00:00 0                          [vdso]\n";
        let paths: Vec<String> = mappings(text).into_iter().map(|mapping| mapping.path).collect();
        assert_eq!(paths, ["/usr/bin/x", "/usr/lib/with space.so"]);
    }

    #[test]
    fn our_own_details_are_there() {
        let own = Details::of(std::process::id());
        assert!(own.executable().is_some());
        assert!(!own.command().is_empty());
        assert!(
            own.mappings().iter().any(
                |mapping| Some(mapping.path.as_ref()) == own.executable().as_deref().and_then(|path| path.to_str())
            )
        );
        assert!(Details::of(u32::MAX).command().is_empty());
    }
}
