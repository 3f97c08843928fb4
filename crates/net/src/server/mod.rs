//! HTTP servers whose sockets and connections outlive the instances that answer.
//!
//! A [`Listener`] is a resource keyed by its address. Acquiring binds and accepts nothing. An instance puts a [`Handler`] in with
//! [`Listener::install`] and takes it out by [`Installed::finish`]; connections stay, and requests that come while no handler is there
//! wait for the next one. When the last user of the resource has gone, the listener closes: no new connections, those that are there
//! finish what they do within a deadline.
//!
//! HTTP/1.1 and HTTP/2 share the port: by ALPN under TLS, by the first bytes without.

mod activity;
mod bind;
mod connection;
mod frames;
mod http2;
mod io;
mod limits;
mod listener;
mod pings;
mod refusals;
mod slot;

use std::sync::Arc;

use corten_component::BoxFuture;
use http::{Request, Response};

use crate::Body;
use crate::tls::ServerTls;

pub use limits::{Limits, MAX_PER_PEER};
pub use listener::{Installed, Listener};
pub use pings::PingPolicy;
pub use refusals::Refusals;

/// Answers requests. Who sent one is in its extensions, as [`crate::Peer`].
pub trait Handler: Send + Sync + 'static {
    /// Answers. The future is dropped if the client goes: what must happen all the same belongs in a task of its own.
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;
}

impl<F, R> Handler for F
where
    F: Fn(Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(self(request))
    }
}

/// What an instance puts into a listener.
#[derive(Clone)]
pub struct Serving {
    /// Answers requests.
    pub handler: Arc<dyn Handler>,
    /// How connections are encrypted; `None` is plaintext.
    pub tls: Option<ServerTls>,
    /// Limits and deadlines of connections; they hold for those made from now on.
    pub limits: Limits,
    /// Counts connections that are refused or cut off.
    pub refusals: Refusals,
}

impl Serving {
    /// A handler without TLS, with default limits.
    pub fn new(handler: Arc<dyn Handler>) -> Self {
        Self { handler, tls: None, limits: Limits::default(), refusals: Refusals::default() }
    }
}
