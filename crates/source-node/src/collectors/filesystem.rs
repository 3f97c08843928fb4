//! `filesystem`: size and use of mounted file systems.
//!
//! A mount whose server is gone blocks whoever asks for its size, without end. So each question is a job that may hang:
//! it costs a thread until the mount comes back, and until then nobody asks again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_component::BuildError;
use rustix::fs::StatFs;
use rustix::io::Errno;

use super::Boxed;
use super::mountinfo::{self, Mount};
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::Families;
use crate::filter::Filter;
use crate::gang::{self, Limits};
use crate::roots::Roots;

/// So many mounts may hang at a time.
const THREADS: usize = 64;
/// Where no mount has answered for this long, the rest is asked beside it.
const PATIENCE: Duration = Duration::from_millis(20);

struct Filesystem {
    roots: Arc<Roots>,
    mount_points: Filter,
    types: Filter,
    timeout: Duration,
    /// Mount points that are being asked.
    asked: Arc<Mutex<HashSet<String>>>,
    stat: fn(&std::path::Path) -> Result<StatFs, Errno>,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let args = &args.filesystem;
    Ok(Box::new(Filesystem {
        roots: Arc::clone(roots),
        mount_points: Filter::without("filesystem.mount_points_exclude", &args.mount_points_exclude)?,
        types: Filter::without("filesystem.fs_types_exclude", &args.fs_types_exclude)?,
        timeout: args.mount_timeout,
        asked: Arc::default(),
        stat: |path| rustix::fs::statfs(path),
    }))
}

/// Takes a mount point off the list of those that are being asked, however the question ends.
struct Asked(Arc<Mutex<HashSet<String>>>, String);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

type Answer = Result<StatFs, Errno>;

impl Collector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let mut mounts = mountinfo::of_machine(&self.roots)?;
        let mut seen = HashSet::new();
        mounts.retain(|mount| {
            !self.mount_points.ignores(&mount.mount_point)
                && !self.types.ignores(&mount.fs_type)
                && seen.insert((mount.source.clone(), mount.mount_point.clone(), mount.fs_type.clone()))
        });
        for (mount, answer) in mounts.iter().zip(self.ask(&mounts)) {
            report(mount, answer, out);
        }
        Ok(())
    }
}

impl Filesystem {
    fn ask(&self, mounts: &[Mount]) -> Vec<Option<Answer>> {
        let question = |mount: &Mount| {
            let point = mount.mount_point.clone();
            let free = self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(point.clone());
            let asked = free.then(|| Asked(Arc::clone(&self.asked), point));
            let (path, stat) = (self.roots.rootfs(&mount.mount_point), self.stat);
            Box::new(move || asked.map(|_asked| stat(&path))) as Box<dyn FnOnce() -> Option<Answer> + Send>
        };
        let limits = Limits { patience: PATIENCE, deadline: self.timeout, threads: THREADS };
        gang::run(mounts.iter().map(question).collect(), limits).into_iter().map(Option::flatten).collect()
    }
}

fn report(mount: &Mount, answer: Option<Answer>, out: &mut Families) {
    let error = match &answer {
        None => "mountpoint timeout".to_owned(),
        Some(Err(error)) => message(*error),
        Some(Ok(_)) => String::new(),
    };
    let labels = [
        ("device", &*mount.source),
        ("device_error", &*error),
        ("fstype", &*mount.fs_type),
        ("mountpoint", &*mount.mount_point),
    ];
    let help = "Whether the mount could not be asked.";
    out.gauge("node_filesystem_device_error", help, &labels, !error.is_empty());
    let help = "Whether nothing can be written.";
    out.gauge("node_filesystem_readonly", help, &labels, mount.is_read_only());
    let Some(Ok(stat)) = answer else { return };
    let bytes = |blocks: u64| blocks as f64 * stat.f_bsize as f64;
    out.gauge("node_filesystem_size_bytes", "Size.", &labels, bytes(stat.f_blocks));
    out.gauge("node_filesystem_free_bytes", "What is free.", &labels, bytes(stat.f_bfree));
    out.gauge("node_filesystem_avail_bytes", "What is free for users.", &labels, bytes(stat.f_bavail));
    out.gauge("node_filesystem_files", "Inodes.", &labels, stat.f_files);
    out.gauge("node_filesystem_files_free", "Inodes that are free.", &labels, stat.f_ffree);
    out.gauge("node_filesystem_purgeable_bytes", "What could be freed; nothing on Linux.", &labels, 0);
    let info = [
        ("device", &*mount.source),
        ("major", &*mount.major),
        ("minor", &*mount.minor),
        ("mountpoint", &*mount.mount_point),
    ];
    out.gauge("node_filesystem_mount_info", "A mounted file system.", &info, 1);
}

/// As Go's standard library names errors, since rules match these texts.
fn message(error: Errno) -> String {
    if error == Errno::STALE {
        return "stale NFS file handle".into();
    }
    let text = std::io::Error::from(error).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// The door at which the stat of `/stuck` waits, and a counter of how often it came.
    static DOOR: Mutex<Option<(Receiver<()>, Sender<()>)>> = Mutex::new(None);

    fn stat(path: &Path) -> Result<StatFs, Errno> {
        if path.ends_with("stuck") {
            let door = DOOR.lock().unwrap().take();
            if let Some((door, came)) = door {
                let _ = came.send(());
                let _ = door.recv();
            }
        }
        if path.ends_with("gone") { Err(Errno::STALE) } else { rustix::fs::statfs("/") }
    }

    #[test]
    fn a_stuck_mount_is_said_once_and_asked_again_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("1")).unwrap();
        let lines = "1 1 0:1 / /stuck rw - nfs srv:/a rw\n2 1 0:2 / /gone ro - nfs srv:/b rw\n\
            3 1 0:3 / /fine rw - ext4 /dev/a rw\n3 1 0:3 / /fine rw - ext4 /dev/a rw\n\
            4 1 0:4 / /sys rw - sysfs sysfs rw\n";
        std::fs::write(dir.path().join("1/mountinfo"), lines).unwrap();
        let roots = Arc::new(Roots { proc: dir.path().to_owned(), ..Roots::default() });
        let (release, door) = channel();
        let (came, seen) = channel();
        *DOOR.lock().unwrap() = Some((door, came));
        let args = UnixArguments::default();
        let collector = Filesystem {
            mount_points: Filter::without("x", &args.filesystem.mount_points_exclude).unwrap(),
            types: Filter::without("x", &args.filesystem.fs_types_exclude).unwrap(),
            timeout: Duration::from_millis(300),
            asked: Arc::default(),
            stat,
            roots,
        };
        let collect = || {
            let mut out = Families::new();
            collector.collect(&mut out).unwrap();
            crate::render(&mut [out])
        };
        for _ in 0..2 {
            let text = collect();
            let stuck = "device_error=\"mountpoint timeout\",fstype=\"nfs\",mountpoint=\"/stuck\"} 1";
            assert!(text.contains(stuck), "{text}");
            assert!(text.contains("device_error=\"stale NFS file handle\",fstype=\"nfs\",mountpoint=\"/gone\"} 1"));
            assert_eq!(text.matches("node_filesystem_size_bytes{").count(), 1, "{text}");
            assert!(!text.contains("/sys"));
        }
        assert_eq!(seen.try_iter().count(), 1, "asked once");
        drop(release);
        while !collector.asked.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert!(!collect().contains("timeout"));
    }

    #[test]
    fn errors_read_as_in_go() {
        assert_eq!(message(Errno::ACCESS), "permission denied");
        assert_eq!(message(Errno::NOTCONN), "transport endpoint is not connected");
    }
}
