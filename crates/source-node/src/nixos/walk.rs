//! The size of the store: what its files take on the disk, looked at in the background once in a while.
//!
//! The thread that looks has the lowest priority for the processor, and by that the lowest of the usual ones for the
//! disk, which the kernel derives from it.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::tree::Tree;

/// As long as Nix makes the hash at the beginning of a name.
const HASH: usize = 32;
/// What `blocks` counts in, whatever the file system.
const BLOCK: u64 = 512;

/// What a walk has seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Walk {
    pub(super) bytes: u64,
    /// Paths of the store.
    pub(super) paths: u64,
    /// Those that say how to build others.
    pub(super) derivations: u64,
    /// Files and folders that could not be looked at.
    pub(super) errors: u64,
    pub(super) took: Duration,
    pub(super) ended: Instant,
}

/// Walks through the store, again and again.
pub(super) struct Walker {
    tree: Tree,
    /// Zero is never.
    interval: Duration,
    last: Mutex<Option<Walk>>,
}

/// Ends the walk when nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Walker {
    pub(super) fn new(tree: Tree, interval: Duration) -> Self {
        Self { tree, interval, last: Mutex::default() }
    }

    /// What the last walk has seen.
    pub(super) fn last(&self) -> Option<Walk> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an earlier walker has seen.
    pub(super) fn inherit(&self, walk: Option<Walk>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = walk;
    }

    /// Walks until it is dropped.
    pub(super) async fn run(&self) {
        if self.interval.is_zero() {
            return std::future::pending().await;
        }
        loop {
            let age = self.last().map(|walk| walk.ended.elapsed());
            let due = age.map_or(Duration::ZERO, |age| self.interval.saturating_sub(age));
            tokio::time::sleep(due).await;
            match self.once().await {
                Some(walk) => self.inherit(Some(walk)),
                None => tokio::time::sleep(self.interval).await,
            }
        }
    }

    /// `None` without a store.
    async fn once(&self) -> Option<Walk> {
        let store = self.tree.resolve("/nix/store").ok()?;
        let store = self.tree.place(&store);
        let stop = Stop(Arc::default());
        let (done, walked) = oneshot::channel();
        let stopped = Arc::clone(&stop.0);
        let work = move || {
            // Nice by 19 is the most; it holds for this thread alone.
            if let Err(error) = rustix::process::setpriority_process(None, 19) {
                tracing::debug!("the walk through the store keeps its priority: {error}");
            }
            let _ = done.send(walk(&store, &stopped));
        };
        std::thread::Builder::new().name("nix-store-walk".into()).spawn(work).ok()?;
        walked.await.ok().flatten()
    }
}

/// Adds up a store; `None` if it was stopped.
fn walk(store: &Path, stop: &AtomicBool) -> Option<Walk> {
    let begin = Instant::now();
    let mut walk = Walk { bytes: 0, paths: 0, derivations: 0, errors: 0, took: Duration::ZERO, ended: begin };
    // The store shares equal files by hard links, so each is counted once.
    let mut linked = HashSet::new();
    let mut folders: Vec<PathBuf> = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        let is_top = folder == store;
        let Ok(entries) = std::fs::read_dir(&folder) else {
            walk.errors += 1;
            continue;
        };
        for entry in entries {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let Ok((metadata, entry)) = entry.and_then(|entry| Ok((entry.metadata()?, entry))) else {
                walk.errors += 1;
                continue;
            };
            if is_top {
                walk.name(&entry.file_name().to_string_lossy());
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.nlink() > 1 && !linked.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            walk.bytes += metadata.blocks() * BLOCK;
        }
    }
    walk.ended = Instant::now();
    walk.took = walk.ended - begin;
    Some(walk)
}

impl Walk {
    fn name(&mut self, name: &str) {
        // `HASH-name`; locks and links of the store itself are none.
        let is_path = name.as_bytes().get(HASH) == Some(&b'-')
            && name.as_bytes()[..HASH].iter().all(u8::is_ascii_alphanumeric)
            && !name.ends_with(".lock");
        self.paths += u64::from(is_path);
        self.derivations += u64::from(is_path && name.ends_with(".drv"));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HASH_A: &str = "0123456789abcdfghijklmnpqrsvwxyz";

    fn store() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join("nix/store").join(name);
        fs::create_dir_all(path(".links")).unwrap();
        fs::create_dir_all(path(&format!("{HASH_A}-one/bin"))).unwrap();
        fs::write(path(".links/x"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(path(".links/x"), path(&format!("{HASH_A}-one/bin/x"))).unwrap();
        fs::write(path(&format!("{HASH_A}-two.drv")), "Derive").unwrap();
        fs::write(path(&format!("{HASH_A}-two.drv.lock")), "").unwrap();
        fs::write(path("short-name"), "").unwrap();
        dir
    }

    #[test]
    fn files_with_several_names_count_once() {
        let dir = store();
        let store = dir.path().join("nix/store");
        let walk = walk(&store, &AtomicBool::new(false)).unwrap();
        assert_eq!((walk.paths, walk.derivations, walk.errors), (2, 1, 0));
        // The same as du says, whose first number is in kB.
        let du = std::process::Command::new("du").arg("-sk").arg(&store).output().unwrap();
        let kilobytes: u64 = String::from_utf8_lossy(&du.stdout).split_whitespace().next().unwrap().parse().unwrap();
        let top = fs::metadata(&store).unwrap().blocks() * BLOCK;
        assert_eq!(walk.bytes + top, kilobytes * 1024);
        assert!(walk.bytes >= 1 << 20 && walk.bytes < 2 << 20);
    }

    #[test]
    fn a_walk_ends_when_nobody_waits() {
        let dir = store();
        assert_eq!(walk(&dir.path().join("nix/store"), &AtomicBool::new(true)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_walk_stays_until_the_next() {
        let dir = store();
        let walker = Walker::new(Tree::new(dir.path()), Duration::from_secs(3600));
        assert_eq!(walker.last(), None);
        let seen = walker.once().await.unwrap();
        walker.inherit(Some(seen));
        assert_eq!(walker.last(), Some(seen));
        fs::remove_dir_all(dir.path().join("nix")).unwrap();
        assert_eq!(walker.once().await, None, "there is no store");
        assert_eq!(walker.last(), Some(seen));
    }
}
