//! The listener resource.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_component::{NodeId, Resource, ResourceError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::bind::{Bound, SocketFile, bind};
use super::io::Acceptor;
use super::refusals::{Cause, Peers};
use super::slot::{Active, Slot, enter};
use super::{Serving, connection};
use crate::stream::Stream;
use crate::{Address, Peer};

/// How long a request or connection waits for an instance.
pub(super) const GATE_DEADLINE: Duration = Duration::from_secs(30);
/// How long an instance waits for another component to leave the address.
const TAKEOVER_DEADLINE: Duration = Duration::from_secs(10);
/// The pause after the system could not give a connection (usually: no file descriptors left), and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

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
    peers: Arc<Peers>,
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
                peers: Arc::default(),
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

/// Where connections come from.
pub(super) trait Source: Send + Sync + 'static {
    /// The next.
    fn next(&self) -> impl Future<Output = io::Result<(Stream, Peer)>> + Send;
}

impl Source for Acceptor {
    fn next(&self) -> impl Future<Output = io::Result<(Stream, Peer)>> + Send {
        self.accept()
    }
}

async fn accept(shared: Arc<Shared>, source: impl Source, _file: Option<SocketFile>) {
    let mut slots = shared.slot.subscribe();
    let mut pause = Duration::ZERO;
    loop {
        let step = async {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            room(&shared).await;
            source.next().await
        };
        let accepted = tokio::select! {
            accepted = step => accepted,
            _ = slots.wait_for(|slot| matches!(slot, Slot::Closed)) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Duration::ZERO;
                take(&shared, stream, peer);
            }
            // The connection alone is at fault, and gone.
            Err(error) if is_of_connection(&error) => tokio::task::yield_now().await,
            Err(error) => {
                if pause.is_zero() {
                    tracing::warn!(address = %shared.address, %error, "connections cannot be accepted, trying again");
                }
                pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            }
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable
    )
}

/// Serves a connection, unless its peer has too many.
fn take(shared: &Arc<Shared>, stream: Stream, peer: Peer) {
    let serving = match &*shared.slot.borrow() {
        Slot::Active(active) => Some((active.serving.limits.max_per_peer, active.serving.refusals.clone())),
        _ => None,
    };
    let mut of_peer = None;
    if let (Some((Some(limit), refusals)), Some(address)) = (serving, peer.address) {
        of_peer = Peers::enter(&shared.peers, address.ip(), limit);
        if of_peer.is_none() {
            refusals.count(Cause::PeerLimit);
            tracing::debug!(listener = %shared.address, peer = %address.ip(), limit, "the peer has too many connections");
            return;
        }
    }
    let connection = connection::Counted::new(Arc::clone(shared), of_peer);
    tokio::spawn(connection::run(connection, stream, peer));
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

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is already in use by another process".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => {
            format!("not allowed ({error}); ports below 1024 need CAP_NET_BIND_SERVICE")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Fails each time for want of descriptors, or for another reason.
    #[derive(Clone)]
    struct Failing {
        kind: io::ErrorKind,
        asked: Arc<AtomicUsize>,
        well: Arc<AtomicBool>,
    }

    impl Failing {
        fn new(kind: io::ErrorKind) -> Self {
            Self { kind, asked: Arc::default(), well: Arc::default() }
        }
    }

    impl Source for Failing {
        async fn next(&self) -> io::Result<(Stream, Peer)> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.well.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            Err(self.kind.into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_few_attempts_are_made_and_the_first_is_soon() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let source = Failing::new(io::ErrorKind::Other);
        tokio::spawn(accept(Arc::clone(&listener.shared), source.clone(), None));
        tokio::time::sleep(Duration::from_millis(35)).await;
        assert_eq!(source.asked.load(Ordering::SeqCst), 3);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let asked = source.asked.load(Ordering::SeqCst);
        assert!((100..130).contains(&asked), "{asked} attempts in a minute");
        source.well.store(true, Ordering::SeqCst);
        tokio::time::sleep(LONGEST_PAUSE + FIRST_PAUSE).await;
        assert_eq!(source.asked.load(Ordering::SeqCst), asked + 1, "it is noticed at the next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_broke_while_it_waited_delays_no_other() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let source = Failing::new(io::ErrorKind::ConnectionAborted);
        tokio::spawn(accept(Arc::clone(&listener.shared), source.clone(), None));
        while source.asked.load(Ordering::SeqCst) < 1000 {
            tokio::task::yield_now().await;
        }
        source.well.store(true, Ordering::SeqCst);
    }
}
