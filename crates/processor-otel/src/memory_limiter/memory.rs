//! How much memory there is and how much the process takes.

use std::fs;
use std::path::{Path, PathBuf};

/// The resident set of this process in bytes, with `/proc` looked for under `root`.
pub fn resident_under(root: &Path) -> Option<u64> {
    kib_of(&fs::read_to_string(root.join("proc/self/status")).ok()?, "VmRSS:")
}

/// The memory that the process may have: of the machine, or less if a cgroup (of either version) says so.
pub fn total_under(root: &Path) -> Option<u64> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| kib_of(&text, "MemTotal:"));
    [machine, cgroup_limit(root)].into_iter().flatten().min()
}

fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// The smallest limit between the process's cgroup and the root.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut smallest = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            first if first.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let mount: PathBuf = root.join(mount);
        let own = mount.join(path.trim_start_matches('/'));
        for folder in own.ancestors().take_while(|folder| folder.starts_with(&mount)) {
            // "max" is no number, and no limit.
            let limit = fs::read_to_string(folder.join(file)).ok().and_then(|text| text.trim().parse::<u64>().ok());
            smallest = [smallest, limit].into_iter().flatten().min();
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_on_the_way_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/meminfo", "MemTotal:     1024 kB\n");
        write("proc/self/status", "Name:\tx\nVmRSS:\t   12 kB\n");
        assert_eq!(total_under(root.path()), Some(1 << 20));
        assert_eq!(resident_under(root.path()), Some(12 << 10));
        write("proc/self/cgroup", "0::/a/b\n");
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        assert_eq!(total_under(root.path()), Some(1 << 20));
        write("sys/fs/cgroup/a/memory.max", "500000\n");
        assert_eq!(total_under(root.path()), Some(500_000));
    }

    #[test]
    fn this_process_takes_memory() {
        assert!(resident_under(Path::new("/")).unwrap() > 1 << 20);
    }
}
