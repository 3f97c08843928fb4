//! What observed processes use, from `/proc`.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::param::{clock_ticks_per_second, page_size};

use crate::telemetry::measure::{Owner, Usage};

/// Reads it.
#[derive(Debug)]
pub(super) struct Usages {
    root: PathBuf,
    ticks: f64,
    users: HashMap<u32, String>,
}

impl Default for Usages {
    fn default() -> Self {
        Self::below("/")
    }
}

impl Usages {
    /// With `proc` and `etc` below a directory.
    pub(super) fn below(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let users = std::fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
        let user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            Some((fields.nth(1)?.parse().ok()?, name))
        };
        Self { ticks: clock_ticks_per_second() as f64, users: users.lines().filter_map(user).collect(), root }
    }

    /// What a process has used so far, and whose it is; `None` if it has gone.
    pub(super) fn read(&self, pid: u32) -> Option<(Usage, Owner)> {
        let directory = self.root.join(format!("proc/{pid}"));
        let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
        // The name may hold anything, also brackets.
        let (begin, rest) = stat.rsplit_once(')')?;
        let command = begin.split_once('(').map(|(_, name)| name.to_owned()).unwrap_or_default();
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The third field of the manual is the first one here.
        let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let seconds = |field: usize| number(field) as f64 / self.ticks;
        let uid = std::fs::metadata(&directory).ok()?.uid();
        let io = named(&directory.join("io"));
        let (received, sent) = network(&directory.join("net/dev"));
        let usage = Usage {
            user: seconds(14),
            system: seconds(15),
            wait: seconds(42),
            resident: number(24).saturating_mul(page_size() as u64),
            mapped: number(23),
            read: io.get("read_bytes").copied().unwrap_or_default(),
            written: io.get("write_bytes").copied().unwrap_or_default(),
            sent,
            received,
        };
        let user = self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string());
        Some((usage, Owner { command, user, parent: number(4) as u32 }))
    }
}

/// Lines of `name: number`.
fn named(file: &Path) -> HashMap<String, u64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Bytes received and sent by the interfaces of the process's network namespace.
fn network(file: &Path) -> (u64, u64) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let interfaces = text.lines().filter_map(|line| {
        let (_, counters) = line.split_once(':')?;
        let counters: Vec<u64> = counters.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
        Some((*counters.first()?, *counters.get(8)?))
    });
    interfaces.fold((0, 0), |(received, sent), (r, s)| (received + r, sent + s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_process_is_read() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let tail = ["0"; 28].join(" ");
        // Fields 3 to 24, then the rest; 42 is the time that the disk was waited for.
        let stat = format!("7 (we) ird) S 3 7 7 0 -1 0 1 2 3 4 250 50 0 0 20 0 1 0 99 4096000 10 {tail}");
        write("proc/7/stat", &stat);
        write("proc/7/io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n");
        let dev = "Inter-|   Receive |  Transmit\n face |bytes\n    lo: 10 0 0 0 0 0 0 0 20 0 0 0 0 0 0 0\n  eth0: 5 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n";
        write("proc/7/net/dev", dev);
        let own = std::fs::metadata(root.path().join("proc/7")).unwrap().uid();
        write("etc/passwd", &format!("jane:x:{own}:0::/:/bin/sh\n"));
        let (usage, owner) = Usages::below(root.path()).read(7).unwrap();
        assert_eq!((owner.command.as_str(), owner.user.as_str(), owner.parent), ("we) ird", "jane", 3));
        assert_eq!((usage.user, usage.system), (2.5, 0.5));
        assert_eq!((usage.mapped, usage.resident), (4_096_000, 10 * page_size() as u64));
        assert_eq!((usage.read, usage.written, usage.received, usage.sent), (4096, 8192, 15, 27));
        assert!(Usages::below(root.path()).read(8).is_none());
    }
}
