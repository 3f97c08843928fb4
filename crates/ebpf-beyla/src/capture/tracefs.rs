//! Probes of other programs by way of tracefs: files that describe them, and that outlive whoever wrote them.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use corten_ebpf::LoadError;

const EVENTS: &str = "/sys/kernel/tracing/uprobe_events";
/// All that is ours has names of this group.
pub(super) const GROUP: &str = "corten";

/// A place in a file that is probed. Dropped, it is not any more.
#[derive(Debug)]
pub(super) struct Place {
    name: String,
}

impl Place {
    /// Makes one; a program has yet to be attached to it.
    pub(super) fn new(path: &Path, offset: usize, at_end: bool) -> Result<Self, LoadError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = path.display().to_string();
        if path.contains(char::is_whitespace) {
            return Err(LoadError::found("a probe", format!("tracefs takes no path with a space: {path}")));
        }
        let name = format!("p{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let kind = if at_end { 'r' } else { 'p' };
        say(&format!("{kind}:{GROUP}/{name} {path}:{offset:#x}"))?;
        Ok(Self { name })
    }

    /// Its name in the group.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // If it stays, the next start takes it away.
        let _ = say(&format!("-:{GROUP}/{}", self.name));
    }
}

/// Takes away what processes of ours have left that were killed.
pub(super) fn tidy() {
    let text = std::fs::read_to_string(EVENTS).unwrap_or_default();
    for name in left_behind(&text, |pid| PathBuf::from(format!("/proc/{pid}")).exists()) {
        let _ = say(&format!("-:{GROUP}/{name}"));
    }
}

fn left_behind<'a>(events: &'a str, lives: impl Fn(u32) -> bool + 'a) -> impl Iterator<Item = &'a str> {
    // p:corten/p123_4 /usr/lib/libssl.so.3:0x0000000000031890
    events.lines().filter_map(move |line| {
        let name = line.split(' ').next()?.split_once(':')?.1.strip_prefix(GROUP)?.strip_prefix('/')?;
        let pid = name.strip_prefix('p')?.split_once('_')?.0.parse().ok()?;
        (!lives(pid)).then_some(name)
    })
}

fn say(line: &str) -> Result<(), LoadError> {
    let written = OpenOptions::new().append(true).open(EVENTS).and_then(|mut file| file.write_all(line.as_bytes()));
    written.map_err(|error| LoadError {
        what: EVENTS.to_owned(),
        refused: error.kind() == std::io::ErrorKind::PermissionDenied,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_have_left_is_taken_away() {
        let events = "p:corten/p12_0 /usr/lib/libssl.so.3:0x10\nr:corten/p12_1 /usr/lib/libssl.so.3:0x10\n\
                      p:corten/p13_0 /x:0x1\np:other/p12_0 /x:0x1\np:corten/strange /x:0x1\n";
        assert_eq!(left_behind(events, |pid| pid == 13).collect::<Vec<_>>(), ["p12_0", "p12_1"]);
    }
}
