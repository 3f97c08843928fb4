//! A file system for a kernel to begin with: a cpio archive in the `newc` format, as plain bytes.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
/// What of a mode says what kind of file it is.
const KIND: u32 = 0o170_000;

#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: Vec<String>,
}

impl Archive {
    /// A folder and those above it; names have no `/` in front.
    pub(super) fn folder(&mut self, name: &str) {
        if name.is_empty() || self.folders.iter().any(|known| known == name) {
            return;
        }
        self.folder(name.rsplit_once('/').map_or("", |(above, _)| above));
        self.folders.push(name.to_owned());
        self.entry(name, FOLDER, &[]);
    }

    /// A file that can be run.
    pub(super) fn program(&mut self, name: &str, content: &[u8]) {
        self.folder(name.rsplit_once('/').map_or("", |(folder, _)| folder));
        self.entry(name, PROGRAM, content);
    }

    /// The same from a file of ours.
    pub(super) fn copy(&mut self, name: &str, from: &Path) -> Result<()> {
        let content = std::fs::read(from).with_context(|| from.display().to_string())?;
        self.program(name, &content);
        Ok(())
    }

    pub(super) fn link(&mut self, name: &str, to: &str) {
        self.folder(name.rsplit_once('/').map_or("", |(folder, _)| folder));
        self.entry(name, LINK, to.as_bytes());
    }

    /// All that is in a folder, as root's.
    pub(super) fn tree(&mut self, root: &Path) -> Result<()> {
        self.below(root, "")
    }

    /// All that is in a folder, under another name.
    pub(super) fn tree_at(&mut self, name: &str, from: &Path) -> Result<()> {
        self.folder(name);
        self.below(from, &format!("{name}/"))
    }

    fn below(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let mut entries = std::fs::read_dir(folder)
            .with_context(|| folder.display().to_string())?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        entries.sort();
        for path in entries {
            let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
            let metadata = path.symlink_metadata()?;
            let mode = metadata.permissions().mode();
            if metadata.is_symlink() {
                self.entry(&name, LINK, std::fs::read_link(&path)?.as_os_str().as_bytes());
            } else if metadata.is_dir() {
                self.folders.push(name.clone());
                self.entry(&name, FOLDER & KIND | mode & !KIND, &[]);
                self.below(&path, &format!("{name}/"))?;
            } else if metadata.is_file() {
                let content = std::fs::read(&path).with_context(|| path.display().to_string())?;
                self.entry(&name, mode, &content);
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let length = content.len();
        let name_length = name.len() + 1;
        let (number, zero) = (self.entries, 0);
        // inode, mode, owner, group, links, time, size, device twice, device twice, length of the name, checksum
        let fields = [number, mode, zero, zero, 1, zero]
            .into_iter()
            .chain([u32::try_from(length).unwrap_or_default(), zero, zero, zero, zero])
            .chain([u32::try_from(name_length).unwrap_or_default(), zero]);
        self.bytes.extend(b"070701");
        fields.for_each(|field| self.bytes.extend(format!("{field:08x}").as_bytes()));
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let mut archive = Archive::default();
        archive.program("a/b/c", b"hello");
        archive.program("a/b/d", b"");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let names: Vec<&str> =
            text.split("070701").skip(1).map(|entry| entry[104..].split('\0').next().unwrap_or_default()).collect();
        assert_eq!(names, ["a", "a/b", "a/b/c", "a/b/d", "TRAILER!!!"]);
        assert!(text.contains("00000005"), "the length of the content");
    }
}
