//! Opaque typed handles that travel through expressions.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Object;

/// What a Rust type implements to travel as a capsule.
pub trait CapsuleValue: Any + Send + Sync {
    /// The type's name as diagnostics print it inside `capsule("...")`.
    fn type_name(&self) -> &'static str;
    /// Whether two capsules of the same type stand for the same thing.
    fn equals(&self, other: &dyn CapsuleValue) -> bool;
    /// For capsules that present themselves as an object (discovery targets).
    fn as_object(&self) -> Option<Arc<Object>> {
        None
    }
    /// How it reads in the component API and UI, if better than `capsule("type")`. Never a secret.
    fn text(&self) -> Option<String> {
        None
    }
    /// For downcasting.
    fn as_any(&self) -> &dyn Any;
}

/// A shared [`CapsuleValue`].
#[derive(Clone)]
pub struct Capsule(Arc<dyn CapsuleValue>);

impl Capsule {
    /// Wraps a value.
    pub fn new(value: impl CapsuleValue) -> Self {
        Self(Arc::new(value))
    }

    /// The value, if it is a `T`.
    pub fn downcast<T: CapsuleValue>(&self) -> Option<&T> {
        self.0.as_any().downcast_ref()
    }

    /// The type's name.
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// How it reads in the component API and UI, if better than `capsule("type")`.
    pub fn text(&self) -> Option<String> {
        self.0.text()
    }

    /// Its object form, if it has one.
    pub fn as_object(&self) -> Option<Arc<Object>> {
        self.0.as_object()
    }
}

impl PartialEq for Capsule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.type_name() == other.type_name() && self.0.equals(&*other.0))
    }
}

impl fmt::Debug for Capsule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "capsule(\"{}\")", self.type_name())
    }
}
