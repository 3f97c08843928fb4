//! The trait that a component implements, and what it is given while being built and while running.

use std::future::Future;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::handle::Behaviour;
use crate::metrics::{MetricDoc, Scope};
use crate::node::{Node, Pending, Phase, RunState};
use crate::resource::Lease;
use crate::{Arguments, Consume, Exports, Handle, Health, NodeId, Note, Port, Resource, Signal};

/// A stage of a pipeline. See the crate's page for its life.
pub trait Component: Sized + Send + 'static {
    /// The name in the file: `otelcol.processor.batch`.
    const NAME: &'static str;
    /// What it does, for the reference page: one sentence, then paragraphs.
    const DOC: &'static str;
    /// Its self-metrics, for the reference page.
    const METRICS: &'static [MetricDoc] = &[];
    /// What the user writes.
    type Arguments: Arguments;
    /// What others may refer to.
    type Exports: Exports;
    /// What the next instance must inherit; `()` for most.
    type Carry: Default + Send + 'static;

    /// Observes, never acquires: no bind, no spawn, no write. All that neighbours refer to exists on return.
    /// Called once per instance, under a deadline; cancelled when the plan is given up.
    fn build(
        args: Arc<Self::Arguments>,
        cx: &mut BuildContext<'_>,
    ) -> impl Future<Output = Result<(Self, Self::Exports), BuildError>> + Send;

    /// Acquires, works, drains, releases. Returning before [`RunContext::stopping`] means that the component has
    /// exited; the next load starts it again. The default waits for the end, for stages that only answer calls.
    fn run(
        self,
        carry: Self::Carry,
        cx: RunContext<Self>,
    ) -> impl Future<Output = (Self::Carry, Result<(), RunError>)> + Send {
        async move {
            cx.stopping().await;
            drop(self);
            (carry, Ok(()))
        }
    }

    /// Whether a running instance takes `new` (by [`RunContext::changed`]) instead of being replaced.
    fn absorbs(_old: &Self::Arguments, _new: &Self::Arguments) -> bool {
        false
    }

    /// What is worth knowing about arguments that are not wrong. Looks at nothing else.
    fn notes(_args: &Self::Arguments) -> Vec<Note> {
        Vec::new()
    }
}

/// What an instance is built from.
pub struct BuildContext<'a> {
    node: &'a Arc<Node>,
    pending: Pending,
}

impl<'a> BuildContext<'a> {
    /// For engines and test harnesses.
    pub fn new(node: &'a Arc<Node>) -> Self {
        Self { node, pending: Pending::default() }
    }

    /// What is left to be done at the commit.
    pub fn into_pending(self) -> Pending {
        self.pending
    }

    /// The node's name.
    pub fn id(&self) -> &NodeId {
        self.node.id()
    }

    /// Where the node may keep files; create it in `run`.
    pub fn data_dir(&self) -> &Path {
        self.node.data_dir()
    }

    /// Where the node's metrics go.
    pub fn metrics(&self) -> &Scope {
        self.node.metrics()
    }

    /// The node's health, for stages that have no `run` of their own.
    pub fn health(&self) -> &Health {
        self.node.health()
    }

    /// A process-wide helper, if the host offers it.
    pub fn service<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        self.node.services().get()
    }

    /// The node's port of this name, with `consumer` behind it from the commit on.
    pub fn port<T: Signal>(&mut self, name: &'static str, consumer: Arc<dyn Consume<T>>) -> Port<T> {
        let port = self.node.port(name);
        self.pending.install_port(&port, consumer);
        port
    }

    /// The node's handle of this name, with `behaviour` behind it from the commit on.
    pub fn handle<B: Behaviour + ?Sized>(&mut self, name: &'static str, behaviour: Arc<B>) -> Handle<B> {
        let handle = self.node.handle(name);
        self.pending.install_handle(&handle, behaviour);
        handle
    }

    /// Asks for a resource; the lease is filled before `run` starts, or the plan fails with the reason.
    pub fn resource<R: Resource>(&mut self, key: R::Key) -> Lease<R> {
        let (lease, request) = Lease::request(key);
        self.pending.requests.push(request);
        lease
    }
}

/// Why an instance could not be built.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    /// Why, for a person; a fragment that reads after "building component: ".
    pub message: String,
    /// The argument at fault as a dotted path (`client.endpoint`); the diagnostic points there.
    pub field: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl BuildError {
    /// Without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), field: None, help: None }
    }

    /// At an argument (`client.endpoint`).
    pub fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), field: Some(field.into()), help: None }
    }

    /// Says what to do.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why an instance ended before it was told to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// Why, for a person.
    pub message: String,
}

impl RunError {
    /// With this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// What a running instance is given.
pub struct RunContext<C: Component> {
    state: RunState,
    component: PhantomData<fn() -> C>,
}

impl<C: Component> RunContext<C> {
    /// For engines and test harnesses.
    pub fn new(state: RunState) -> Self {
        Self { state, component: PhantomData }
    }

    /// The node's name.
    pub fn id(&self) -> &NodeId {
        self.state.node.id()
    }

    /// Where the node may keep files; the instance creates it.
    pub fn data_dir(&self) -> &Path {
        self.state.node.data_dir()
    }

    /// Where the node's metrics go.
    pub fn metrics(&self) -> &Scope {
        self.state.node.metrics()
    }

    /// Reports health.
    pub fn health(&self) -> &Health {
        self.state.node.health()
    }

    /// A process-wide helper, if the host offers it.
    pub fn service<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        self.state.node.services().get()
    }

    /// Exports anew. Equal exports change nothing; otherwise those who depend on them are planned again.
    pub fn publish(&self, exports: &C::Exports) {
        self.state.node.publish(exports.to_object());
    }

    /// The arguments as they are now.
    pub fn arguments(&self) -> Arc<C::Arguments> {
        let current = Arc::clone(&self.state.arguments.borrow());
        current.downcast().unwrap_or_default()
    }

    /// Waits for arguments that the instance absorbs.
    pub async fn changed(&mut self) -> Arc<C::Arguments> {
        if self.state.arguments.changed().await.is_err() {
            // The engine has let go of the instance; `stopping` tells.
            std::future::pending::<()>().await;
        }
        self.state.arguments.borrow_and_update();
        self.arguments()
    }

    /// What the instance is told next: arguments that it absorbs, or `None` when it should finish.
    pub async fn told(&mut self) -> Option<Arc<C::Arguments>> {
        let mut phase = self.phase();
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Running) => None,
            args = self.changed() => Some(args),
        }
    }

    /// Resolves when upstream is quiet and the instance should finish what it holds.
    pub async fn stopping(&self) {
        let mut phase = self.state.phase.clone();
        let _ = phase.wait_for(|phase| matches!(phase, Phase::Stopping { .. })).await;
    }

    /// Whether another instance will inherit the carry. Means something once the instance is stopping: `true`, hand
    /// over what is left at once; `false` (removed, shutting down), nobody else will deliver it.
    pub fn is_inherited(&self) -> bool {
        self.state.inherited.load(Ordering::Acquire)
    }

    /// By when the instance must have returned; `None` while running.
    pub fn deadline(&self) -> Option<Instant> {
        match *self.state.phase.borrow() {
            Phase::Running => None,
            Phase::Stopping { deadline } => Some(deadline),
        }
    }

    /// What is left until the deadline; zero once it has passed, `None` while running.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// A detached handle on the phase, for tasks that the instance starts.
    pub fn phase(&self) -> tokio::sync::watch::Receiver<Phase> {
        self.state.phase.clone()
    }
}
