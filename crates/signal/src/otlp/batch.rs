//! The item of the OTLP path: export requests of one signal, as bytes.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use std::{error, fmt};

use bytes::Bytes;
use corten_component::{Kinds, Receipt, Signal};
use smallvec::{SmallVec, smallvec};

use super::forms::Forms;
use super::{KindSet, Meta, Rope, SignalKind};

/// When a batch entered the process (or its oldest request did).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    instant: Instant,
    wall: SystemTime,
}

impl Received {
    /// This moment, on both clocks.
    pub fn now() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }

    /// A time read back from disk. A wall clock that stands before it counts as no time passed.
    pub fn at(wall: SystemTime) -> Self {
        let now = Instant::now();
        let age = SystemTime::now().duration_since(wall).unwrap_or_default();
        Self { instant: now.checked_sub(age).unwrap_or(now), wall }
    }

    /// On the monotonic clock.
    pub fn instant(&self) -> Instant {
        self.instant
    }

    /// On the wall clock.
    pub fn wall(&self) -> SystemTime {
        self.wall
    }

    /// How long ago that was.
    pub fn age(&self) -> Duration {
        self.instant.elapsed()
    }

    fn min(self, other: Self) -> Self {
        if other.instant < self.instant { other } else { self }
    }
}

/// The body of a request as it came over the wire, for forwarding it without compressing again.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The content encoding, as HTTP names it: `gzip`, `zstd`, ...
    pub encoding: &'static str,
    /// The encoded body.
    pub body: Bytes,
}

/// One export request within a [`Batch`].
#[derive(Debug, Clone)]
pub struct Request {
    /// The protobuf message.
    pub bytes: Bytes,
    /// Its items: spans, data points, log records, or samples of profiles.
    pub items: usize,
}

/// One or more export requests of one signal.
///
/// Every request is one part of the rope, in the order they were joined; all of them together are one valid request.
/// Cloning shares the bytes.
#[derive(Clone)]
pub struct Batch {
    kind: SignalKind,
    rope: Rope,
    /// Items of each part of the rope.
    counts: SmallVec<[usize; 2]>,
    items: usize,
    meta: Option<Arc<Meta>>,
    received: Received,
    /// On the heap, since most have none while they wait.
    encoded: Option<Box<Encoded>>,
    /// Whose memory all requests lie in.
    home: Option<NonZeroU64>,
    forms: Forms,
    receipt: Receipt,
}

impl Batch {
    /// A batch of one request, which has passed the door: `items` is what the door counted.
    pub fn new(kind: SignalKind, bytes: Bytes, items: usize) -> Self {
        let counts = if bytes.is_empty() { SmallVec::new() } else { smallvec![items] };
        let items = if bytes.is_empty() { 0 } else { items };
        Self {
            kind,
            rope: bytes.into(),
            counts,
            items,
            meta: None,
            received: Received::now(),
            encoded: None,
            home: None,
            forms: Forms::default(),
            receipt: Receipt::none(),
        }
    }

    /// A batch of several requests that have passed the door. Requests of no bytes are left out.
    pub fn from_requests(kind: SignalKind, requests: impl IntoIterator<Item = Request>) -> Self {
        let mut batch = Self::new(kind, Bytes::new(), 0);
        requests.into_iter().for_each(|request| batch.push(request));
        batch
    }

    fn push(&mut self, request: Request) {
        if !request.bytes.is_empty() {
            self.home = None;
            self.items += request.items;
            self.counts.push(request.items);
            self.rope.push(request.bytes);
        }
    }

    /// The signal.
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    /// The number of items: spans, data points, log records, or samples of profiles.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The size as protobuf, in bytes.
    pub fn len(&self) -> usize {
        self.rope.len()
    }

    /// Whether there are no bytes (there may be bytes and no items: a resource without spans).
    pub fn is_empty(&self) -> bool {
        self.rope.is_empty()
    }

    /// The requests' bytes; together they are one request.
    pub fn rope(&self) -> &Rope {
        &self.rope
    }

    /// The requests' bytes in one buffer: shared for one request, copied for several.
    pub fn to_bytes(&self) -> Bytes {
        self.rope.to_bytes()
    }

    /// The requests in the order they were joined.
    pub fn requests(&self) -> impl ExactSizeIterator<Item = Request> {
        self.rope.chunks().zip(&self.counts).map(|(bytes, items)| Request { bytes: bytes.clone(), items: *items })
    }

    /// How many requests there are.
    pub fn request_count(&self) -> usize {
        self.counts.len()
    }

    /// Metadata of the request, if it was kept.
    pub fn meta(&self) -> Option<&Arc<Meta>> {
        self.meta.as_ref()
    }

    /// The same with other metadata.
    #[must_use]
    pub fn with_meta(mut self, meta: Option<Arc<Meta>>) -> Self {
        self.meta = meta;
        self
    }

    /// When it was received; of several requests, the oldest.
    pub fn received(&self) -> Received {
        self.received
    }

    /// The same with another time of receipt.
    #[must_use]
    pub fn with_received(mut self, received: Received) -> Self {
        self.received = received;
        self
    }

    /// The body as it came, if this batch is still exactly that one request.
    pub fn encoded(&self) -> Option<&Encoded> {
        self.encoded.as_deref()
    }

    /// The same with the body it came in. Ignored for a batch that is not exactly one request.
    #[must_use]
    pub fn with_encoded(mut self, encoded: Option<Encoded>) -> Self {
        self.encoded = encoded.filter(|_| self.counts.len() == 1).map(Box::new);
        self
    }

    /// The number of the memory that all its bytes lie in, if that was said since they last changed.
    pub fn home(&self) -> Option<NonZeroU64> {
        self.home
    }

    /// Says that all its bytes lie in the memory of this number, so that who keeps it next need not look at each part.
    #[must_use]
    pub fn with_home(mut self, home: NonZeroU64) -> Self {
        self.home = Some(home);
        self
    }

    /// The bodies that it is being sent as.
    pub(super) fn forms(&self) -> &Forms {
        &self.forms
    }

    /// Who answers for it.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The same with another receipt; the one it had ends without a word, since the caller carries it on.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Receipt) -> Self {
        std::mem::replace(&mut self.receipt, receipt).release();
        self
    }

    /// Takes the receipt out, to settle it; the batch is left with none.
    pub fn take_receipt(&mut self) -> Receipt {
        std::mem::take(&mut self.receipt)
    }

    /// The same bytes moved elsewhere, request by request: what a queue does that copies into its own memory.
    ///
    /// `copy` must return the bytes it is given. The body as received is let go, since it lies in a network buffer.
    #[must_use]
    pub fn map_bytes(mut self, mut copy: impl FnMut(Bytes) -> Bytes) -> Self {
        (self.encoded, self.home) = (None, None);
        let old = std::mem::take(&mut self.rope);
        self.rope = old
            .into_iter()
            .map(|part| {
                let len = part.len();
                let copied = copy(part);
                debug_assert_eq!(len, copied.len(), "a copy keeps its length");
                copied
            })
            .collect();
        self
    }

    /// Appends another batch. Metadata stays only if both have the same.
    ///
    /// # Errors
    /// Gives the other batch back if its signal differs, or if both hold profiles: a profiles request has one dictionary, which
    /// appending would overwrite.
    #[allow(clippy::result_large_err, reason = "what cannot be done gives the batch back as it was")]
    pub fn append(&mut self, mut other: Self) -> Result<(), Self> {
        if other.kind != self.kind || (self.kind == SignalKind::Profiles && !self.is_empty() && !other.is_empty()) {
            return Err(other);
        }
        let receipt = match other.receipt.is_none() {
            true => self.take_receipt(),
            false => Receipt::join([self.take_receipt(), other.take_receipt()]),
        };
        if self.is_empty() {
            *self = other;
            self.receipt = receipt;
            return Ok(());
        }
        self.receipt = receipt;
        if other.is_empty() {
            return Ok(());
        }
        (self.encoded, self.forms) = (None, Forms::default());
        if self.meta != other.meta {
            self.meta = None;
        }
        self.home = self.home.filter(|home| other.home == Some(*home));
        self.received = self.received.min(other.received);
        self.items += other.items;
        self.counts.extend(other.counts);
        self.rope.append(other.rope);
        Ok(())
    }

    /// Joins batches of one signal, in order, copying nothing.
    ///
    /// # Errors
    /// Gives all batches back if there are none, if signals differ, or if there are several of profiles.
    pub fn concat(batches: Vec<Self>) -> Result<Self, ConcatError> {
        let Some(first) = batches.first() else { return Err(ConcatError { batches }) };
        let kind = first.kind;
        let full = batches.iter().filter(|batch| !batch.is_empty()).count();
        if batches.iter().any(|batch| batch.kind != kind) || (kind == SignalKind::Profiles && full > 1) {
            return Err(ConcatError { batches });
        }
        let mut all = batches.into_iter();
        let Some(mut joined) = all.next() else { return Err(ConcatError { batches: Vec::new() }) };
        // Joined at once, not one by one, so that receipts do not form a chain.
        let mut receipts = vec![joined.take_receipt()];
        for mut batch in all {
            receipts.push(batch.take_receipt());
            if let Err(batch) = joined.append(batch) {
                return Err(ConcatError { batches: vec![joined, batch] });
            }
        }
        joined.receipt = Receipt::join(receipts);
        Ok(joined)
    }

    /// Divides a batch of several requests in two of about half the requests each, copying nothing.
    ///
    /// # Errors
    /// Gives a batch of one request (or none) back.
    #[allow(clippy::result_large_err, reason = "what cannot be done gives the batch back as it was")]
    pub fn halve(self) -> Result<(Self, Self), Self> {
        if self.counts.len() < 2 {
            return Err(self);
        }
        let middle = self.counts.len() / 2;
        let (mut first, mut second) = (self.with_requests([]), self.with_requests([]));
        for (index, request) in self.requests().enumerate() {
            if index < middle { first.push(request) } else { second.push(request) }
        }
        (first.home, second.home) = (self.home, self.home);
        self.receipt.release();
        Ok((first, second))
    }

    /// The batch with other requests in place of its own. The copy as received goes.
    pub(crate) fn replace_requests(mut self, requests: impl IntoIterator<Item = Request>) -> Self {
        (self.rope, self.items) = (Rope::new(), 0);
        (self.encoded, self.home, self.forms) = (None, None, Forms::default());
        self.counts.clear();
        requests.into_iter().for_each(|request| self.push(request));
        self
    }

    /// A batch of the same signal, metadata and time with other requests.
    pub(crate) fn with_requests(&self, requests: impl IntoIterator<Item = Request>) -> Self {
        let mut batch = Self {
            kind: self.kind,
            rope: Rope::new(),
            counts: SmallVec::new(),
            items: 0,
            meta: self.meta.clone(),
            received: self.received,
            encoded: None,
            home: None,
            forms: Forms::default(),
            receipt: self.receipt.clone(),
        };
        requests.into_iter().for_each(|request| batch.push(request));
        batch
    }
}

impl Signal for Batch {
    const CAPSULE: &'static str = "otelcol.Consumer";

    fn items(&self) -> u64 {
        self.items as u64
    }

    fn kind(&self) -> Kinds {
        Kinds(self.kind.bit())
    }

    fn kind_name(place: usize) -> &'static str {
        // As Alloy's live debugging calls them.
        match SignalKind::ALL.get(place) {
            Some(SignalKind::Traces) => "otel_trace",
            Some(SignalKind::Metrics) => "otel_metric",
            Some(SignalKind::Logs) => "otel_log",
            _ => "otel_profile",
        }
    }

    fn output(field: &str) -> Option<Kinds> {
        SignalKind::ALL.into_iter().find(|kind| kind.name() == field).map(|kind| Kinds(kind.bit()))
    }

    fn describe(&self) -> String {
        super::describe::describe(self)
    }

    fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    fn replace_receipt(&mut self, receipt: Receipt) -> Receipt {
        std::mem::replace(&mut self.receipt, receipt)
    }
}

impl From<KindSet> for Kinds {
    fn from(kinds: KindSet) -> Self {
        Self(kinds.bits())
    }
}

/// Prints what it is, never its content.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("kind", &self.kind)
            .field("items", &self.items)
            .field("bytes", &self.rope.len())
            .field("requests", &self.counts.len())
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

/// Batches that cannot be one.
#[derive(Debug)]
pub struct ConcatError {
    /// The batches, none lost.
    pub batches: Vec<Batch>,
}

impl fmt::Display for ConcatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these batches cannot be joined: they are none, of several signals, or profiles")
    }
}

impl error::Error for ConcatError {}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use corten_component::Outcome;

    use super::*;

    fn batch(kind: SignalKind, bytes: &'static [u8], items: usize) -> Batch {
        Batch::new(kind, Bytes::from_static(bytes), items)
    }

    #[test]
    fn concat_joins_in_order_and_keeps_boundaries() {
        let meta = Meta::builder().header("x-tenant", "a").build();
        let parts = [(b"aa".as_slice(), 1), (b"b", 2), (b"", 0), (b"ccc", 3)];
        let batches = parts.map(|(bytes, items)| batch(SignalKind::Logs, bytes, items).with_meta(Some(meta.clone())));
        let oldest = batches[0].received();
        let joined = Batch::concat(batches.to_vec()).unwrap();
        assert_eq!((joined.items(), joined.len(), joined.request_count()), (6, 6, 3));
        assert_eq!(joined.to_bytes(), "aabccc");
        assert_eq!(joined.received(), oldest);
        assert_eq!(joined.meta(), Some(&meta));
        let (left, right) = joined.halve().unwrap();
        assert_eq!((left.to_bytes().as_ref(), left.items()), (b"aa".as_slice(), 1));
        assert_eq!((right.to_bytes().as_ref(), right.items()), (b"bccc".as_slice(), 5));
        assert!(left.halve().is_err(), "one request is not divided");
    }

    #[test]
    fn concat_forgets_what_holds_for_one_request_only() {
        let encoded = Encoded { encoding: "gzip", body: Bytes::from_static(b"z") };
        let one = batch(SignalKind::Traces, b"a", 1).with_encoded(Some(encoded));
        assert!(one.encoded().is_some());
        let other = batch(SignalKind::Traces, b"b", 1).with_meta(Some(Meta::builder().header("a", "b").build()));
        let joined = Batch::concat(vec![one.clone(), other]).unwrap();
        assert!(joined.encoded().is_none() && joined.meta().is_none());
        let copied = one.map_bytes(|bytes| Bytes::copy_from_slice(&bytes));
        assert!(copied.encoded().is_none());
    }

    #[test]
    fn a_batch_knows_its_home_until_other_bytes_come() {
        let [here, there] = [1, 2].map(|number| NonZeroU64::new(number).unwrap());
        let at = |home| batch(SignalKind::Logs, b"ab", 1).with_home(home);
        let mut joined = at(here);
        joined.append(at(here)).unwrap();
        assert_eq!(joined.home(), Some(here));
        let (left, right) = joined.clone().halve().unwrap();
        assert_eq!((left.home(), right.home()), (Some(here), Some(here)));
        assert_eq!(joined.clone().replace_requests(at(here).requests()).home(), None, "nobody has said it of these");
        assert_eq!(joined.clone().map_bytes(|bytes| bytes).home(), None);
        joined.append(at(there)).unwrap();
        assert_eq!(joined.home(), None);
        let mut mixed = at(here);
        mixed.append(batch(SignalKind::Logs, b"c", 1)).unwrap();
        assert_eq!(mixed.home(), None);
    }

    #[test]
    fn receipts_follow_the_items() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let watched = |name: &'static str| {
            let seen = Arc::clone(&seen);
            Receipt::new(move |settled| seen.lock().unwrap().push((name, settled.is_safe())))
        };
        let joined = Batch::concat(vec![
            batch(SignalKind::Logs, b"a", 1).with_receipt(watched("a")),
            batch(SignalKind::Logs, b"", 0).with_receipt(watched("empty")),
            batch(SignalKind::Logs, b"b", 1).with_receipt(watched("b")),
        ]);
        let (mut left, mut right) = joined.unwrap().halve().unwrap();
        left.take_receipt().settle(Outcome::Delivered);
        assert!(seen.lock().unwrap().is_empty(), "the other half is still on its way");
        right.take_receipt().settle(Outcome::Delivered);
        assert_eq!(*seen.lock().unwrap(), [("a", true), ("empty", true), ("b", true)]);
        drop((left, right));
        seen.lock().unwrap().clear();
        let mut one = batch(SignalKind::Logs, b"a", 1).with_receipt(watched("a"));
        one.append(batch(SignalKind::Logs, b"b", 1).with_receipt(watched("b"))).unwrap();
        drop(one);
        assert_eq!(*seen.lock().unwrap(), [("a", false), ("b", false)]);
    }

    #[test]
    fn what_cannot_be_joined_comes_back() {
        assert!(Batch::concat(vec![]).is_err());
        let mixed = vec![batch(SignalKind::Logs, b"a", 1), batch(SignalKind::Traces, b"b", 1)];
        assert_eq!(Batch::concat(mixed).unwrap_err().batches.len(), 2);
        let profiles = vec![batch(SignalKind::Profiles, b"a", 1), batch(SignalKind::Profiles, b"b", 1)];
        assert_eq!(Batch::concat(profiles).unwrap_err().batches.len(), 2);
        assert!(Batch::concat(vec![batch(SignalKind::Profiles, b"a", 1), batch(SignalKind::Profiles, b"", 0)]).is_ok());
    }
}
