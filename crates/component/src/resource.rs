//! What outlives an instance: listeners, logs, directory locks. Same key, same resource.

use std::any::{Any, TypeId};
use std::fmt::{self, Debug};
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use crate::BoxFuture;

/// Something that must exist once per key, whichever instance uses it.
pub trait Resource: Send + Sync + Sized + 'static {
    /// What identifies it: an address, a directory.
    type Key: Eq + Hash + Clone + Debug + Send + Sync + 'static;
    /// What it is, for messages (`listener`).
    const KIND: &'static str;
    /// Takes it (binds without accepting, locks). Called while a reload is being prepared.
    fn acquire(key: Self::Key) -> impl Future<Output = Result<Self, ResourceError>> + Send;
}

/// A resource could not be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ResourceError {
    /// Why, for a person.
    pub message: String,
}

impl ResourceError {
    /// With this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// A promise made in `build`, kept before `run` starts.
pub struct Lease<R: Resource> {
    slot: Arc<OnceLock<Arc<R>>>,
}

impl<R: Resource> Clone for Lease<R> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot) }
    }
}

impl<R: Resource> Lease<R> {
    /// The resource; `None` only during `build`.
    pub fn get(&self) -> Option<Arc<R>> {
        self.slot.get().cloned()
    }

    /// A lease that already holds its resource, for tests and embedders without an engine.
    pub fn held(resource: R) -> Self {
        let slot = Arc::new(OnceLock::new());
        let _ = slot.set(Arc::new(resource));
        Self { slot }
    }

    pub(crate) fn request(key: R::Key) -> (Self, ResourceRequest) {
        let slot = Arc::new(OnceLock::new());
        let lease = Self { slot: Arc::clone(&slot) };
        let request = ResourceRequest {
            id: ResourceId { type_id: TypeId::of::<R>(), kind: R::KIND, key: format!("{key:?}") },
            acquire: Box::new(move || {
                Box::pin(async move { Ok(Arc::new(R::acquire(key).await?) as Arc<dyn Any + Send + Sync>) })
            }),
            fill: Box::new(move |resource| {
                if let Ok(resource) = resource.downcast::<R>() {
                    let _ = slot.set(resource);
                }
            }),
        };
        (lease, request)
    }
}

/// Names a resource across all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceId {
    type_id: TypeId,
    kind: &'static str,
    key: String,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// What `build` asked for; the engine looks it up or acquires it, then fills the lease.
pub struct ResourceRequest {
    /// Which resource.
    pub id: ResourceId,
    /// Takes it anew.
    pub acquire: Box<dyn FnOnce() -> BoxFuture<'static, Result<Arc<dyn Any + Send + Sync>, ResourceError>> + Send>,
    /// Keeps the promise.
    pub fill: Box<dyn FnOnce(Arc<dyn Any + Send + Sync>) + Send>,
}
