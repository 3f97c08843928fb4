//! Connections that are not taken or not borne with any longer: how many, and why.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use corten_component::metrics::Counter;

/// Why a connection is refused or cut off; the label `reason` of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its peer has as many as it may have.
    PeerLimit,
    /// No TLS handshake, or none in time.
    Handshake,
    /// No complete header in time.
    Header,
    /// Too many questions whether we are there.
    Pings,
}

impl Cause {
    const ALL: [Self; 4] = [Self::PeerLimit, Self::Handshake, Self::Header, Self::Pings];

    const fn label(self) -> &'static str {
        match self {
            Self::PeerLimit => "peer_limit",
            Self::Handshake => "handshake",
            Self::Header => "header",
            Self::Pings => "pings",
        }
    }
}

/// Counters by cause.
#[derive(Clone, Default)]
pub struct Refusals([Counter; Cause::ALL.len()]);

impl Refusals {
    /// With a counter for each value of the label `reason`.
    pub fn new(counter: impl Fn(&'static str) -> Counter) -> Self {
        Self(Cause::ALL.map(|cause| counter(cause.label())))
    }

    pub(super) fn count(&self, cause: Cause) {
        if let Some(counter) = self.0.get(cause as usize) {
            counter.inc();
        }
    }
}

/// Whoever has one address of IPv4, or a network of IPv6 as one customer gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    V4(Ipv4Addr),
    V6([u8; 8]),
}

impl Holder {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let mut network = [0; 8];
                for (to, from) in network.iter_mut().zip(address.octets()) {
                    *to = from;
                }
                Self::V6(network)
            }
        }
    }
}

/// How many connections each peer has.
#[derive(Default)]
pub(super) struct Peers(Mutex<HashMap<Holder, usize>>);

/// One connection of a peer.
pub(super) struct OfPeer(Arc<Peers>, Holder);

impl Peers {
    /// Counts a connection; `None` if the peer has so many already.
    pub(super) fn enter(this: &Arc<Self>, address: IpAddr, limit: usize) -> Option<OfPeer> {
        let holder = Holder::of(address);
        let mut counts = this.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(holder).or_default();
        if *count >= limit.max(1) {
            return None;
        }
        *count += 1;
        Some(OfPeer(Arc::clone(this), holder))
    }
}

impl Drop for OfPeer {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_counted_by_address_and_forgotten() {
        let peers = Arc::new(Peers::default());
        let enter = |address: &str| Peers::enter(&peers, address.parse().unwrap(), 2);
        let held = [enter("192.0.2.1"), enter("192.0.2.1")];
        assert!(enter("192.0.2.1").is_none() && enter("::ffff:192.0.2.1").is_none(), "the same written otherwise");
        let other = enter("192.0.2.2");
        assert!(other.is_some());
        let one = [enter("2001:db8::1"), enter("2001:db8::2")];
        assert!(enter("2001:db8::3").is_none(), "one network is one peer");
        assert!(enter("2001:db8:0:1::1").is_some());
        drop(held);
        assert!(enter("192.0.2.1").is_some());
        drop((other, one));
        assert!(peers.0.lock().unwrap().is_empty());
    }
}
