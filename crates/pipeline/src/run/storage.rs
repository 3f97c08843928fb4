//! The storage path: one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The directory, ours until dropped.
#[derive(Debug)]
pub struct Storage {
    path: PathBuf,
    /// Holding the file holds the lock; the kernel lets go of it however the process ends.
    _lock: File,
}

const LOCK_FILE: &str = "corten.lock";

impl Storage {
    /// Creates the directory if needed (mode 0750) and locks it.
    pub fn lock(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(path)
            .map_err(|error| format!("creating the storage path \"{shown}\": {}", crate::text::io(&error)))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(path.join(LOCK_FILE))
            .map_err(|error| format!("opening \"{shown}/{LOCK_FILE}\": {}", crate::text::io(&error)))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = file.take(20).read_to_string(&mut pid);
                let who = match pid.trim().parse::<u32>() {
                    Ok(pid) => format!(" (process {pid})"),
                    Err(_) => String::new(),
                };
                return Err(format!(
                    "the storage path \"{shown}\" is in use by another corten{who}\n\
                     help: stop that one, or give this one its own directory with --storage.path"
                ));
            }
            Err(error) => return Err(format!("locking \"{shown}/{LOCK_FILE}\": {}", crate::text::io(&error.into()))),
        }
        // For the message above only, so a full disk is no reason to stop.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a/b");
        let first = Storage::lock(&path).expect("a lock");
        let message = Storage::lock(&path).expect_err("no second lock");
        assert!(message.contains(&format!("in use by another corten (process {})", std::process::id())), "{message}");
        assert!(message.contains("--storage.path"), "{message}");
        drop(first);
        assert_eq!(Storage::lock(&path).expect("free again").path(), path);
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let victim = directory.path().join("victim");
        std::fs::write(&victim, "precious").expect("a file");
        std::os::unix::fs::symlink(&victim, directory.path().join(LOCK_FILE)).expect("a link");
        assert!(Storage::lock(directory.path()).is_err());
        assert_eq!(std::fs::read_to_string(&victim).expect("a file"), "precious");
    }
}
