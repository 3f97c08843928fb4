//! The listener resource.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_component::{NodeId, Resource, ResourceError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::bind::{Bound, SocketFile, bind};
use super::io::Acceptor;
use super::slot::{Active, Slot, enter};
use super::{Serving, connection};
use crate::Address;

/// How long a request or connection waits for an instance.
pub(super) const GATE_DEADLINE: Duration = Duration::from_secs(30);
/// How long an instance waits for another component to leave the address.
const TAKEOVER_DEADLINE: Duration = Duration::from_secs(10);
/// The pause after the system could not give a connection (usually: no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound address, its connections, and the instance that answers on them. See the module's page.
pub struct Listener {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    address: Address,
    bound: Mutex<Option<(Bound, Option<SocketFile>)>>,
    pub(super) slot: watch::Sender<Slot>,
    pub(super) connections: AtomicUsize,
    pub(super) gone: Notify,
    epoch: Mutex<u64>,
    last_tls: Mutex<Option<Option<crate::tls::ServerTls>>>,
}

impl Resource for Listener {
    type Key = Address;
    const KIND: &'static str = "listener";

    async fn acquire(address: Address) -> Result<Self, ResourceError> {
        Self::bind(&address)
    }
}

impl Listener {
    /// Binds without accepting.
    ///
    /// # Errors
    /// If the address is taken, not this machine's, or not allowed.
    pub fn bind(address: &Address) -> Result<Self, ResourceError> {
        let (bound, local, file) = bind(address)
            .map_err(|error| ResourceError::new(format!("listening on {address}: {}", describe(&error))))?;
        Ok(Self {
            shared: Arc::new(Shared {
                address: local,
                bound: Mutex::new(Some((bound, file))),
                slot: watch::Sender::new(Slot::Empty),
                connections: AtomicUsize::new(0),
                gone: Notify::new(),
                epoch: Mutex::new(0),
                last_tls: Mutex::new(None),
            }),
        })
    }

    /// Where it listens, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> &Address {
        &self.shared.address
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Puts an instance in and begins to accept. Of the same owner the newest wins; another owner's instance must leave first, for
    /// which a few seconds are given (a reload may move an address from one component to another).
    ///
    /// # Errors
    /// If another component serves the address, or the socket cannot be used.
    pub async fn install(&self, owner: &NodeId, serving: Serving) -> Result<Installed, ResourceError> {
        let mut slots = self.shared.slot.subscribe();
        let free = |slot: &Slot| !matches!(slot, Slot::Active(active) if active.owner != *owner);
        if tokio::time::timeout(TAKEOVER_DEADLINE, slots.wait_for(free)).await.is_err() {
            let holder = match &*self.shared.slot.borrow() {
                Slot::Active(active) => active.owner.to_string(),
                _ => String::new(),
            };
            let message = format!("{} is already served by {holder}", self.shared.address);
            return Err(ResourceError::new(message));
        }
        self.start()?;
        let active = Arc::new(Active::new(owner.clone(), serving.clone(), self.epoch(&serving)));
        self.shared.slot.send_replace(Slot::Active(Arc::clone(&active)));
        Ok(Installed { shared: Arc::clone(&self.shared), active })
    }

    /// Connections made under another encryption must not carry the new instance's requests.
    fn epoch(&self, serving: &Serving) -> u64 {
        let mut last = self.shared.last_tls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut epoch = self.shared.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|last| *last != serving.tls) {
            *epoch += 1;
        }
        *last = Some(serving.tls.clone());
        *epoch
    }

    /// Starts the accept loop, once.
    fn start(&self) -> Result<(), ResourceError> {
        let bound = self.shared.bound.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((bound, file)) = bound else { return Ok(()) };
        let acceptor = Acceptor::new(bound)
            .map_err(|error| ResourceError::new(format!("listening on {}: {error}", self.shared.address)))?;
        tokio::spawn(accept(Arc::clone(&self.shared), acceptor, file));
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.slot.send_replace(Slot::Closed);
    }
}

/// An instance in a listener. Dropping it takes the instance out; requests inside finish.
pub struct Installed {
    shared: Arc<Shared>,
    active: Arc<Active>,
}

impl Installed {
    /// Where the listener listens.
    pub fn local_addr(&self) -> &Address {
        &self.shared.address
    }

    /// Takes the instance out and waits for the requests inside it, at most until `deadline`. Says whether all have finished.
    pub async fn finish(self, deadline: Instant) -> bool {
        let active = Arc::clone(&self.active);
        drop(self);
        tokio::time::timeout_at(deadline, active.quiet()).await.is_ok()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.shared.slot.send_if_modified(|slot| {
            // A newer instance may have taken the place already.
            let mine = matches!(slot, Slot::Active(active) if Arc::ptr_eq(active, &self.active));
            if mine {
                *slot = Slot::Empty;
            }
            mine
        });
    }
}

async fn accept(shared: Arc<Shared>, acceptor: Acceptor, _file: Option<SocketFile>) {
    let mut slots = shared.slot.subscribe();
    let mut failing = false;
    loop {
        let step = async {
            room(&shared).await;
            acceptor.accept().await
        };
        let accepted = tokio::select! {
            accepted = step => accepted,
            _ = slots.wait_for(|slot| matches!(slot, Slot::Closed)) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                let connection = connection::Counted::new(Arc::clone(&shared));
                tokio::spawn(connection::run(connection, stream, peer));
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(address = %shared.address, %error, "connections cannot be accepted, trying again");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Resolves when another connection is allowed.
async fn room(shared: &Shared) {
    loop {
        let gone = shared.gone.notified();
        tokio::pin!(gone);
        gone.as_mut().enable();
        let limit = match &*shared.slot.borrow() {
            Slot::Active(active) => active.serving.limits.max_connections,
            _ => super::Limits::default().max_connections,
        };
        if shared.connections.load(Ordering::SeqCst) < limit.max(1) {
            return;
        }
        gone.await;
    }
}

/// Enters the instance of the moment.
pub(super) async fn enter_now(slots: &mut watch::Receiver<Slot>) -> Option<super::slot::Inside> {
    enter(slots, Instant::now() + GATE_DEADLINE).await
}

fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "the address is already in use by another process".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            format!("not allowed ({error}); ports below 1024 need CAP_NET_BIND_SERVICE")
        }
        _ => error.to_string(),
    }
}
