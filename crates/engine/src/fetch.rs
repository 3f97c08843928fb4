//! What the engine asks of its host to import modules: it opens no connection itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use corten_component::{Body, BoxFuture, Schema};
use corten_syntax::{Diagnostics, Secret};

/// One HTTP request of `import.http`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    /// The URL as written.
    pub url: String,
    /// The method, `GET` unless written.
    pub method: String,
    /// Headers to send.
    pub headers: BTreeMap<String, Secret>,
    /// The body, empty for none.
    pub body: String,
    /// After this the request has failed.
    pub timeout: Duration,
    /// The evaluated `client` block, to decode by [`Fetch::client_schema`]; `None` if it is not written.
    pub client: Option<FetchClient>,
}

/// The evaluated statements of a `client` block, which only the host can read.
#[derive(Debug, Clone)]
pub struct FetchClient(pub Body);

impl PartialEq for FetchClient {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(&other.0)
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The whole body; the host bounds its size.
    pub body: Vec<u8>,
}

/// One checkout of `import.git`.
#[derive(Debug, Clone, PartialEq)]
pub struct GitRequest {
    /// The repository's URL or local path.
    pub repository: String,
    /// A branch, tag or commit; `main` unless written.
    pub revision: String,
    /// A file or a directory inside the repository.
    pub path: String,
    /// How to authenticate.
    pub auth: GitAuth,
    /// Where the host may keep its clone; created if it is missing.
    pub cache: PathBuf,
    /// After this the request has failed.
    pub timeout: Duration,
}

/// How `import.git` authenticates.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum GitAuth {
    /// It does not.
    #[default]
    None,
    /// `basic_auth { }`
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// `ssh_key { }`
    SshKey {
        /// The user.
        username: String,
        /// The key itself, empty if it is in a file.
        key: Secret,
        /// The key's file, empty if it is given.
        key_file: String,
        /// What the key is locked with.
        passphrase: Secret,
    },
}

/// What was checked out.
#[derive(Debug, Clone)]
pub struct GitFiles {
    /// The file at the path, or the direct `*.alloy` children of the directory, by name in the repository.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether the path is a directory.
    pub directory: bool,
    /// The commit that the revision stood for, for messages.
    pub commit: String,
}

/// Brings the content of `import.http` and `import.git`. Errors are sentences for people.
pub trait Fetch: Send + Sync + 'static {
    /// Sends a request; a status other than 200 is the engine's to judge.
    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, String>>;
    /// Clones or pulls, and reads.
    fn git(&self, request: GitRequest) -> BoxFuture<'_, Result<GitFiles, String>>;
    /// What may stand in the `client` block of `import.http`, for `validate`.
    fn client_schema(&self) -> Option<&'static Schema> {
        None
    }
    /// Whether a `client` block is right, without connecting.
    fn check_client(&self, _client: &FetchClient) -> Result<(), Diagnostics> {
        Ok(())
    }
}

/// A host without network: `import.http` and `import.git` fail with a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFetch;

impl Fetch for NoFetch {
    fn http(&self, _request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, String>> {
        Box::pin(async { Err("this program cannot fetch modules by HTTP".to_owned()) })
    }

    fn git(&self, _request: GitRequest) -> BoxFuture<'_, Result<GitFiles, String>> {
        Box::pin(async { Err("this program cannot fetch modules by git".to_owned()) })
    }
}
