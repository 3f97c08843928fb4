//! Reading commits from a repository on this machine.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use corten_engine::GitFiles;
use gix_hash::{Kind, ObjectId};
use gix_object::FindExt;
use gix_ref::file::ReferenceExt;

use super::super::MODULE_LIMIT;
use super::remote::full_id;
use crate::text;

/// A repository on disk.
pub(super) struct Repository {
    directory: PathBuf,
    objects: gix_odb::Handle,
}

impl Repository {
    /// A bare repository, or one with files beside it.
    pub(super) fn open(directory: &Path) -> Result<Self, String> {
        let inner = directory.join(".git");
        let directory = if inner.is_dir() { inner } else { directory.to_owned() };
        if !directory.join("objects").is_dir() {
            return Err(format!("{} is not a git repository", directory.display()));
        }
        Self::at(directory)
    }

    /// What was fetched earlier, if anything was.
    pub(super) fn cached(directory: &Path) -> Option<Self> {
        directory.join("objects").is_dir().then(|| Self::at(directory.to_owned()).ok()).flatten()
    }

    fn at(directory: PathBuf) -> Result<Self, String> {
        let objects = gix_odb::at(directory.join("objects"), Kind::Sha1)
            .map_err(|error| format!("{}: {}", directory.display(), text::io(&error)))?;
        Ok(Self { directory, objects })
    }

    /// Puts a pack where the repository was. It appears whole or not at all.
    pub(super) fn replace(directory: &Path, pack: &[u8], interrupt: &AtomicBool) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("{}: {}", directory.display(), text::io(&error));
        let fresh = directory.with_extension("new");
        remove(&fresh).map_err(fail)?;
        let packs = fresh.join("objects/pack");
        std::fs::create_dir_all(&packs).map_err(fail)?;
        let options = gix_pack::bundle::write::Options {
            thread_limit: Some(1),
            alloc_limit_bytes: Some(MODULE_LIMIT * 8),
            ..Default::default()
        };
        gix_pack::Bundle::write_to_directory(
            &mut Cursor::new(pack),
            Some(&packs),
            &mut prodash::progress::Discard,
            interrupt,
            None::<gix_odb::Handle>,
            Kind::Sha1,
            options,
        )
        .map_err(|error| format!("the pack of the repository is damaged: {error}"))?;
        remove(directory).map_err(fail)?;
        std::fs::rename(&fresh, directory).map_err(fail)?;
        Self::at(directory.to_owned())
    }

    /// The commit of a branch, a tag or a full id.
    pub(super) fn resolve(&self, revision: &str) -> Result<ObjectId, String> {
        if let Some(id) = full_id(revision) {
            return Ok(id);
        }
        let missing = || format!("the repository has no branch, tag or commit {revision:?}");
        let refs = gix_ref::file::Store::at(self.directory.clone(), Kind::Sha1);
        let names = [format!("refs/heads/{revision}"), format!("refs/tags/{revision}"), revision.to_owned()];
        let found = names.iter().find_map(|name| refs.try_find(name.as_str()).ok().flatten());
        let mut found = found.ok_or_else(missing)?;
        found.peel_to_id(&refs, &self.objects).map_err(|error| format!("{revision}: {error}"))
    }

    /// A file, or the direct `*.alloy` files of a directory.
    pub(super) fn read(&self, commit: ObjectId, path: &str) -> Result<GitFiles, String> {
        let mut buffer = Vec::new();
        let mut id = self.objects.find_commit(&commit, &mut buffer).map_err(at(&commit))?.tree();
        let mut is_tree = true;
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            let missing = || format!("the repository has no {path:?} at commit {commit}");
            if !is_tree {
                return Err(missing());
            }
            let mut buffer = Vec::new();
            let tree = self.objects.find_tree(&id, &mut buffer).map_err(at(&commit))?;
            let entry = tree.entries.iter().find(|entry| entry.filename == name.as_bytes()).ok_or_else(missing)?;
            (id, is_tree) = (entry.oid.to_owned(), entry.mode.is_tree());
        }
        let commit = commit.to_string();
        if !is_tree {
            return Ok(GitFiles { files: vec![(path.to_owned(), self.blob(id)?)], directory: false, commit });
        }
        let mut buffer = Vec::new();
        let tree = self.objects.find_tree(&id, &mut buffer).map_err(|error| format!("{path}: {error}"))?;
        let mut files = Vec::new();
        for entry in tree.entries.iter().filter(|entry| entry.mode.is_blob() && entry.filename.ends_with(b".alloy")) {
            let name = format!("{}/{}", path.trim_end_matches('/'), entry.filename);
            files.push((name.trim_start_matches('/').to_owned(), self.blob(entry.oid.to_owned())?));
        }
        Ok(GitFiles { files, directory: true, commit })
    }

    fn blob(&self, id: ObjectId) -> Result<Vec<u8>, String> {
        let mut buffer = Vec::new();
        let blob = self.objects.find_blob(&id, &mut buffer).map_err(|error| error.to_string())?;
        match blob.data.len() > MODULE_LIMIT {
            true => Err(format!("a module is larger than {} MiB", MODULE_LIMIT >> 20)),
            false => Ok(blob.data.to_vec()),
        }
    }
}

/// Says where an error happened.
fn at<E: std::fmt::Display>(commit: &ObjectId) -> impl Fn(E) -> String {
    move |error| format!("commit {commit}: {error}")
}

fn remove(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
