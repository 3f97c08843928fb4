//! Memory for bodies that wait: shared segments for small ones, one exact buffer for each large one.
//!
//! What waits must not point into a network buffer, whose rest would wait with it. A segment is charged to the
//! [`Budget`] whole, until its last record goes; a queue copies out the stragglers of a segment that has become
//! mostly empty ([`Arena::is_straggler`]).
//!
//! A few buffers that were let go are filled again rather than given back: pages that the system has to clear and map
//! for every request cost more than what is written into them.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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

/// So many of the last segments are looked at when a new one is needed.
const KEPT_SEGMENTS: usize = 16;

/// So many bytes of exact buffers are kept, ...
const KEPT_BYTES: usize = 8 << 20;

/// ... none of them larger than this.
const KEPT_BUFFER: usize = 2 << 20;

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

/// The owner of an exact buffer.
struct Whole {
    chunk: Option<Arc<Chunk>>,
    buffer: Vec<u8>,
    spare: Arc<Spare>,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        // Its address is forgotten before another can have it.
        self.chunk = None;
        self.spare.put(std::mem::take(&mut self.buffer));
    }
}

/// Buffers that wait to be used again: at most [`KEPT_BYTES`], which nobody is charged for.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() > KEPT_BUFFER || buffer.capacity() <= SHARED_UP_TO {
            return;
        }
        buffer.clear();
        let mut gone = Vec::new();
        let mut spare = self.lock();
        spare.push(buffer);
        // The oldest go: what comes now is more like what came last.
        while spare.iter().map(Vec::capacity).sum::<usize>() > KEPT_BYTES {
            gone.push(spare.remove(0));
        }
    }

    /// One that wastes little, or a new one.
    fn get(&self, len: usize) -> Vec<u8> {
        let mut spare = self.lock();
        let fits = |buffer: &Vec<u8>| (len..=len + len / 16).contains(&buffer.capacity());
        let found = spare.iter().rposition(fits).map(|at| spare.remove(at));
        drop(spare);
        found.unwrap_or_else(|| Vec::with_capacity(len))
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

/// The ends of segments that were closed last: when all that was cut off one has gone, it can be filled again.
#[derive(Default)]
struct Closed(VecDeque<BytesMut>);

impl Closed {
    fn put(&mut self, rest: BytesMut) {
        if self.0.len() == KEPT_SEGMENTS {
            self.0.pop_front();
        }
        self.0.push_back(rest);
    }

    fn get(&mut self) -> Option<BytesMut> {
        let free = self.0.iter_mut().position(|rest| rest.try_reclaim(SEGMENT_BYTES))?;
        self.0.remove(free)
    }
}

#[derive(Default)]
struct Segments {
    open: Option<Open>,
    closed: Closed,
}

/// Where bodies are kept. One for the process; put it into the services of the host.
pub struct Arena {
    /// Unlike that of any other.
    number: NonZeroU64,
    budget: Arc<Budget>,
    chunks: Arc<Chunks>,
    spare: Arc<Spare>,
    segments: Mutex<Segments>,
}

impl Arena {
    /// An empty arena that charges this budget.
    pub fn new(budget: Arc<Budget>) -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = NonZeroU64::MIN.saturating_add(LAST.fetch_add(1, Ordering::Relaxed));
        Arc::new(Self { number, budget, chunks: Arc::default(), spare: Arc::default(), segments: Mutex::default() })
    }

    /// The number by which items remember that they lie here.
    pub fn number(&self) -> NonZeroU64 {
        self.number
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
        self.gather(&[body])
    }

    /// Copies a body in that came in parts.
    ///
    /// # Errors
    /// As [`Arena::store`].
    pub fn gather(&self, parts: &[impl AsRef<[u8]>]) -> Result<Bytes, OverBudget> {
        self.store_with(parts, |bytes| self.budget.reserve(bytes))
    }

    /// An empty buffer for a body of so many bytes, to be [adopted](Self::adopt).
    pub fn buffer(&self, len: usize) -> Vec<u8> {
        self.spare.get(len)
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
        Ok(self.exact(body, charge))
    }

    /// The same bytes in this arena: as they are if they lie in it already, a copy otherwise.
    ///
    /// # Errors
    /// As [`Arena::store`].
    pub fn keep(&self, body: Bytes) -> Result<Bytes, OverBudget> {
        if body.is_empty() || self.owns(&body) { Ok(body) } else { self.store(&body) }
    }

    /// The same bytes, charged: in this arena where there is room for a copy now, else as they are. For what was made of
    /// bytes that are charged already, so that nobody gives anything up for it.
    pub fn charge(&self, body: Bytes) -> Bytes {
        if body.is_empty() || self.owns(&body) {
            return body;
        }
        self.store_with(&[&body], |bytes| self.budget.try_reserve(bytes)).unwrap_or_else(|_| self.budget.hold(body))
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
        self.store_with(&[&body], |bytes| self.budget.try_reserve(bytes)).unwrap_or(body)
    }

    fn store_with(
        &self,
        parts: &[impl AsRef<[u8]>],
        reserve: impl Fn(usize) -> Result<Reservation, OverBudget>,
    ) -> Result<Bytes, OverBudget> {
        let len: usize = parts.iter().map(|part| part.as_ref().len()).sum();
        let alone = || {
            let charge = reserve(len + RECORD_OVERHEAD)?;
            let mut buffer = self.spare.get(len);
            parts.iter().for_each(|part| buffer.extend_from_slice(part.as_ref()));
            Ok(self.exact(buffer, charge))
        };
        if len == 0 {
            return Ok(Bytes::new());
        }
        if len > SHARED_UP_TO {
            return alone();
        }
        {
            let mut segments = self.segments();
            if let Some(bytes) = append(&mut segments.open, len, parts) {
                return Ok(bytes);
            }
            if segments.open.as_ref().is_some_and(|open| open.rest.capacity() > CLOSE_BELOW) {
                drop(segments);
                return alone();
            }
        }
        // Reserving may make a destination give up items, so no lock is held.
        let Ok(charge) = reserve(SEGMENT_BYTES) else {
            // A budget too small for a segment may still hold the body.
            return alone();
        };
        let used = self.segments().closed.get();
        let rest = used.unwrap_or_else(|| BytesMut::with_capacity(SEGMENT_BYTES));
        let chunk = self.chunk(rest.as_ptr() as usize, SEGMENT_BYTES, true, charge);
        let mut fresh = Some(Open { chunk, rest });
        let Some(bytes) = append(&mut fresh, len, parts) else { return alone() };
        let mut segments = self.segments();
        // Another thread may have opened one meanwhile: the emptier one stays.
        let room = |open: &Option<Open>| open.as_ref().map_or(0, |open| open.rest.capacity());
        if room(&fresh) >= room(&segments.open) {
            std::mem::swap(&mut fresh, &mut segments.open);
        }
        if let Some(Open { chunk, rest }) = fresh {
            chunk.closed.store(true, Ordering::Relaxed);
            segments.closed.put(rest);
        }
        Ok(bytes)
    }

    fn exact(&self, buffer: Vec<u8>, charge: Reservation) -> Bytes {
        let chunk = self.chunk(buffer.as_ptr() as usize, buffer.len(), false, charge);
        chunk.live.store(buffer.len(), Ordering::Relaxed);
        Bytes::from_owner(Whole { chunk: Some(chunk), buffer, spare: Arc::clone(&self.spare) })
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

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append(open: &mut Option<Open>, len: usize, parts: &[impl AsRef<[u8]>]) -> Option<Bytes> {
    let open = open.as_mut()?;
    // More than what is left would move the rest to a new allocation.
    if open.rest.capacity() < len {
        return None;
    }
    parts.iter().for_each(|part| open.rest.extend_from_slice(part.as_ref()));
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
    fn a_segment_is_filled_again_once_all_that_was_in_it_has_gone() {
        let (budget, arena) = arena(100 << 20);
        let fill = |count: usize| -> Vec<Bytes> {
            (0..count).map(|number| arena.gather(&[vec![number as u8; 30_000], vec![7; 2_000]]).unwrap()).collect()
        };
        let per_segment = SEGMENT_BYTES / 32_000;
        let first = fill(per_segment);
        let second = fill(per_segment);
        let (place, kept) = (first[0].as_ptr(), first[per_segment - 1].clone());
        drop(first);
        let third = fill(per_segment);
        assert!(third.iter().all(|body| body.as_ptr() != place), "one of its bodies is still there");
        drop((kept, second));
        assert!(arena.segments().closed.0.len() <= 2);
        let fourth = fill(per_segment);
        assert_eq!(fourth[0].as_ptr(), place);
        assert!(third.iter().chain(&fourth).all(|body| arena.owns(body) && body.len() == 32_000 && body[31_999] == 7));
        drop((third, fourth));
        assert_eq!(budget.used(), SEGMENT_BYTES, "what waits to be filled again is nobody's");
        // However many are let go, few are kept.
        drop(fill(100 * per_segment));
        assert!(arena.segments().closed.0.len() <= KEPT_SEGMENTS);
    }

    #[test]
    fn large_buffers_are_used_again_up_to_a_limit() {
        let (budget, arena) = arena(1 << 30);
        let body = arena.store(&[1; 300_000]).unwrap();
        let place = body.as_ptr();
        drop(body);
        assert_eq!(arena.buffer(400_000).capacity(), 400_000, "not one that is too small");
        let mut buffer = arena.buffer(299_000);
        assert!(buffer.as_ptr() == place && buffer.is_empty());
        buffer.resize(299_000, 2);
        assert_eq!(arena.adopt(buffer).unwrap().as_ptr(), place);
        let many: Vec<Bytes> = (0..100).map(|_| arena.store(&[3; 500_000]).unwrap()).collect();
        drop((many, arena.store(&vec![4; KEPT_BUFFER + 1]).unwrap()));
        let kept: usize = arena.spare.lock().iter().map(Vec::capacity).sum();
        assert!((1..=KEPT_BYTES).contains(&kept), "{kept}");
        assert_eq!(budget.used(), 0);
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
    fn what_is_made_of_others_is_charged_with_or_without_room() {
        let (budget, arena) = arena(600 << 10);
        let made = |size: usize| Bytes::from(vec![1u8; size]);
        let first = arena.charge(made(300 << 10));
        assert!(arena.owns(&first));
        let second = arena.charge(made(300 << 10));
        assert!(!arena.owns(&second) && budget.used() >= 600 << 10, "no room, and counted all the same");
        let again = arena.charge(first.clone());
        assert_eq!((again.as_ptr(), budget.used()), (first.as_ptr(), (600 << 10) + RECORD_OVERHEAD));
        drop((first, second, again));
        assert_eq!(budget.used(), 0);
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
