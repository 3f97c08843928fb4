//! Requests of which one end was seen, in the order in which they will have waited too long.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use foldhash::quality::RandomState;
use smallvec::SmallVec;
use tokio::time::Instant;

/// A request: its trace, and the span that began it at the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
}

/// How the ends are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Connection {
    #[default]
    Unknown,
    Messaging,
    Database,
    Virtual,
}

impl Connection {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Messaging => "messaging_system",
            Self::Database => "database",
            Self::Virtual => "virtual_node",
        }
    }
}

/// What is known of a request.
#[derive(Debug, Default, Clone)]
pub(super) struct Edge {
    pub(super) connection: Connection,
    /// Service names; empty for an end that was not seen.
    pub(super) client: String,
    pub(super) server: String,
    /// Seconds.
    pub(super) client_latency: f64,
    pub(super) server_latency: f64,
    pub(super) failed: bool,
    /// By name as the series has it (`client_region`).
    pub(super) dimensions: SmallVec<[(String, String); 2]>,
    /// What the client calls the other end.
    pub(super) peer: Option<String>,
    /// Which end was made up: `client`, `server` or none.
    pub(super) made_up: &'static str,
}

impl Edge {
    pub(super) fn is_complete(&self) -> bool {
        !self.client.is_empty() && !self.server.is_empty()
    }

    fn memory(&self) -> usize {
        let texts: usize = self.dimensions.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        let peer = self.peer.as_ref().map_or(0, String::len);
        size_of::<Self>() + 2 * size_of::<Key>() + 64 + self.client.len() + self.server.len() + texts + peer
    }
}

struct Waiting {
    edge: Edge,
    since: Instant,
    /// Tells it from another request of the same key that came earlier.
    number: u64,
    memory: usize,
}

/// What became of a span.
#[derive(Debug)]
pub(super) enum Put {
    /// A request that was not known waits now.
    New,
    /// The other end was there, or was not needed; `new`: the request was not known.
    Complete { edge: Edge, new: bool },
    /// The same end once more.
    Known,
    /// There was no room.
    Full(Edge),
}

#[derive(Default)]
pub(super) struct Store {
    waiting: HashMap<Key, Waiting, RandomState>,
    order: VecDeque<(Key, u64)>,
    bytes: usize,
    number: u64,
}

/// What waiting requests may take of memory.
const STORE_BYTES: usize = 16 << 20;

impl Store {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds what a span tells of a request.
    pub(super) fn put(&mut self, key: Key, most: usize, now: Instant, update: impl FnOnce(&mut Edge)) -> Put {
        if let Some(waiting) = self.waiting.get_mut(&key) {
            update(&mut waiting.edge);
            if waiting.edge.is_complete() {
                return match self.remove(&key) {
                    Some(edge) => Put::Complete { edge, new: false },
                    None => Put::Known,
                };
            }
            let memory = waiting.edge.memory();
            self.bytes = self.bytes + memory - std::mem::replace(&mut waiting.memory, memory);
            return Put::Known;
        }
        let mut edge = Edge::default();
        update(&mut edge);
        if edge.is_complete() {
            return Put::Complete { edge, new: true };
        }
        let memory = edge.memory();
        if self.waiting.len() >= most || self.bytes + memory > STORE_BYTES {
            return Put::Full(edge);
        }
        self.number += 1;
        self.bytes += memory;
        self.waiting.insert(key, Waiting { edge, since: now, number: self.number, memory });
        self.order.push_back((key, self.number));
        self.tidy();
        Put::New
    }

    fn remove(&mut self, key: &Key) -> Option<Edge> {
        let waiting = self.waiting.remove(key)?;
        self.bytes -= waiting.memory;
        Some(waiting.edge)
    }

    /// Forgets places of requests that are gone, once they are most.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.waiting.len() + 64 {
            let waiting = &self.waiting;
            self.order.retain(|(key, number)| waiting.get(key).is_some_and(|known| known.number == *number));
        }
    }

    /// The oldest request that has waited too long.
    pub(super) fn expire(&mut self, ttl: Duration, now: Instant) -> Option<(Key, Edge)> {
        while let Some((key, number)) = self.order.front().copied() {
            let found = self.waiting.get(&key).filter(|waiting| waiting.number == number);
            if found.is_some_and(|waiting| now.saturating_duration_since(waiting.since) <= ttl) {
                return None;
            }
            let gone = found.is_none();
            self.order.pop_front();
            if !gone {
                return self.remove(&key).map(|edge| (key, edge));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key { trace: [number; 16], span: [number; 8] }
    }

    fn client(edge: &mut Edge) {
        edge.client = "a".to_owned();
    }

    fn server(edge: &mut Edge) {
        edge.server = "b".to_owned();
    }

    #[test]
    fn both_ends_make_an_edge() {
        let (mut store, now) = (Store::default(), Instant::now());
        assert!(matches!(store.put(key(1), 2, now, client), Put::New));
        assert!(matches!(store.put(key(1), 2, now, client), Put::Known));
        assert!(matches!(store.put(key(2), 2, now, server), Put::New));
        assert!(matches!(store.put(key(3), 2, now, server), Put::Full(_)));
        let Put::Complete { edge, new: false } = store.put(key(1), 2, now, server) else { panic!("not complete") };
        assert_eq!((edge.client.as_str(), edge.server.as_str()), ("a", "b"));
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn who_waits_too_long_is_let_go_in_order() {
        let (mut store, start) = (Store::default(), Instant::now());
        let ttl = Duration::from_secs(2);
        let at = |seconds| start + Duration::from_secs(seconds);
        store.put(key(1), 9, at(0), client);
        store.put(key(2), 9, at(1), client);
        // Gone, and there again.
        store.put(key(1), 9, at(1), server);
        store.put(key(1), 9, at(2), client);
        assert!(store.expire(ttl, at(3)).is_none());
        assert_eq!(store.expire(ttl, at(4)).unwrap().0, key(2));
        assert!(store.expire(ttl, at(4)).is_none());
        assert_eq!(store.expire(ttl, at(5)).unwrap().0, key(1));
        assert_eq!((store.len(), store.bytes), (0, 0));
    }

    #[test]
    fn places_of_requests_that_are_gone_do_not_pile_up() {
        let (mut store, now) = (Store::default(), Instant::now());
        for _ in 0..1000 {
            store.put(key(1), 9, now, client);
            store.put(key(1), 9, now, server);
        }
        assert!(store.order.len() < 100, "{}", store.order.len());
    }

    #[test]
    fn large_names_fill_the_store_too() {
        let (mut store, now) = (Store::default(), Instant::now());
        let large = |edge: &mut Edge| edge.client = "x".repeat(STORE_BYTES / 2);
        store.put(key(1), 9, now, large);
        assert!(matches!(store.put(key(2), 9, now, large), Put::Full(_)));
    }
}
