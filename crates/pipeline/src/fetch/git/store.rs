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
        let parts: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        let path = &parts.join("/");
        let mut buffer = Vec::new();
        let mut id = self.objects.find_commit(&commit, &mut buffer).map_err(at(&commit))?.tree();
        let mut is_tree = true;
        for name in parts {
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
            let name = format!("{path}/{}", entry.filename);
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    /// One commit of a real repository: `lib/a.alloy`, `lib/b.alloy`, `lib/readme.md`.
    const COMMIT: &str = "b8d8f06d745e2da822ee390678dcc298e58cd176";
    const PACK: &str = "UEFDSwAAAAIAAAAGmgh4nI3KQQqDMBBG4X1OMftCmYx1zEARrxLiLy00RmSEHl+P4Ft+PN8BWgrk1QmKdqZZVMC9mc2aOFo0Kyo2p6QhH/5pOzm9fcI/1+2HZ2l1pDjoINIrMz34Klxav+64NYe2Ipy4ASamrgF4nDMxAAKFnMwkBl6/uGLDsoWKBTwcSRpBe85ebZH/DgB+9Qo5qwZ4nDM0MDAzMVFI1EvMycmvZOiu++lw0lb/9ky+jzyXL/cwpL6N/mEIUZIEVTIvt3zW1a9qpg0tm58f3HUg4H/U0bVQJUWpiSm5qXq5KQwR1c+2HP5pP/lI5wFB6V2h00Sq1E4DAEGILhawAXicS0lNzkksSlVQSlRSqFao5QIALhgE2LABeJxLSU3OSSxKVVBKUlKoVqjlAgAuHwTZMnicq+ACAAD8AIP2mF4Btyv9C1RU6M9tEGbuRs1B/g==";

    fn pack() -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(PACK).expect("Base64")
    }

    fn texts(files: GitFiles) -> Vec<(String, String)> {
        files.files.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).expect("text"))).collect()
    }

    #[test]
    fn a_pack_is_kept_and_read_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = directory.path().join("deep/cache");
        let commit = full_id(COMMIT).expect("an id");
        assert!(Repository::cached(&cache).is_none());
        Repository::replace(&cache, &pack(), &AtomicBool::new(false)).expect("a repository");
        let kept = Repository::cached(&cache).expect("what was fetched");
        let all = kept.read(commit, "./lib/").expect("files");
        assert!(all.directory && all.commit == COMMIT);
        let text = |name: &str| (format!("lib/{name}.alloy"), format!("declare \"{name}\" {{ }}\n"));
        assert_eq!(texts(all), [text("a"), text("b")]);
        let one = kept.read(commit, "lib/b.alloy").expect("a file");
        assert!(!one.directory);
        assert_eq!(texts(one), [text("b")]);
        for missing in ["lib/c.alloy", "lib/a.alloy/x", "../x"] {
            assert!(kept.read(commit, missing).is_err(), "{missing}");
        }
    }

    #[test]
    fn names_are_found_in_a_local_repository() {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = directory.path().join(".git");
        Repository::replace(&inner, &pack(), &AtomicBool::new(false)).expect("a repository");
        std::fs::write(inner.join("HEAD"), "ref: refs/heads/main\n").expect("a file");
        std::fs::create_dir_all(inner.join("refs/heads")).expect("a directory");
        std::fs::write(inner.join("refs/heads/main"), format!("{COMMIT}\n")).expect("a file");
        std::fs::write(
            inner.join("packed-refs"),
            format!("# pack-refs with: peeled fully-peeled sorted\n{COMMIT} refs/tags/v1\n"),
        )
        .expect("a file");
        let repository = Repository::open(directory.path()).expect("a repository");
        for revision in ["main", "v1", COMMIT] {
            assert_eq!(repository.resolve(revision).map(|id| id.to_string()), Ok(COMMIT.to_owned()), "{revision}");
        }
        assert!(repository.resolve("v2").is_err_and(|why| why.contains("no branch, tag or commit")));
        assert!(Repository::open(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn a_damaged_pack_leaves_the_old_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = directory.path().join("cache");
        let running = AtomicBool::new(false);
        Repository::replace(&cache, &pack(), &running).expect("a repository");
        let mut damaged = pack();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        assert!(Repository::replace(&cache, &damaged, &running).is_err());
        assert!(Repository::replace(&cache, &pack()[..100], &running).is_err());
        let kept = Repository::cached(&cache).expect("the old one");
        assert!(kept.read(full_id(COMMIT).expect("an id"), "lib").is_ok());
    }
}
