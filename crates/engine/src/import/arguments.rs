//! What `import.*` blocks take.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use corten_component::arguments::{Item, check as check_schema, decode};
use corten_component::{Arguments, Body, Enumeration, Schema};
use corten_syntax::{Diagnostic, Diagnostics, OptionalSecret, Secret};

use super::Specification;
use crate::fetch::{Fetch, FetchClient, GitAuth, GitRequest, HttpRequest};
use crate::graph::ImportKind;

/// How a changed file is noticed.
#[derive(Enumeration, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Detector {
    /// The system tells.
    #[default]
    Fsnotify,
    /// By looking now and then.
    Poll,
}

/// Custom components from a file or a directory.
#[derive(Arguments, Debug)]
struct FileArguments {
    /// The file, or a directory whose direct `*.alloy` files are one module.
    #[arg(required)]
    filename: String,
    /// How changes are noticed.
    detector: Detector,
    /// How often to look.
    poll_frequency: Duration,
}

impl Default for FileArguments {
    fn default() -> Self {
        Self { filename: String::new(), detector: Detector::Fsnotify, poll_frequency: Duration::from_secs(60) }
    }
}

/// Custom components from text.
#[derive(Arguments, Debug)]
struct TextArguments {
    /// The module's text.
    #[arg(required)]
    content: OptionalSecret,
}

impl Default for TextArguments {
    fn default() -> Self {
        Self { content: OptionalSecret::new("", false) }
    }
}

/// Custom components from a web server.
#[derive(Arguments, Debug)]
struct HttpArguments {
    /// Where the module is.
    #[arg(required)]
    url: String,
    /// The request's method.
    method: String,
    /// Headers to send.
    headers: BTreeMap<String, Secret>,
    /// The request's body.
    body: String,
    /// How often to ask.
    poll_frequency: Duration,
    /// How long an answer may take.
    poll_timeout: Duration,
}

impl Default for HttpArguments {
    fn default() -> Self {
        Self {
            url: String::new(),
            method: "GET".to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
            poll_frequency: Duration::from_secs(60),
            poll_timeout: Duration::from_secs(10),
        }
    }
}

/// Custom components from a git repository.
#[derive(Arguments, Debug)]
struct GitArguments {
    /// The repository's URL or path.
    #[arg(required)]
    repository: String,
    /// A branch, tag or commit.
    revision: String,
    /// The file or directory in the repository.
    #[arg(required)]
    path: String,
    /// How often to pull; 0 never.
    pull_frequency: Duration,
    /// Credentials for https.
    #[arg(block)]
    basic_auth: Option<BasicAuth>,
    /// Credentials for ssh.
    #[arg(block)]
    ssh_key: Option<SshKey>,
}

impl Default for GitArguments {
    fn default() -> Self {
        Self {
            repository: String::new(),
            revision: "main".to_owned(),
            path: String::new(),
            pull_frequency: Duration::from_secs(60),
            basic_auth: None,
            ssh_key: None,
        }
    }
}

/// Credentials for https.
#[derive(Arguments, Debug, Default)]
struct BasicAuth {
    /// The user.
    #[arg(required)]
    username: String,
    /// The password.
    #[arg(required)]
    password: Secret,
}

/// Credentials for ssh.
#[derive(Arguments, Debug, Default)]
struct SshKey {
    /// The user.
    #[arg(required)]
    username: String,
    /// The key.
    key: Secret,
    /// The key's file.
    key_file: String,
    /// What the key is locked with.
    passphrase: Secret,
}

/// A clone may take long the first time.
const GIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Decodes an import's statements. `name` is what messages call text without a place; `directory` the importing
/// module's, which text inherits; `cache` where a clone may be kept.
pub(crate) fn specification(
    kind: ImportKind,
    body: &Body,
    name: &str,
    directory: &str,
    cache: &Path,
    fetch: &dyn Fetch,
) -> Result<Specification, Diagnostics> {
    Ok(match kind {
        ImportKind::File => {
            let args: FileArguments = decode(body)?;
            Specification::File { path: args.filename, detector: args.detector, poll: args.poll_frequency }
        }
        ImportKind::Text => {
            let args: TextArguments = decode(body)?;
            let content = args.content.secret().expose().to_owned();
            Specification::Text { name: name.to_owned(), content, directory: directory.to_owned() }
        }
        ImportKind::Http => {
            let (body, client) = split_client(body);
            let args: HttpArguments = decode(&body)?;
            if let Some(client) = &client {
                fetch.check_client(client)?;
            }
            let request = HttpRequest {
                url: args.url,
                method: args.method,
                headers: args.headers,
                body: args.body,
                timeout: args.poll_timeout,
                client,
            };
            Specification::Http { request, poll: args.poll_frequency }
        }
        ImportKind::Git => {
            let args: GitArguments = decode(body)?;
            let auth = match (args.basic_auth, args.ssh_key) {
                (Some(_), Some(_)) => {
                    let message = "basic_auth and ssh_key cannot be used together";
                    return Err(vec![Diagnostic::error(body.span, message)]);
                }
                (Some(basic), None) => GitAuth::Basic { username: basic.username, password: basic.password },
                (None, Some(ssh)) => GitAuth::SshKey {
                    username: ssh.username,
                    key: ssh.key,
                    key_file: ssh.key_file,
                    passphrase: ssh.passphrase,
                },
                (None, None) => GitAuth::None,
            };
            let request = GitRequest {
                repository: args.repository,
                revision: args.revision,
                path: args.path,
                auth,
                cache: cache.to_owned(),
                timeout: GIT_TIMEOUT,
            };
            Specification::Git { request, pull: args.pull_frequency }
        }
    })
}

/// Checks an import's statements without knowing every value.
pub(crate) fn check(kind: ImportKind, body: &Body, fetch: &dyn Fetch, diagnostics: &mut Diagnostics) {
    let schema: &'static Schema = match kind {
        ImportKind::File => FileArguments::schema(),
        ImportKind::Text => TextArguments::schema(),
        ImportKind::Http => HttpArguments::schema(),
        ImportKind::Git => GitArguments::schema(),
    };
    if kind != ImportKind::Http {
        return check_schema(schema, body, diagnostics);
    }
    let (body, client) = split_client(body);
    check_schema(schema, &body, diagnostics);
    if let (Some(FetchClient(client)), Some(schema)) = (client, fetch.client_schema()) {
        check_schema(schema, &client, diagnostics);
    }
}

/// Takes the first `client` block out; a second stays, to be refused.
fn split_client(body: &Body) -> (Body, Option<FetchClient>) {
    let mut body = body.clone();
    let at = body.items.iter().position(|item| matches!(item, Item::Block(block) if block.name == "client"));
    let client = at.map(|at| body.items.remove(at)).and_then(|item| match item {
        Item::Block(block) => Some(FetchClient(block.body)),
        Item::Attribute(_) => None,
    });
    (body, client)
}
