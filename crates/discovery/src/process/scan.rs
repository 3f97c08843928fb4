//! What `/proc` says of processes.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use corten_signal::labels::Labels;

use super::DiscoverConfig;

/// A file of a process may be read up to this many bytes.
const LARGEST: usize = 1 << 20;

/// All processes below a root folder (`/`).
pub(super) fn processes(root: &Path, wanted: &DiscoverConfig) -> io::Result<Vec<Labels>> {
    let users = if wanted.username { users(&root.join("etc/passwd")) } else { HashMap::new() };
    let mut pids: Vec<u32> = std::fs::read_dir(root.join("proc"))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let mut found = Vec::with_capacity(pids.len());
    for pid in pids {
        match process(&root.join("proc").join(pid.to_string()), pid, wanted, &users) {
            Ok(labels) => found.push(labels),
            // It has ended, or is a thread of the kernel, or is not ours to look at.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!(pid, err = %error, "a process is left out"),
        }
    }
    Ok(found)
}

fn process(folder: &Path, pid: u32, wanted: &DiscoverConfig, users: &HashMap<String, String>) -> io::Result<Labels> {
    let mut labels = vec![("__process_pid__", pid.to_string())];
    let link = |name| std::fs::read_link(folder.join(name)).map(|path| path.to_string_lossy().into_owned());
    if wanted.exe {
        labels.push(("__meta_process_exe", link("exe")?));
    }
    if wanted.cwd {
        labels.push(("__meta_process_cwd", link("cwd")?));
    }
    if wanted.commandline {
        let text = text(&folder.join("cmdline"))?;
        let words: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
        labels.push(("__meta_process_commandline", words.join(" ")));
    }
    if wanted.uid || wanted.username {
        let uid = uid(&text(&folder.join("status"))?);
        if wanted.username {
            labels.push(("__meta_process_username", users.get(&uid).cloned().unwrap_or_default()));
        }
        if wanted.uid {
            labels.push(("__meta_process_uid", uid));
        }
    }
    if wanted.cgroup_path || wanted.container_id {
        let groups = text(&folder.join("cgroup"))?;
        if wanted.container_id {
            labels.push(("__container_id__", container(&groups).unwrap_or_default().to_owned()));
        }
        if wanted.cgroup_path {
            labels.push(("__meta_process_cgroup_path", groups.lines().collect::<Vec<_>>().join("|")));
        }
    }
    Ok(Labels::from_pairs(labels))
}

fn text(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The real user of a process's `status`.
fn uid(status: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.and_then(|line| line.split_whitespace().next()).unwrap_or_default().to_owned()
}

/// Names by number. Users of directory services are not in this file, and have no name here.
fn users(passwd: &Path) -> HashMap<String, String> {
    let text = text(passwd).unwrap_or_default();
    let user = |line: &str| {
        let mut fields = line.split(':');
        let (name, _, uid) = (fields.next()?, fields.next()?, fields.next()?);
        Some((uid.to_owned(), name.to_owned()))
    };
    text.lines().filter_map(user).collect()
}

/// The container in a control group's path: 64 hexadecimal digits at the end of a part or before a dot, as Docker,
/// containerd, CRI-O and Podman write it.
pub(super) fn container(groups: &str) -> Option<&str> {
    const LENGTH: usize = 64;
    groups.lines().find_map(|line| {
        // The last part that is one counts.
        line.trim_end().split('/').skip(1).collect::<Vec<_>>().into_iter().rev().find_map(|part| {
            // What is before the last dash names the runtime.
            let starts = part.match_indices('-').map(|(at, _)| at + 1).chain([0]);
            starts.filter_map(|at| part.get(at..)).find_map(|rest| {
                let id = rest.get(..LENGTH)?;
                let hex = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                (hex && (rest.len() == LENGTH || rest[LENGTH..].starts_with('.'))).then_some(id)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9383bd9cc4bb3d1a2d1e5a1c3aab2a2c8ce0c0a2cc4bb3d1a2d1e5a1c3aab2a2";

    #[test]
    fn containers_are_known_by_their_control_group() {
        for path in [
            "0::/../cri-containerd-ID.scope",
            "12:cpuset:/docker/ID",
            "0::/system.slice/docker-ID.scope",
            "0::/machine.slice/libpod-ID.scope/container",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod9.slice/crio-ID.scope",
            "1:name=systemd:/user.slice\n0::/docker/ID  ",
        ] {
            assert_eq!(container(&path.replace("ID", ID)), Some(ID), "{path}");
        }
        for path in ["0::/user.slice", "0::/docker/IDa", "0::/docker/abc", "", "0::/x-ID-y"] {
            assert_eq!(container(&path.replace("ID", ID)), None, "{path}");
        }
    }

    #[test]
    fn processes_are_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/42");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(root.path().join("proc/sys")).unwrap();
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/usr/bin/x", folder.join("exe")).unwrap();
        std::os::unix::fs::symlink("/home", folder.join("cwd")).unwrap();
        std::fs::write(folder.join("cmdline"), "x\0-a\0b c\0").unwrap();
        std::fs::write(folder.join("status"), "Name:\tx\nUid:\t1000\t0\t0\t0\n").unwrap();
        std::fs::write(folder.join("cgroup"), format!("1:a:/b\n0::/docker/{ID}\n")).unwrap();
        std::fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:/sh\nme:x:1000:1000::/:/sh\n").unwrap();
        // A thread of the kernel has no program.
        std::fs::create_dir_all(root.path().join("proc/2")).unwrap();
        let all = DiscoverConfig { uid: true, username: true, cgroup_path: true, ..DiscoverConfig::default() };
        let found = processes(root.path(), &all).unwrap();
        let expected = [
            ("__process_pid__", "42"),
            ("__meta_process_exe", "/usr/bin/x"),
            ("__meta_process_cwd", "/home"),
            ("__meta_process_commandline", "x -a b c"),
            ("__meta_process_uid", "1000"),
            ("__meta_process_username", "me"),
            ("__meta_process_cgroup_path", &format!("1:a:/b|0::/docker/{ID}")),
            ("__container_id__", ID),
        ];
        assert_eq!(found, [Labels::from_pairs(expected)]);
    }

    #[test]
    fn this_process_is_among_those_of_the_machine() {
        let found = processes(Path::new("/"), &DiscoverConfig::default()).unwrap();
        let own = std::process::id().to_string();
        assert!(found.iter().any(|labels| labels.get("__process_pid__") == Some(own.as_str())));
    }
}
