//! The directory of a log, behind a trait, so that power cuts and full disks can be simulated.

use std::any::Any;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, OFlags};

/// One directory. Names are those of files directly in it.
pub(crate) trait Disk: Send + Sync + 'static {
    /// For messages.
    fn path(&self) -> &Path;
    /// Names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a file that does not exist yet, `len` bytes long and all of them set aside on the disk.
    fn create(&self, name: &str, len: u64) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file that exists.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes what was created and removed last.
    fn sync(&self) -> io::Result<()>;
    /// Keeps others out for as long as the answer lives.
    fn lock(&self) -> io::Result<Box<dyn Any + Send>>;
}

/// An open file.
pub(crate) trait DiskFile: Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Reads up to the buffer's length; less only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes everything, or says why not; then any part of it may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes what was written last.
    fn sync(&self) -> io::Result<()>;
}

const LOCK_FILE: &str = "lock";

/// A directory of the file system.
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes the directory (mode 0750) where it is missing.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o750).create(path)?;
        if let Some(parent) = path.parent() {
            // Some file systems cannot; the data's own syncs are what matters then.
            let _ = File::open(parent).and_then(|parent| parent.sync_all());
        }
        Self::existing(path)
    }

    /// A directory that is there.
    pub(crate) fn existing(path: &Path) -> io::Result<Self> {
        if !std::fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_owned() })
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // The standard library adds O_CLOEXEC.
    options.read(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    options
}

impl Disk for Directory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name()));
        let names: io::Result<Vec<_>> = names.collect();
        // What is not text is not ours.
        Ok(names?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    fn create(&self, name: &str, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path.join(name);
        let file = options().write(true).create_new(true).open(&path)?;
        let allocated = match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, len) {
            // The file system cannot: a write may then find the disk full, which is handled as well.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(len),
            other => other.map_err(io::Error::from),
        };
        if let Err(error) = allocated {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Box::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path.join(name);
        match options().write(true).open(&path) {
            // A look at someone else's log needs no writing.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                Ok(Box::new(options().open(&path)?))
            }
            file => Ok(Box::new(file?)),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        let file = options().write(true).create(true).truncate(false).open(self.path.join(LOCK_FILE))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_private_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let disk = Directory::create(&path).unwrap();
        let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path) & !0o750, 0);
        disk.create("x", 4096).unwrap().write_at(b"hello", 4000).unwrap();
        assert_eq!(mode(&path.join("x")), 0o600);
        assert!(disk.create("x", 1).is_err(), "it exists");
        let mut text = [0; 200];
        assert_eq!(disk.open("x").unwrap().read_at(&mut text, 4000).unwrap(), 96);
        assert!(text.starts_with(b"hello"));
        std::os::unix::fs::symlink(path.join("x"), path.join("link")).unwrap();
        assert!(disk.open("link").is_err() && disk.create("link", 1).is_err());
        let lock = disk.lock().unwrap();
        assert!(Directory::existing(&path).unwrap().lock().is_err(), "held");
        drop(lock);
        assert!(disk.lock().is_ok());
        assert!(Directory::existing(&path.join("x")).is_err());
    }
}
