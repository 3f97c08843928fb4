//! The erased form of a component, and the list of all that a binary knows.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use corten_syntax::{Diagnostics, Object};

use crate::arguments::{Body, Schema, decode, decode_known};
use crate::metrics::MetricDoc;
use crate::node::RunState;
use crate::{
    Arguments, BoxFuture, BuildContext, BuildError, Component, ExportField, Exports, Note, RunContext, RunError,
};

type Erased = Arc<dyn Any + Send + Sync>;

/// What a carry is to the engine.
pub type Carry = Box<dyn Any + Send>;

/// How a run ended, and what the next instance inherits.
pub type Ended = (Carry, Result<(), RunError>);

/// An instance that has been built and not started.
pub trait Instance: Send {
    /// Starts it.
    fn run(self: Box<Self>, carry: Option<Carry>, state: RunState) -> BoxFuture<'static, Ended>;
}

/// What `build` made.
pub struct Built {
    /// The instance.
    pub instance: Box<dyn Instance>,
    /// Its first exports.
    pub exports: Object,
}

struct Typed<C: Component>(C);

impl<C: Component> Instance for Typed<C> {
    fn run(self: Box<Self>, carry: Option<Carry>, state: RunState) -> BoxFuture<'static, Ended> {
        // A carry of another type belongs to another component under the same name: nothing to inherit.
        let carry = carry.and_then(|carry| carry.downcast::<C::Carry>().ok()).map(|carry| *carry).unwrap_or_default();
        Box::pin(async move {
            let (carry, result) = self.0.run(carry, RunContext::new(state)).await;
            (Box::new(carry) as Carry, result)
        })
    }
}

type BuildFn = for<'a, 'b> fn(Erased, &'a mut BuildContext<'b>) -> BoxFuture<'a, Result<Built, BuildError>>;

/// Everything that the engine, the docs and the checks know of a component.
#[derive(Clone, Copy)]
pub struct Registration {
    /// The name in the file.
    pub name: &'static str,
    /// What it does, for the reference page.
    pub doc: &'static str,
    /// Its self-metrics.
    pub metrics: &'static [MetricDoc],
    /// The declaration of its arguments.
    pub schema: fn() -> &'static Schema,
    /// The declaration of its exports.
    pub exports: fn() -> &'static [ExportField],
    decode: fn(&Body) -> Result<Erased, Diagnostics>,
    build: BuildFn,
    absorbs: fn(&Erased, &Erased) -> bool,
    notes: fn(&dyn Any) -> Vec<Note>,
}

impl Registration {
    /// The registration of a component.
    pub const fn of<C: Component>() -> Self {
        Self {
            name: C::NAME,
            doc: C::DOC,
            metrics: C::METRICS,
            schema: C::Arguments::schema,
            exports: C::Exports::fields,
            decode: |body| decode::<C::Arguments>(body).map(|args| Arc::new(args) as Erased),
            build: |args, cx| {
                Box::pin(async move {
                    let args = args
                        .downcast::<C::Arguments>()
                        .map_err(|_| BuildError::new("the arguments are of another component"))?;
                    let (instance, exports) = C::build(args, cx).await?;
                    Ok(Built { instance: Box::new(Typed(instance)), exports: exports.to_object() })
                })
            },
            absorbs: |old, new| match (old.downcast_ref::<C::Arguments>(), new.downcast_ref::<C::Arguments>()) {
                (Some(old), Some(new)) => C::absorbs(old, new),
                _ => false,
            },
            notes: |args| args.downcast_ref::<C::Arguments>().map(C::notes).unwrap_or_default(),
        }
    }

    /// Decodes evaluated statements; all mistakes at once.
    pub fn decode(&self, body: &Body) -> Result<Erased, Diagnostics> {
        (self.decode)(body)
    }

    /// Builds an instance from decoded arguments.
    pub fn build<'a>(&self, args: Erased, cx: &'a mut BuildContext<'_>) -> BoxFuture<'a, Result<Built, BuildError>> {
        (self.build)(args, cx)
    }

    /// Whether a running instance takes the new arguments.
    pub fn absorbs(&self, old: &Erased, new: &Erased) -> bool {
        (self.absorbs)(old, new)
    }

    /// What is worth knowing about decoded arguments.
    pub fn notes(&self, args: &dyn Any) -> Vec<Note> {
        (self.notes)(args)
    }

    /// The same for statements of which some values are not known: only what follows from those that are. Nothing
    /// if they are wrong.
    pub fn notes_of(&self, body: &Body) -> Vec<Note> {
        let mut diagnostics = Diagnostics::new();
        let args = decode_known((self.schema)(), body, &mut diagnostics);
        if !diagnostics.is_empty() {
            return Vec::new();
        }
        let mut notes = self.notes(&*args);
        notes.retain(|note| note.fields.iter().all(|field| body.is_known(field)));
        notes
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The components of a binary, by name.
#[derive(Debug, Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Registration>);

/// Two components cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The same name twice.
    #[error("component {0:?} is registered twice")]
    Duplicate(&'static str),
    /// A name that is the beginning of another.
    #[error("component {0:?} is a prefix of {1:?}")]
    Prefix(&'static str, &'static str),
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these components too. No name may stand twice or be a dotted prefix of another.
    pub fn with(mut self, registrations: &[Registration]) -> Result<Self, RegistryError> {
        for registration in registrations {
            let name = registration.name;
            if self.0.contains_key(name) {
                return Err(RegistryError::Duplicate(name));
            }
            for known in self.0.keys() {
                let (short, long) = if known.len() < name.len() { (*known, name) } else { (name, *known) };
                if long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.')) {
                    return Err(RegistryError::Prefix(short, long));
                }
            }
            self.0.insert(name, *registration);
        }
        Ok(self)
    }

    /// The component of a name.
    pub fn get(&self, name: &str) -> Option<&Registration> {
        self.0.get(name)
    }

    /// All components, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.0.values()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}
