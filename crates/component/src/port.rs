//! A port is the stable end of an edge: it belongs to the node, and the instance behind it may be replaced.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use corten_syntax::{Capsule, CapsuleValue, Value};
use tokio::sync::Notify;

use crate::edge::Edge;
use crate::{Attribute, BoxFuture, Consume, Durable, Kinds, NodeId, Refusal, Signal, ValueError};

/// How long a call waits behind a gate while an instance is being replaced.
const GATE_DEADLINE: Duration = Duration::from_secs(30);

const SHUT: u8 = 0;
const OPEN: u8 = 1;
const REMOVED: u8 = 2;

struct Inner<T: Signal> {
    owner: NodeId,
    name: &'static str,
    state: AtomicU8,
    target: ArcSwapOption<Arc<dyn Consume<T>>>,
    /// The kinds that its first instance takes, known from its build on.
    planned: AtomicU8,
    in_flight: AtomicUsize,
    refused: AtomicU64,
    /// Wakes calls that wait at the gate.
    opened: Notify,
    /// Wakes who waits for the last call inside; apart from `opened`, or leaving a gate would wake those before it.
    emptied: Notify,
}

/// The receiving end of an edge. Cloning gives the same port; two ports are equal if they are the same.
///
/// A port that was decoded as an argument knows the [`Edge`] that it is the end of: those who look on see there what
/// passes.
pub struct Port<T: Signal> {
    inner: Arc<Inner<T>>,
    edge: Option<Arc<Edge>>,
}

impl<T: Signal> Clone for Port<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), edge: self.edge.clone() }
    }
}

impl<T: Signal> std::fmt::Debug for Port<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Port({}.{})", self.inner.owner, self.inner.name)
    }
}

impl<T: Signal> PartialEq for Port<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

struct InFlight<'a, T: Signal>(&'a Inner<T>);

impl<T: Signal> Drop for InFlight<'_, T> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.state.load(Ordering::SeqCst) != OPEN {
            self.0.emptied.notify_waiters();
        }
    }
}

impl<T: Signal> Port<T> {
    /// A shut port without an instance; the engine's business, and tests'.
    pub fn new(owner: NodeId, name: &'static str) -> Self {
        let inner = Inner {
            owner,
            name,
            state: AtomicU8::new(SHUT),
            target: ArcSwapOption::empty(),
            planned: AtomicU8::new(Kinds::ALL.0),
            in_flight: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            opened: Notify::new(),
            emptied: Notify::new(),
        };
        Self { inner: Arc::new(inner), edge: None }
    }

    /// An open port in front of a consumer, for tests and embedders without an engine.
    pub fn to(consumer: Arc<dyn Consume<T>>) -> Self {
        let port = Self::new(NodeId::root("direct"), "input");
        port.inner.target.store(Some(Arc::new(consumer)));
        port.inner.state.store(OPEN, Ordering::SeqCst);
        port
    }

    /// The node that it belongs to.
    pub fn owner(&self) -> &NodeId {
        &self.inner.owner
    }

    /// The name of the export.
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// The kinds that the instance behind it takes; before the first commit, those that the first instance will take.
    pub fn kinds(&self) -> Kinds {
        let planned = || Kinds(self.inner.planned.load(Ordering::Relaxed));
        self.inner.target.load().as_ref().map_or_else(planned, |target| target.kinds())
    }

    pub(crate) fn plan(&self, kinds: Kinds) {
        self.inner.planned.store(kinds.0, Ordering::Relaxed);
    }

    /// The edge whose end this is, if it was decoded as an argument.
    pub fn edge(&self) -> Option<&Arc<Edge>> {
        self.edge.as_ref()
    }

    /// Items that a fan-out could not hand to this port: `dropped{reason="refused"}`.
    pub fn refused_items(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn count_refused(&self, items: u64) {
        self.inner.refused.fetch_add(items, Ordering::Relaxed);
    }

    /// The call, seen by those who look on.
    async fn watched(&self, edge: &Edge, item: T) -> Result<(), Refusal> {
        let sight = edge.see(&item);
        let answer = self.call(item).await;
        if answer.is_ok() {
            edge.passed(sight);
        }
        answer
    }

    async fn call(&self, item: T) -> Result<(), Refusal> {
        let inner = &*self.inner;
        loop {
            // Counted before the gate is looked at: whoever shuts the gate and then sees zero knows that no call
            // is inside and none will enter.
            inner.in_flight.fetch_add(1, Ordering::SeqCst);
            let guard = InFlight(inner);
            match inner.state.load(Ordering::SeqCst) {
                OPEN => {
                    let Some(target) = inner.target.load_full() else { return Err(Refusal::Closed) };
                    let answer = target.consume(item).await;
                    drop(guard);
                    return answer;
                }
                REMOVED => return Err(Refusal::Closed),
                _ => {
                    drop(guard);
                    let opened = inner.opened.notified();
                    tokio::pin!(opened);
                    opened.as_mut().enable();
                    if inner.state.load(Ordering::SeqCst) == SHUT
                        && tokio::time::timeout(GATE_DEADLINE, opened).await.is_err()
                    {
                        return Err(Refusal::retry("the component is being replaced"));
                    }
                }
            }
        }
    }
}

impl<T: Signal> Consume<T> for Port<T> {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        match self.inner.state.load(Ordering::SeqCst) {
            OPEN => self.inner.target.load().as_ref().map_or(Ok(()), |target| target.admit(bytes)),
            REMOVED => Err(Refusal::Closed),
            _ => Ok(()),
        }
    }

    fn consume(&self, item: T) -> BoxFuture<'_, Result<(), Refusal>> {
        match self.edge.as_deref() {
            Some(edge) if edge.is_watched() => Box::pin(self.watched(edge, item)),
            _ => Box::pin(self.call(item)),
        }
    }

    fn kinds(&self) -> Kinds {
        Port::kinds(self)
    }

    fn durable(&self) -> Vec<Durable> {
        self.inner.target.load().as_ref().map_or_else(Vec::new, |target| target.durable())
    }
}

/// How often an instance was put behind a port or a handle: what was asked of neighbours holds while it stays the same.
pub fn wiring() -> u64 {
    WIRING.load(Ordering::Acquire)
}

static WIRING: AtomicU64 = AtomicU64::new(0);

pub(crate) fn rewired() {
    WIRING.fetch_add(1, Ordering::Release);
}

/// What the engine does to ports without knowing what travels through them.
pub trait Gate: Send + Sync + 'static {
    /// New calls wait from now on.
    fn shut(&self);
    /// Resolves when no call is inside. Bound it with a deadline.
    fn quiet(&self) -> BoxFuture<'_, ()>;
    /// Waiting and new calls go to the instance installed last.
    fn open(&self);
    /// Waiting and new calls are refused for good.
    fn remove(&self);
    /// Items refused at this port by fan-outs.
    fn refused(&self) -> u64;
    /// The export's name.
    fn export(&self) -> &'static str;
    /// The kinds that the instance behind it takes.
    fn kinds(&self) -> Kinds;
    /// The kinds that an output of this name sends, as the signal's family calls its outputs.
    fn output(&self, field: &str) -> Option<Kinds>;
    /// Whether a capsule is this port.
    fn is(&self, capsule: &Capsule) -> bool;
    /// The edge of a capsule that is this port, decoded as an argument.
    fn edge(&self, capsule: &Capsule) -> Option<Arc<Edge>>;
    /// For finding the typed port again.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Signal> Gate for Port<T> {
    fn shut(&self) {
        self.inner.state.store(SHUT, Ordering::SeqCst);
    }

    fn quiet(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let emptied = self.inner.emptied.notified();
                tokio::pin!(emptied);
                emptied.as_mut().enable();
                if self.inner.in_flight.load(Ordering::SeqCst) == 0 {
                    return;
                }
                emptied.await;
            }
        })
    }

    fn open(&self) {
        self.inner.state.store(OPEN, Ordering::SeqCst);
        self.inner.opened.notify_waiters();
    }

    fn remove(&self) {
        self.inner.state.store(REMOVED, Ordering::SeqCst);
        self.inner.opened.notify_waiters();
    }

    fn refused(&self) -> u64 {
        self.refused_items()
    }

    fn export(&self) -> &'static str {
        self.inner.name
    }

    fn kinds(&self) -> Kinds {
        Port::kinds(self)
    }

    fn output(&self, field: &str) -> Option<Kinds> {
        T::output(field)
    }

    fn is(&self, capsule: &Capsule) -> bool {
        capsule.downcast::<Self>() == Some(self)
    }

    fn edge(&self, capsule: &Capsule) -> Option<Arc<Edge>> {
        capsule.downcast::<Self>().filter(|port| *port == self)?.edge.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<T: Signal> Port<T> {
    /// Puts an instance behind the port; calls inside finish on the old one.
    pub(crate) fn install(&self, consumer: Arc<dyn Consume<T>>) {
        self.inner.target.store(Some(Arc::new(consumer)));
        rewired();
    }
}

impl<T: Signal> CapsuleValue for Port<T> {
    fn type_name(&self) -> &'static str {
        T::CAPSULE
    }

    fn equals(&self, other: &dyn CapsuleValue) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<T: Signal> Attribute for Port<T> {
    fn type_name() -> String {
        format!("capsule(\"{}\")", T::CAPSULE)
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::Capsule(capsule) => capsule
                .downcast::<Self>()
                // Whoever is given a port holds an edge of its own to it.
                .map(|port| Self { inner: Arc::clone(&port.inner), edge: Some(Edge::of::<T>()) })
                .ok_or_else(|| ValueError::mismatch(&<Self as Attribute>::type_name(), value)),
            other => Err(ValueError::mismatch(&<Self as Attribute>::type_name(), other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Capsule(Capsule::new(self.clone()))
    }
}
