//! Authentication as an exported behaviour: one handler serves servers (it checks) and clients (it adds credentials).

use std::net::SocketAddr;
use std::sync::Arc;

use corten_component::{Behaviour, BoxFuture, Handle};
use corten_signal::otlp::Meta;
use http::HeaderMap;

/// Who sent a request, as far as the transport knows.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// The address, for TCP.
    pub address: Option<SocketAddr>,
    /// The certificate that the client proved to hold (DER), under mutual TLS.
    pub certificate: Option<Arc<[u8]>>,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// What a check found out about the sender: attributes for later stages (`from_attribute`).
#[derive(Clone, Default, PartialEq)]
pub struct AuthData {
    /// Name, value, and whether the value must not be shown.
    pub attributes: Vec<(String, String, bool)>,
}

impl std::fmt::Debug for AuthData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.attributes.iter().map(|(name, ..)| name);
        f.debug_list().entries(names).finish()
    }
}

/// The sender is not who it should be. The message goes to the client, so it tells no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unauthenticated {
    /// Why.
    pub message: String,
    /// The value of `WWW-Authenticate`, if there is a way to do better.
    pub challenge: Option<String>,
}

impl Unauthenticated {
    /// With this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), challenge: None }
    }
}

/// Credentials could not be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthError {
    /// Why, without the secret.
    pub message: String,
}

impl AuthError {
    /// With this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// What an `otelcol.auth.*` component does.
pub trait Authenticator: Send + Sync + 'static {
    /// Server side. Unless overridden, everybody is refused: a handler that only serves clients must not let anybody in.
    fn check<'a>(&'a self, headers: &'a HeaderMap, peer: &'a Peer) -> BoxFuture<'a, Result<AuthData, Unauthenticated>> {
        let _ = (headers, peer);
        Box::pin(async { Err(Unauthenticated::new("this authentication works for clients only")) })
    }

    /// Client side: adds credentials to a request. `meta` is what is known of the request that brought the data.
    fn apply<'a>(&'a self, headers: &'a mut HeaderMap, meta: Option<&'a Meta>) -> BoxFuture<'a, Result<(), AuthError>> {
        let _ = (headers, meta);
        Box::pin(async { Err(AuthError::new("this authentication works for servers only")) })
    }

    /// Whether it can check (`Ok`), or why not: asked while a server is planned.
    ///
    /// # Errors
    /// Why it cannot.
    fn serves(&self) -> Result<(), AuthError> {
        Ok(())
    }
}

impl Behaviour for dyn Authenticator {
    const CAPSULE: &'static str = "otelcol.Handler";
}

/// An exported authenticator.
pub type AuthHandle = Handle<dyn Authenticator>;

/// Checks a request with a handle; a handle whose component is not there refuses.
///
/// # Errors
/// Why the sender was refused.
pub async fn check(handle: &AuthHandle, headers: &HeaderMap, peer: &Peer) -> Result<AuthData, Unauthenticated> {
    match handle.get() {
        Some(authenticator) => authenticator.check(headers, peer).await,
        None => Err(Unauthenticated::new("authentication is not ready")),
    }
}

/// Adds credentials with a handle.
///
/// # Errors
/// Why they could not be added; such a request must not be sent.
pub async fn apply(handle: &AuthHandle, headers: &mut HeaderMap, meta: Option<&Meta>) -> Result<(), AuthError> {
    match handle.get() {
        Some(authenticator) => authenticator.apply(headers, meta).await,
        None => Err(AuthError::new("authentication is not ready")),
    }
}

/// Compares without telling by its duration where the two differ.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct ClientOnly;
    impl Authenticator for ClientOnly {}

    #[tokio::test]
    async fn who_cannot_check_lets_nobody_in() {
        let handle: AuthHandle = Handle::to(Arc::new(ClientOnly));
        assert!(check(&handle, &HeaderMap::new(), &Peer::default()).await.is_err());
        let empty: AuthHandle = Handle::new(corten_component::NodeId::root("a"));
        assert!(check(&empty, &HeaderMap::new(), &Peer::default()).await.is_err());
        assert!(constant_time_eq(b"a", b"a") && !constant_time_eq(b"a", b"b") && !constant_time_eq(b"a", b""));
    }
}
