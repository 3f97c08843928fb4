//! `otelcol.auth.basic`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corten_component::{Arguments, BoxFuture, BuildContext, BuildError, Component, Invalid};
use corten_net::args::DebugMetrics;
use corten_net::auth::{AuthData, AuthError, Authenticator, Peer, Unauthenticated, constant_time_eq};
use corten_signal::otlp::Meta;
use corten_syntax::Secret;
use http::{HeaderMap, HeaderValue, header};
use ring::digest::{SHA256, digest};
use tokio::sync::Semaphore;

use crate::AuthExports;
use crate::htpasswd::{Hash, Htpasswd};

/// Slow hashes are checked by this many threads at most, so that guessing passwords cannot take the whole machine.
const SLOW_CHECKS: usize = 2;
/// A file with a name or a password may have at most this many bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// The arguments of `otelcol.auth.basic`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct BasicArguments {
    /// Deprecated: the name, for clients and servers; write `client_auth` or `htpasswd`.
    pub username: String,
    /// Deprecated: the password.
    pub password: Secret,
    /// What clients send.
    #[arg(block)]
    pub client_auth: Option<ClientAuth>,
    /// Whom servers let in.
    #[arg(block)]
    pub htpasswd: Option<HtpasswdBlock>,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

/// `client_auth`: what clients send.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct ClientAuth {
    /// The name.
    pub username: String,
    /// A file with the name, read for every request; it wins.
    pub username_file: String,
    /// The password.
    pub password: Secret,
    /// A file with the password, read for every request; it wins.
    pub password_file: String,
}

/// `htpasswd`: whom servers let in.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct HtpasswdBlock {
    /// A file in htpasswd's format.
    pub file: String,
    /// The same as text; its entries win.
    pub inline: String,
}

impl BasicArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if !self.username.is_empty() && self.password.is_empty() {
            return Err(Invalid::at("username", "username needs a password"));
        }
        let has_client = self
            .client_auth
            .as_ref()
            .is_some_and(|client| !client.username.is_empty() || !client.username_file.is_empty());
        let has_server = self.htpasswd.as_ref().is_some_and(|block| !block.file.is_empty() || !block.inline.is_empty());
        if self.username.is_empty() && !has_client && !has_server {
            return Err(Invalid::new("no credentials are configured").with_help(
                "write client_auth { username = ..., password = ... } for clients, htpasswd { ... } for servers",
            ));
        }
        Ok(())
    }
}

/// `otelcol.auth.basic`.
pub struct BasicAuth;

impl Component for BasicAuth {
    const NAME: &'static str = "otelcol.auth.basic";
    const DOC: &'static str = "Name and password.\n\nAttached to a client it sends those of `client_auth`; attached to a server \
        it lets in whom `htpasswd` names. Known hashes are bcrypt, apr1 (MD5), SHA, SSHA and plain text.";
    type Arguments = BasicArguments;
    type Exports = AuthExports;
    type Carry = ();

    async fn build(args: Arc<BasicArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, AuthExports), BuildError> {
        let behaviour: Arc<dyn Authenticator> = Arc::new(Basic::new(&args)?);
        let handler = cx.handle("handler", behaviour);
        Ok((Self, AuthExports { handler }))
    }
}

struct Basic {
    client: Option<ClientAuth>,
    users: Htpasswd,
    /// Digests of name and password that a slow hash has been checked for.
    known: Mutex<HashMap<String, [u8; 32]>>,
    slow: Arc<Semaphore>,
}

impl Basic {
    fn new(args: &BasicArguments) -> Result<Self, BuildError> {
        let mut users = Htpasswd::default();
        if let Some(block) = &args.htpasswd {
            let mut text = block.inline.clone();
            if !block.file.is_empty() {
                let fail = |why: String| BuildError::at("htpasswd.file", format!("reading {}: {why}", block.file));
                text.push('\n');
                text.push_str(&std::fs::read_to_string(&block.file).map_err(|error| fail(error.to_string()))?);
            }
            users = Htpasswd::parse(&text).map_err(|why| BuildError::at("htpasswd", format!("htpasswd: {why}")))?;
        }
        let own = (!args.username.is_empty()).then(|| ClientAuth {
            username: args.username.clone(),
            password: args.password.clone(),
            ..ClientAuth::default()
        });
        if args.client_auth.is_none()
            && let Some(own) = &own
        {
            users.insert(&own.username, Hash::plain(own.password.expose()));
        }
        Ok(Self {
            client: args.client_auth.clone().or(own),
            users,
            known: Mutex::default(),
            slow: Arc::new(Semaphore::new(SLOW_CHECKS)),
        })
    }

    async fn verify(&self, name: &str, password: &str) -> bool {
        let Some(hash) = self.users.get(name) else { return false };
        if !hash.is_slow() {
            return hash.matches(password);
        }
        let mark = mark(name, password);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        if known.is_some_and(|known| constant_time_eq(&known, &mark)) {
            return true;
        }
        let Ok(_permit) = self.slow.acquire().await else { return false };
        let (hash, password) = (hash.clone(), password.to_owned());
        let right = tokio::task::spawn_blocking(move || hash.matches(&password)).await.unwrap_or(false);
        if right {
            // One entry a name, so it does not grow.
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), mark);
        }
        right
    }
}

fn mark(name: &str, password: &str) -> [u8; 32] {
    let text = [name.as_bytes(), b"\0", password.as_bytes()].concat();
    let mut mark = [0; 32];
    mark.copy_from_slice(digest(&SHA256, &text).as_ref());
    mark
}

fn refuse(message: &str) -> Unauthenticated {
    Unauthenticated { message: message.to_owned(), challenge: Some("Basic realm=\"corten\"".to_owned()) }
}

impl Authenticator for Basic {
    fn check<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _peer: &'a Peer,
    ) -> BoxFuture<'a, Result<AuthData, Unauthenticated>> {
        Box::pin(async move {
            if self.users.is_empty() {
                return Err(refuse("no users are configured"));
            }
            let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refuse("no basic auth provided"))?;
            let text = value.to_str().map_err(|_| refuse("invalid format of basic auth"))?;
            let (scheme, encoded) = text.split_once(' ').unwrap_or((text, ""));
            if !scheme.eq_ignore_ascii_case("basic") {
                return Err(refuse("no basic auth provided"));
            }
            let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or_else(|| refuse("invalid format of basic auth"))?;
            let (name, password) = decoded.split_once(':').ok_or_else(|| refuse("invalid format of basic auth"))?;
            if !self.verify(name, password).await {
                return Err(refuse("invalid credentials"));
            }
            let attribute = |key: &str, value: &str, secret| (key.to_owned(), value.to_owned(), secret);
            Ok(AuthData {
                attributes: vec![
                    attribute("subject", name, false),
                    attribute("username", name, false),
                    attribute("raw", text, true),
                ],
            })
        })
    }

    fn apply<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        _meta: Option<&'a Meta>,
    ) -> BoxFuture<'a, Result<(), AuthError>> {
        Box::pin(async move {
            let Some(client) = &self.client else {
                return Err(AuthError::new("otelcol.auth.basic has no client_auth block"));
            };
            let name = either(&client.username_file, &client.username).await?;
            let password = either(&client.password_file, client.password.expose()).await?;
            let text = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
            let mut value =
                HeaderValue::from_str(&text).map_err(|_| AuthError::new("the credentials cannot stand in a header"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
            Ok(())
        })
    }

    fn serves(&self) -> Result<(), AuthError> {
        if self.users.is_empty() { Err(AuthError::new("otelcol.auth.basic has no htpasswd block")) } else { Ok(()) }
    }
}

/// The file's content if one is named, else the text.
async fn either(file: &str, text: &str) -> Result<String, AuthError> {
    if file.is_empty() {
        return Ok(text.to_owned());
    }
    let fail = |why: String| AuthError::new(format!("reading {file}: {why}"));
    let size = tokio::fs::metadata(file).await.map_err(|error| fail(error.to_string()))?.len();
    if size > FILE_LIMIT {
        return Err(fail("the file is too large".into()));
    }
    let content = tokio::fs::read_to_string(file).await.map_err(|error| fail(error.to_string()))?;
    Ok(content.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(username: &str, password: &str) -> BasicArguments {
        BasicArguments { username: username.into(), password: Secret::new(password), ..BasicArguments::default() }
    }

    async fn header_of(basic: &Basic) -> HeaderMap {
        let mut headers = HeaderMap::new();
        basic.apply(&mut headers, None).await.unwrap();
        headers
    }

    #[tokio::test]
    async fn one_handler_serves_both_sides() {
        let basic = Basic::new(&args("user", "pass:word")).unwrap();
        let headers = header_of(&basic).await;
        assert!(headers[header::AUTHORIZATION].is_sensitive());
        let data = basic.check(&headers, &Peer::default()).await.unwrap();
        assert_eq!(data.attributes[0].1, "user");
        let other = Basic::new(&args("user", "else")).unwrap();
        assert!(other.check(&headers, &Peer::default()).await.is_err());
        let refused = basic.check(&HeaderMap::new(), &Peer::default()).await.unwrap_err();
        assert!(refused.challenge.is_some());
    }

    #[tokio::test]
    async fn a_client_block_alone_lets_nobody_in() {
        let client = ClientAuth { username: "a".into(), password: Secret::new("b"), ..ClientAuth::default() };
        let basic = Basic::new(&BasicArguments { client_auth: Some(client), ..BasicArguments::default() }).unwrap();
        assert!(basic.check(&header_of(&basic).await, &Peer::default()).await.is_err());
        assert!(basic.serves().is_err());
    }

    #[tokio::test]
    async fn inline_entries_win_and_slow_hashes_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        std::fs::write(&file, "a:fromfile\nb:fromfile\n").unwrap();
        let htpasswd = HtpasswdBlock {
            file: file.display().to_string(),
            inline: "a:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC".into(),
        };
        let basic = Basic::new(&BasicArguments { htpasswd: Some(htpasswd), ..BasicArguments::default() }).unwrap();
        assert!(basic.verify("a", "myPassword").await && basic.verify("a", "myPassword").await);
        assert!(!basic.verify("a", "fromfile").await && basic.verify("b", "fromfile").await);
        assert_eq!(basic.known.lock().unwrap().len(), 1);
    }

    #[test]
    fn nothing_at_all_is_a_mistake() {
        assert!(BasicArguments::default().validate().is_err());
        assert!(args("user", "").validate().is_err());
        assert!(args("user", "pass").validate().is_ok());
    }
}
