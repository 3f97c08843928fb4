//! Behaviour that is exported as a value: authentication, storage, an HTTP handler.

use std::any::Any;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use corten_syntax::{Capsule, CapsuleValue, Value};

use crate::port::rewired;
use crate::{Attribute, NodeId, ValueError};

/// Names a kind of behaviour that travels as a capsule. Implement it for `dyn YourTrait`.
pub trait Behaviour: Send + Sync + 'static {
    /// The capsule type's name as diagnostics print it (`otelcol.Handler`).
    const CAPSULE: &'static str;
}

struct Inner<B: Behaviour + ?Sized> {
    owner: NodeId,
    current: ArcSwapOption<Arc<B>>,
}

/// A stable reference to an instance's behaviour: equal across replacements of the instance, so that whoever holds
/// it is not rebuilt and always calls the newest.
pub struct Handle<B: Behaviour + ?Sized>(Arc<Inner<B>>);

impl<B: Behaviour + ?Sized> Clone for Handle<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Behaviour + ?Sized> PartialEq for Handle<B> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<B: Behaviour + ?Sized> std::fmt::Debug for Handle<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", self.0.owner)
    }
}

impl<B: Behaviour + ?Sized> Handle<B> {
    /// A handle without an instance yet.
    pub fn new(owner: NodeId) -> Self {
        Self(Arc::new(Inner { owner, current: ArcSwapOption::empty() }))
    }

    /// A handle to something, for tests and embedders without an engine.
    pub fn to(behaviour: Arc<B>) -> Self {
        let handle = Self::new(NodeId::root("direct"));
        handle.install(behaviour);
        handle
    }

    /// The newest instance; `None` before the owner's first commit.
    pub fn get(&self) -> Option<Arc<B>> {
        self.0.current.load().as_ref().map(|current| Arc::clone(&**current))
    }

    /// The node that it belongs to.
    pub fn owner(&self) -> &NodeId {
        &self.0.owner
    }

    pub(crate) fn install(&self, behaviour: Arc<B>) {
        self.0.current.store(Some(Arc::new(behaviour)));
        rewired();
    }
}

impl<B: Behaviour + ?Sized> CapsuleValue for Handle<B> {
    fn type_name(&self) -> &'static str {
        B::CAPSULE
    }

    fn equals(&self, other: &dyn CapsuleValue) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<B: Behaviour + ?Sized> Attribute for Handle<B> {
    fn type_name() -> String {
        format!("capsule(\"{}\")", B::CAPSULE)
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::Capsule(capsule) if capsule.downcast::<Self>().is_some() => {
                capsule.downcast::<Self>().cloned().ok_or_else(|| ValueError::new("is not a handle"))
            }
            other => Err(ValueError::mismatch(&<Self as Attribute>::type_name(), other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Capsule(Capsule::new(self.clone()))
    }
}
