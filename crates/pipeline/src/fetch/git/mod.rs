//! `import.git`: local repositories are read as they are; those behind HTTP are fetched one commit deep.

mod packet;
mod remote;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use corten_engine::{GitAuth, GitFiles, GitRequest};

use store::Repository;

/// Where a repository is.
#[derive(Debug, PartialEq, Eq)]
enum Location<'r> {
    Http(&'r str),
    Local(&'r Path),
}

fn locate(repository: &str) -> Result<Location<'_>, String> {
    if let Some((scheme, rest)) = repository.split_once("://") {
        return match scheme {
            "http" | "https" => Ok(Location::Http(repository)),
            "file" => Ok(Location::Local(Path::new(rest))),
            "ssh" | "git+ssh" => Err(no_ssh()),
            other => {
                Err(format!("repositories by {other}:// are not implemented by Corten; use https:// or a local path"))
            }
        };
    }
    // `git@host:path` is ssh too; a colon behind a slash belongs to a file's name.
    match repository.split_once(':') {
        Some((host, _)) if !host.contains('/') && !host.is_empty() => Err(no_ssh()),
        _ => Ok(Location::Local(Path::new(repository))),
    }
}

fn no_ssh() -> String {
    "repositories by ssh are not implemented by Corten; use https:// with basic_auth (a token as password) or a local path"
        .to_owned()
}

pub(super) async fn fetch(request: GitRequest) -> Result<GitFiles, String> {
    let timeout = request.timeout;
    let late = || format!("the repository was not read within {timeout:?}");
    tokio::time::timeout(timeout, fetch_now(request)).await.map_err(|_| late())?
}

async fn fetch_now(request: GitRequest) -> Result<GitFiles, String> {
    let GitRequest { repository, revision, path, auth, cache, .. } = request;
    if matches!(auth, GitAuth::SshKey { .. }) {
        return Err(no_ssh());
    }
    match locate(&repository)? {
        Location::Local(directory) => {
            let directory = directory.to_owned();
            blocking(move || {
                let repository = Repository::open(&directory)?;
                let commit = repository.resolve(&revision)?;
                repository.read(commit, &path)
            })
            .await
        }
        Location::Http(url) => {
            let remote = remote::Remote::new(url, &auth)?;
            let commit = remote.resolve(&revision).await?;
            let known = {
                let (cache, path) = (cache.clone(), path.clone());
                blocking(move || Ok(Repository::cached(&cache).and_then(|kept| kept.read(commit, &path).ok()))).await?
            };
            if let Some(files) = known {
                return Ok(files);
            }
            let pack = remote.pack(commit).await?;
            let interrupt = Interrupt::default();
            let flag = Arc::clone(&interrupt.0);
            let files = blocking(move || {
                let repository = Repository::replace(&cache, &pack, &flag)?;
                repository.read(commit, &path)
            })
            .await;
            drop(interrupt);
            files
        }
    }
}

/// Tells a thread that nobody waits for it any more.
#[derive(Default)]
struct Interrupt(Arc<AtomicBool>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("reading the repository failed".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_refused_in_every_spelling() {
        for url in ["ssh://git@x/y.git", "git@github.com:a/b.git", "host:path"] {
            assert!(locate(url).is_err_and(|why| why.contains("ssh")), "{url}");
        }
        assert!(locate("git://x/y").is_err_and(|why| why.contains("git://")));
        assert_eq!(locate("https://x/y.git"), Ok(Location::Http("https://x/y.git")));
        assert_eq!(locate("/a/b:c"), Ok(Location::Local(Path::new("/a/b:c"))));
        assert_eq!(locate("./a:b/c"), Ok(Location::Local(Path::new("./a:b/c"))));
        assert_eq!(locate("file:///a/b"), Ok(Location::Local(Path::new("/a/b"))));
    }
}
