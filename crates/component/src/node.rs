//! What a node keeps while its instances come and go. The engine's side of the contract; components see it only
//! through their contexts.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use corten_syntax::Object;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::handle::Behaviour;
use crate::metrics::Scope;
use crate::resource::ResourceRequest;
use crate::{Consume, Handle, Health, Kinds, NodeId, Port, Signal};

pub use crate::port::Gate;
pub use crate::resource::ResourceId;

/// Process-wide helpers that components may ask for by type (the byte budget, the clock of a simulation).
#[derive(Clone, Default)]
pub struct Services(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Services {
    /// Adds a service; the last of a type wins.
    pub fn insert<S: Send + Sync + 'static>(&mut self, service: Arc<S>) {
        self.0.insert(TypeId::of::<S>(), service);
    }

    /// The service of a type.
    pub fn get<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        self.0.get(&TypeId::of::<S>()).cloned().and_then(|service| service.downcast().ok())
    }
}

type Publish = Box<dyn Fn(Object) + Send + Sync>;

#[derive(Default)]
struct Stable {
    gates: Vec<Arc<dyn Gate>>,
    handles: Vec<(&'static str, Box<dyn Any + Send + Sync>)>,
}

/// A node of the running graph: identity, ports, handles, metrics, health.
pub struct Node {
    id: NodeId,
    data_dir: PathBuf,
    metrics: Scope,
    health: Health,
    services: Services,
    stable: Mutex<Stable>,
    publish: Publish,
}

impl Node {
    /// A node without an instance. `publish` receives what the running instance exports anew.
    pub fn new(
        id: NodeId,
        data_dir: PathBuf,
        metrics: Scope,
        services: Services,
        publish: impl Fn(Object) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            data_dir,
            metrics,
            health: Health::default(),
            services,
            stable: Mutex::default(),
            publish: Box::new(publish),
        })
    }

    /// Its name.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Where it may keep files (not created yet).
    pub fn data_dir(&self) -> &PathBuf {
        &self.data_dir
    }

    /// Where its metrics go.
    pub fn metrics(&self) -> &Scope {
        &self.metrics
    }

    /// What its instance says of itself.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Process-wide helpers.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Its ports, for gating.
    pub fn gates(&self) -> Vec<Arc<dyn Gate>> {
        self.stable().gates.clone()
    }

    pub(crate) fn publish(&self, exports: Object) {
        (self.publish)(exports);
    }

    pub(crate) fn port<T: Signal>(&self, name: &'static str) -> Port<T> {
        let mut stable = self.stable();
        let found = stable.gates.iter().find(|gate| gate.export() == name);
        if let Some(port) = found.and_then(|gate| gate.as_any().downcast_ref::<Port<T>>()) {
            return port.clone();
        }
        let port = Port::new(self.id.clone(), name);
        stable.gates.retain(|gate| gate.export() != name);
        stable.gates.push(Arc::new(port.clone()));
        port
    }

    pub(crate) fn handle<B: Behaviour + ?Sized>(&self, name: &'static str) -> Handle<B> {
        let mut stable = self.stable();
        let found = stable.handles.iter().find(|(known, _)| *known == name);
        if let Some(handle) = found.and_then(|(_, handle)| handle.downcast_ref::<Handle<B>>()) {
            return handle.clone();
        }
        let handle = Handle::<B>::new(self.id.clone());
        stable.handles.retain(|(known, _)| *known != name);
        stable.handles.push((name, Box::new(handle.clone())));
        handle
    }

    fn stable(&self) -> std::sync::MutexGuard<'_, Stable> {
        self.stable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a build left to be done when the plan is committed.
#[derive(Default)]
pub struct Pending {
    /// Resources to look up or acquire while preparing.
    pub requests: Vec<ResourceRequest>,
    /// The node's ports and the kinds that the instance takes at each.
    pub ports: Vec<(Arc<dyn Gate>, Kinds)>,
    /// Puts the instance behind the node's ports and handles.
    pub installs: Vec<Box<dyn FnOnce() + Send>>,
}

impl Pending {
    pub(crate) fn install_port<T: Signal>(&mut self, port: &Port<T>, consumer: Arc<dyn Consume<T>>) {
        let (port, kinds) = (port.clone(), consumer.kinds());
        port.plan(kinds);
        self.ports.push((Arc::new(port.clone()), kinds));
        self.installs.push(Box::new(move || port.install(consumer)));
    }

    pub(crate) fn install_handle<B: Behaviour + ?Sized>(&mut self, handle: &Handle<B>, behaviour: Arc<B>) {
        let handle = handle.clone();
        self.installs.push(Box::new(move || handle.install(behaviour)));
    }
}

/// Whether an instance should go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Work.
    Running,
    /// Upstream is quiet: finish what you hold, by then.
    Stopping {
        /// When the instance is abandoned.
        deadline: Instant,
    },
}

/// The engine's end of a [`crate::RunContext`].
pub struct Control {
    /// Tells the instance to stop.
    pub phase: watch::Sender<Phase>,
    /// New arguments for an instance that absorbs them.
    pub arguments: watch::Sender<Arc<dyn Any + Send + Sync>>,
    /// Set before `phase` if another instance will inherit what this one leaves.
    pub inherited: Arc<AtomicBool>,
}

/// The instance's end, still without its type.
pub struct RunState {
    pub(crate) node: Arc<Node>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) arguments: watch::Receiver<Arc<dyn Any + Send + Sync>>,
    pub(crate) inherited: Arc<AtomicBool>,
}

/// Both ends for one instance.
pub fn control(node: &Arc<Node>, arguments: Arc<dyn Any + Send + Sync>) -> (Control, RunState) {
    let (phase, phase_rx) = watch::channel(Phase::Running);
    let (arguments, arguments_rx) = watch::channel(arguments);
    let inherited = Arc::<AtomicBool>::default();
    (
        Control { phase, arguments, inherited: Arc::clone(&inherited) },
        RunState { node: Arc::clone(node), phase: phase_rx, arguments: arguments_rx, inherited },
    )
}
