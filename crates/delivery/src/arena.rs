//! Memory for bodies that wait: shared segments for small ones, one exact buffer for each large one.
//!
//! What waits must not point into a network buffer, whose rest would wait with it. A segment is charged to the
//! [`Budget`] whole, until its last record goes; a queue copies out the stragglers of a segment that has become
//! mostly empty ([`Arena::is_straggler`]).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bytes::{Bytes, BytesMut};
use corten_component::BuildContext;

use crate::{Budget, OverBudget, Reservation, default_limit};

/// The size of a shared segment, in bytes.
pub const SEGMENT_BYTES: usize = 256 << 10;

/// Bodies up to this size share segments.
const SHARED_UP_TO: usize = 64 << 10;

/// A segment with no more room than this is closed when a body does not fit; with more it stays open for smaller
/// ones, and the body gets a buffer of its own. So a closed segment wastes 3 % at most.
const CLOSE_BELOW: usize = SEGMENT_BYTES / 32;

/// A closed segment with fewer bytes alive than this is better copied than kept.
const STRAGGLERS_BELOW: usize = SEGMENT_BYTES / 4;

/// Bookkeeping of an owner on the heap, beside the bytes themselves.
const RECORD_OVERHEAD: usize = 96;

type Chunks = Mutex<BTreeMap<usize, Weak<Chunk>>>;

/// A piece of memory: a segment or an exact buffer. Dropped with its last record, it gives its charge back.
struct Chunk {
    start: usize,
    len: usize,
    live: AtomicUsize,
    closed: AtomicBool,
    shared: bool,
    /// Where the arena finds it by address.
    chunks: Arc<Chunks>,
    _charge: Reservation,
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.start);
    }
}

/// The owner behind a body's [`Bytes`]. The chunk goes first, so that no address is known whose memory is gone.
struct Record {
    chunk: Arc<Chunk>,
    bytes: Bytes,
}

impl AsRef<[u8]> for Record {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.chunk.live.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// The segment that is being filled.
struct Open {
    chunk: Arc<Chunk>,
    rest: BytesMut,
}

/// Where bodies are kept. One for the process; put it into the services of the host.
pub struct Arena {
    budget: Arc<Budget>,
    chunks: Arc<Chunks>,
    open: Mutex<Option<Open>>,
}

impl Arena {
    /// An empty arena that charges this budget.
    pub fn new(budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { budget, chunks: Arc::default(), open: Mutex::new(None) })
    }

    /// The host's arena; without one, an arena of the whole process with a budget of [`default_limit`] bytes.
    pub fn of(cx: &BuildContext<'_>) -> Arc<Self> {
        static SHARED: OnceLock<Arc<Arena>> = OnceLock::new();
        cx.service::<Self>()
            .unwrap_or_else(|| Arc::clone(SHARED.get_or_init(|| Self::new(Budget::new(default_limit())))))
    }

    /// The budget.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Copies a body in.
    ///
    /// # Errors
    /// [`OverBudget`] when there is no room and nothing left to give up.
    pub fn store(&self, body: &[u8]) -> Result<Bytes, OverBudget> {
        self.store_with(body, |bytes| self.budget.reserve(bytes))
    }

    /// Takes a buffer over: a large one as it is, a small one by copying. A buffer with much unused capacity is
    /// reallocated.
    ///
    /// # Errors
    /// As [`Arena::store`].
    pub fn adopt(&self, mut body: Vec<u8>) -> Result<Bytes, OverBudget> {
        if body.len() <= SHARED_UP_TO {
            return self.store(&body);
        }
        let charge = self.budget.reserve(body.len() + RECORD_OVERHEAD)?;
        if body.capacity() > body.len() + body.len() / 16 {
            body.shrink_to_fit();
        }
        Ok(self.exact(Bytes::from(body), charge))
    }

    /// The same bytes in this arena: as they are if they lie in it already, a copy otherwise.
    ///
    /// # Errors
    /// As [`Arena::store`].
    pub fn keep(&self, body: Bytes) -> Result<Bytes, OverBudget> {
        if body.is_empty() || self.owns(&body) { Ok(body) } else { self.store(&body) }
    }

    /// Whether the bytes lie in this arena (and are charged).
    pub fn owns(&self, body: &Bytes) -> bool {
        self.chunk_of(body).is_some()
    }

    /// Whether the bytes keep a closed segment alive that is mostly empty.
    pub fn is_straggler(&self, body: &Bytes) -> bool {
        self.chunk_of(body).is_some_and(|chunk| {
            chunk.shared
                && chunk.closed.load(Ordering::Relaxed)
                && chunk.live.load(Ordering::Relaxed) < STRAGGLERS_BELOW
        })
    }

    /// Copies a straggler elsewhere, if the budget has room for it now; otherwise the bytes come back as they are.
    pub fn copy_out(&self, body: Bytes) -> Bytes {
        self.store_with(&body, |bytes| self.budget.try_reserve(bytes)).unwrap_or(body)
    }

    fn store_with(
        &self,
        body: &[u8],
        reserve: impl Fn(usize) -> Result<Reservation, OverBudget>,
    ) -> Result<Bytes, OverBudget> {
        if body.is_empty() {
            return Ok(Bytes::new());
        }
        if body.len() > SHARED_UP_TO {
            let charge = reserve(body.len() + RECORD_OVERHEAD)?;
            return Ok(self.exact(Bytes::copy_from_slice(body), charge));
        }
        {
            let mut open = self.open();
            if let Some(bytes) = append(&mut open, body) {
                return Ok(bytes);
            }
            if open.as_ref().is_some_and(|open| open.rest.capacity() > CLOSE_BELOW) {
                drop(open);
                let charge = reserve(body.len() + RECORD_OVERHEAD)?;
                return Ok(self.exact(Bytes::copy_from_slice(body), charge));
            }
        }
        // Reserving may make a destination give up items, so no lock is held.
        let charge = match reserve(SEGMENT_BYTES) {
            Ok(charge) => charge,
            // A budget too small for a segment may still hold the body.
            Err(_) => {
                let charge = reserve(body.len() + RECORD_OVERHEAD)?;
                return Ok(self.exact(Bytes::copy_from_slice(body), charge));
            }
        };
        let rest = BytesMut::with_capacity(SEGMENT_BYTES);
        let chunk = self.chunk(rest.as_ptr() as usize, SEGMENT_BYTES, true, charge);
        let mut fresh = Some(Open { chunk, rest });
        let bytes = append(&mut fresh, body).unwrap_or_else(|| Bytes::copy_from_slice(body));
        let old = {
            let mut open = self.open();
            // Another thread may have opened one meanwhile: the emptier one stays.
            let room = |open: &Option<Open>| open.as_ref().map_or(0, |open| open.rest.capacity());
            if room(&fresh) >= room(&open) { std::mem::replace(&mut *open, fresh) } else { fresh }
        };
        if let Some(old) = old {
            old.chunk.closed.store(true, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    fn exact(&self, bytes: Bytes, charge: Reservation) -> Bytes {
        let chunk = self.chunk(bytes.as_ptr() as usize, bytes.len(), false, charge);
        chunk.live.store(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Record { chunk, bytes })
    }

    fn chunk(&self, start: usize, len: usize, shared: bool, charge: Reservation) -> Arc<Chunk> {
        let chunk = Arc::new(Chunk {
            start,
            len,
            live: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            shared,
            chunks: Arc::clone(&self.chunks),
            _charge: charge,
        });
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).insert(start, Arc::downgrade(&chunk));
        chunk
    }

    fn chunk_of(&self, body: &Bytes) -> Option<Arc<Chunk>> {
        let address = body.as_ptr() as usize;
        let found = {
            let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
            chunks.range(..=address).next_back().and_then(|(_, chunk)| chunk.upgrade())
        };
        // Upgraded outside the lock's scope: dropping the last one takes the lock.
        found.filter(|chunk| address < chunk.start + chunk.len)
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append(open: &mut Option<Open>, body: &[u8]) -> Option<Bytes> {
    let open = open.as_mut()?;
    // More than what is left would move the rest to a new allocation.
    if open.rest.capacity() < body.len() {
        return None;
    }
    open.rest.extend_from_slice(body);
    let bytes = open.rest.split().freeze();
    open.chunk.live.fetch_add(bytes.len(), Ordering::Relaxed);
    Some(Bytes::from_owner(Record { chunk: Arc::clone(&open.chunk), bytes }))
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena").field("budget", &self.budget).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(limit: usize) -> (Arc<Budget>, Arc<Arena>) {
        let budget = Budget::new(limit);
        (Arc::clone(&budget), Arena::new(budget))
    }

    #[test]
    fn small_bodies_share_a_segment_until_the_last_goes() {
        let (budget, arena) = arena(10 << 20);
        let bodies: Vec<Bytes> = (0..1000u32).map(|i| arena.store(&[i as u8; 600]).unwrap()).collect();
        assert_eq!(budget.used(), 3 * SEGMENT_BYTES);
        assert!(bodies.iter().enumerate().all(|(i, body)| body.iter().all(|b| *b == i as u8) && body.len() == 600));
        assert!(bodies.iter().all(|body| arena.owns(body) && arena.owns(&body.slice(10..20))));
        let first = bodies[0].clone();
        drop(bodies);
        assert_eq!(budget.used(), 2 * SEGMENT_BYTES, "the first for its record, the last for being open");
        assert!(arena.is_straggler(&first));
        let copied = arena.copy_out(first.clone());
        assert_eq!(copied, first);
        assert!(!arena.is_straggler(&copied));
        drop(first);
        assert_eq!(budget.used(), SEGMENT_BYTES);
        assert_eq!(arena.chunks.lock().unwrap().len(), 1);
    }

    #[test]
    fn large_bodies_have_buffers_of_their_own() {
        let (budget, arena) = arena(10 << 20);
        let mut vec = Vec::with_capacity(1 << 20);
        vec.resize(100 << 10, 7);
        let adopted = arena.adopt(vec).unwrap();
        let stored = arena.store(&adopted).unwrap();
        let charge = (100 << 10) + RECORD_OVERHEAD;
        assert_eq!(budget.used(), 2 * charge);
        let kept = arena.keep(adopted.slice(5..)).unwrap();
        drop((adopted, stored));
        assert_eq!(budget.used(), charge, "a slice keeps the whole");
        drop(kept);
        assert_eq!((budget.used(), arena.chunks.lock().unwrap().len()), (0, 0));
    }

    #[test]
    fn foreign_bytes_are_copied() {
        let (_, arena) = arena(1 << 20);
        let foreign = Bytes::from(vec![1u8; 100]);
        assert!(!arena.owns(&foreign));
        let kept = arena.keep(foreign.clone()).unwrap();
        assert!(arena.owns(&kept) && kept == foreign);
        assert_eq!(arena.keep(kept.clone()).unwrap().as_ptr(), kept.as_ptr());
        assert!(arena.keep(Bytes::new()).unwrap().is_empty());
    }

    #[test]
    fn waste_is_bounded_at_every_size() {
        for size in [600, 6_000, 33_000, 45_000, 52_500, 60_000, 65_536, 70_000] {
            let (budget, arena) = arena(100 << 20);
            let mut payload = 0;
            let mut bodies = Vec::new();
            while payload < 20 << 20 {
                bodies.push(arena.store(&vec![1; size]).unwrap());
                payload += size;
            }
            let used = budget.used();
            assert!(used as f64 <= payload as f64 * 1.04 + SEGMENT_BYTES as f64, "{size}: {used} for {payload}");
        }
    }

    #[test]
    fn a_budget_smaller_than_a_segment_still_serves() {
        let (budget, arena) = arena(4096);
        let body = arena.store(&[1; 1000]).unwrap();
        assert_eq!(budget.used(), 1000 + RECORD_OVERHEAD);
        assert!(arena.store(&[1; 4000]).is_err());
        drop(body);
        assert_eq!(budget.used(), 0);
    }
}
