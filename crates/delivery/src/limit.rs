//! How much memory the process may use for telemetry when nobody says.

use std::fs;
use std::path::{Path, PathBuf};

/// What the program itself needs besides telemetry.
const PROGRAM: u64 = 60 << 20;

/// Where nothing can be read: what a small machine can spare.
const UNKNOWN: usize = 256 << 20;

/// The cgroup's memory limit less 60 MiB (or half of it, if that is more), else a quarter of the machine's memory.
pub fn default_limit() -> usize {
    default_limit_under(Path::new("/"))
}

/// The same, with `/proc` and `/sys` looked for under `root`.
pub fn default_limit_under(root: &Path) -> usize {
    let memory = memory_total(root);
    // A limit at or above the machine's memory is no limit.
    let limit = cgroup_limit(root).filter(|limit| memory.is_none_or(|memory| *limit < memory));
    let bytes = match (limit, memory) {
        (Some(limit), _) => limit.saturating_sub(PROGRAM).max(limit / 2),
        (None, Some(memory)) => memory / 4,
        (None, None) => return UNKNOWN,
    };
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn memory_total(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// The smallest limit on the way from the process's cgroup to the root, of either version.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut smallest: Option<u64> = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (mount, file) = match controllers {
            "" => (root.join("sys/fs/cgroup"), "memory.max"),
            v1 if v1.split(',').any(|name| name == "memory") => {
                (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut folder: PathBuf = mount.join(path.trim_start_matches('/'));
        loop {
            // "max" does not parse: no limit here.
            let limit = fs::read_to_string(folder.join(file)).ok().and_then(|text| text.trim().parse().ok());
            smallest = [smallest, limit].into_iter().flatten().min();
            if folder == mount || !folder.pop() || !folder.starts_with(&mount) {
                break;
            }
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_cgroup_limit_on_the_way_holds() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/system.slice/corten.service\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "536870912\n"),
            ("sys/fs/cgroup/system.slice/corten.service/memory.max", "max\n"),
        ]);
        assert_eq!(default_limit_under(root.path()), (512 - 60) << 20);
    }

    #[test]
    fn the_first_version_of_cgroups_is_read_too() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "3:cpu:/a\n2:memory,hugetlb:/a\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "104857600"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
        ]);
        assert_eq!(default_limit_under(root.path()), 50 << 20, "half of a small limit");
    }

    #[test]
    fn without_a_limit_it_is_a_quarter_of_memory() {
        let root = machine(&[MEMINFO, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")]);
        assert_eq!(default_limit_under(root.path()), 2 << 30);
        assert_eq!(default_limit_under(machine(&[]).path()), UNKNOWN);
    }
}
