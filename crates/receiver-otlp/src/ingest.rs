//! What both protocols do with a body: check it, keep it in counted memory, hand it on.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use corten_component::{Consume, Fanout, NodeId, Refusal, TRACE_TARGET};
use corten_delivery::{Arena, Budget, Holder, OverBudget, Reservation};
use corten_net::Peer;
use corten_net::auth::AuthData;
use corten_net::body::Pace;
use corten_net::codec::{DecodeError, Encoding, decode_with};
use corten_signal::otlp::{Batch, BodyFormat, Encoded, Meta, SignalKind, door};
use futures_util::FutureExt;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::metrics::Meters;
use crate::refused::{Cause, Refused};
use corten_signal::otlp::OutputArguments;

/// Permits of the semaphore that counts calls downstream; more than there can be.
const ALL_CALLS: u32 = u32::MAX >> 4;
/// Bodies from this size on are checked away from the event loop.
const OFF_LOOP: usize = 256 << 10;
/// Compressed bodies from this size on are decompressed there.
const DECOMPRESS_OFF_LOOP: usize = 32 << 10;

/// What a server shares with its requests.
pub(crate) struct Ingest {
    pub(crate) output: OutputArguments,
    pub(crate) arena: Arc<Arena>,
    pub(crate) meters: Meters,
    pub(crate) include_metadata: bool,
    /// How long downstream may take to answer.
    pub(crate) deadline: Duration,
    id: NodeId,
    /// Hands on; once on disk, where several destinations are.
    holder: Arc<Holder<Batch>>,
    calls: Arc<Semaphore>,
}

/// A body as it came.
pub(crate) struct Raw {
    pub(crate) format: BodyFormat,
    pub(crate) encoding: Encoding,
    pub(crate) parts: Vec<Bytes>,
    /// For its size, before and after decompression.
    pub(crate) limit: usize,
    pub(crate) room: Room,
}

/// A body without its compression.
struct Plain {
    format: BodyFormat,
    /// Protobuf lies in the arena.
    bytes: Bytes,
    /// The body as it came, if that was gzip which every decoder reads to its end: of one member.
    gzip: Option<Vec<Bytes>>,
    /// What is not in the arena is counted here.
    room: Room,
}

/// A call to a consumer, with the memory that its body takes until it is in the arena.
pub(crate) struct Room {
    to: Fanout<Batch>,
    reservation: Reservation,
    refusal: Option<Refused>,
}

impl Room {
    /// Asks for room for a body of `total` bytes; `false` if there is none, which [`Room::refusal`] explains.
    pub(crate) fn admit(&mut self, total: usize) -> bool {
        let more = total.saturating_sub(self.reservation.bytes());
        let answer = self.to.admit(total).and_then(|()| self.reservation.grow(more).map_err(Refusal::from));
        match answer {
            Ok(()) => true,
            Err(refusal) => {
                self.refusal = Some(Refused::overload(&refusal));
                false
            }
        }
    }

    /// Gives back what was reserved: the arena counts for itself.
    fn release(&mut self) {
        self.reservation.shrink(usize::MAX);
    }

    pub(crate) fn refusal(self) -> Refused {
        self.refusal.unwrap_or_else(|| Refused::overload(&Refusal::retry("there is no memory for the request")))
    }
}

impl Ingest {
    pub(crate) fn new(
        id: &NodeId,
        holder: Arc<Holder<Batch>>,
        output: OutputArguments,
        arena: Arc<Arena>,
        meters: Meters,
        include_metadata: bool,
        deadline: Duration,
    ) -> Self {
        let calls = Arc::new(Semaphore::new(ALL_CALLS as usize));
        Self { output, arena, meters, include_metadata, deadline, id: id.clone(), holder, calls }
    }

    /// The consumers of a signal, with room for nothing yet.
    pub(crate) fn room(&self, kind: SignalKind) -> Option<Room> {
        let to = self.output.of(kind)?.clone();
        let budget: &Arc<Budget> = self.arena.budget();
        // Nothing always fits.
        let reservation = budget.reserve(0).ok()?;
        Some(Room { to, reservation, refusal: None })
    }

    /// Resolves when no call downstream runs. Bound it with a deadline.
    pub(crate) async fn quiet(&self) {
        let _ = self.calls.acquire_many(ALL_CALLS).await;
    }

    /// Checks a whole body and makes a batch of it. `None`: it holds nothing. `size` becomes what it has without compression.
    pub(crate) async fn batch(&self, kind: SignalKind, raw: Raw, size: &mut usize) -> Result<Option<Batch>, Refused> {
        let arena = Arc::clone(&self.arena);
        let wire: usize = raw.parts.iter().map(Bytes::len).sum();
        if raw.encoding != Encoding::Identity && wire >= DECOMPRESS_OFF_LOOP {
            let work = move || {
                let plain = raw.plain(&arena)?;
                Ok((plain.bytes.len(), plain.check(kind, &arena)))
            };
            let (plain, batch) = aside(work).await?;
            *size = plain;
            return batch;
        }
        let plain = raw.plain(&arena)?;
        *size = plain.bytes.len();
        // JSON takes some ten times as long.
        let weight = if plain.format == BodyFormat::Json { 8 } else { 1 };
        if size.saturating_mul(weight) < OFF_LOOP {
            return plain.check(kind, &arena);
        }
        aside(move || plain.check(kind, &arena)).await
    }

    /// Hands a batch on, which downstream must take within `deadline`. The call runs to its end even if the client goes, so that what is counted is what happened.
    pub(crate) async fn deliver(
        self: &Arc<Self>,
        kind: SignalKind,
        batch: Batch,
        deadline: Duration,
    ) -> Result<(), Refused> {
        let Ok(permit) = Arc::clone(&self.calls).try_acquire_owned() else { return Err(Refused::broken()) };
        let this = Arc::clone(self);
        let items = batch.items() as u64;
        let span = tracing::info_span!(
            target: TRACE_TARGET,
            "ReceiveRequest",
            span_kind = "server",
            component_path = self.id.path(),
            component_id = self.id.local(),
            signal = kind.name(),
            items,
            bytes = batch.len(),
            refused = tracing::field::Empty,
        );
        let call = async move {
            let answer = match tokio::time::timeout(deadline, this.holder.send(batch)).await {
                Ok(answer) => answer.map_err(|refusal| Refused::downstream(&refusal)),
                Err(_) => Err(Refused::late(deadline)),
            };
            if answer.is_err() {
                tracing::Span::current().record("refused", true);
            }
            if let Some(meters) = this.meters.signal(kind) {
                if answer.is_ok() { &meters.accepted } else { &meters.refused }.add(items);
            }
            drop(permit);
            answer
        };
        let mut call = Box::pin(AssertUnwindSafe(call.instrument(span)).catch_unwind());
        // Most calls need not wait for anybody, and so no task of their own.
        let answer = match poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await {
            Poll::Ready(answer) => answer.ok(),
            Poll::Pending => tokio::spawn(call).await.ok().and_then(Result::ok),
        };
        answer.unwrap_or_else(|| {
            // It panicked; nobody else has counted.
            if let Some(meters) = self.meters.signal(kind) {
                meters.refused.add(items);
            }
            Err(Refused::broken())
        })
    }

    /// Metadata of a request, if it is to be kept.
    pub(crate) fn meta(&self, headers: &HeaderMap, peer: &Peer, auth: &AuthData) -> Option<Arc<Meta>> {
        if !self.include_metadata && auth.attributes.is_empty() {
            return None;
        }
        let mut meta = Meta::builder();
        if let Some(address) = peer.address {
            meta = meta.client(address);
        }
        if self.include_metadata {
            for (name, value) in headers {
                if let Ok(value) = value.to_str() {
                    meta = meta.header(name.as_str(), value);
                }
            }
        }
        for (name, value, secret) in &auth.attributes {
            meta = meta.auth(name, value, *secret);
        }
        Some(meta.build())
    }
}

/// Does it away from the event loop.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refused> + Send + 'static) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refused::broken()))
}

impl Raw {
    /// Decompresses the body. Protobuf goes where it stays, and is copied no more often than that takes.
    fn plain(self, arena: &Arena) -> Result<Plain, Refused> {
        let Self { format, encoding, mut parts, limit, mut room } = self;
        let is_json = format == BodyFormat::Json;
        let no_room = |over: OverBudget| Refused::overload(&over.into());
        if encoding == Encoding::Identity {
            if !is_json {
                room.release();
            }
            let bytes = match (is_json, parts.len()) {
                (true, 1) => parts.remove(0),
                (true, _) => parts.concat().into(),
                (false, 1) => keep(arena, parts.remove(0)).map_err(no_room)?,
                (false, _) => arena.gather(&parts).map_err(no_room)?,
            };
            return Ok(Plain { format, bytes, gzip: None, room });
        }
        let wire: usize = parts.iter().map(Bytes::len).sum();
        let came = (encoding == Encoding::Gzip).then(|| parts.clone());
        let room = RefCell::new(room);
        let take = |body: Cow<'_, [u8]>, members| {
            if is_json {
                return Ok((body.into_owned().into(), members));
            }
            room.borrow_mut().release();
            let bytes = match body {
                Cow::Borrowed(body) => arena.store(body),
                Cow::Owned(body) => arena.adopt(body),
            };
            Ok((bytes.map_err(no_room)?, members))
        };
        let decoded = decode_with(encoding, parts, limit, &mut |total| room.borrow_mut().admit(wire + total), take);
        match decoded {
            Ok(plain) => {
                let (bytes, members) = plain?;
                let gzip = came.filter(|_| members == 1);
                Ok(Plain { format, bytes, gzip, room: room.into_inner() })
            }
            Err(DecodeError::NotAdmitted) => Err(room.into_inner().refusal()),
            Err(error @ DecodeError::TooLarge { .. }) => Err(Refused::new(Cause::TooLarge, error.to_string())),
            Err(error) => Err(Refused::new(Cause::Malformed, error.to_string())),
        }
    }
}

impl Plain {
    /// Checks the body and makes a batch of it. `None`: it holds nothing.
    fn check(self, kind: SignalKind, arena: &Arena) -> Result<Option<Batch>, Refused> {
        let Self { format, bytes, gzip, room } = self;
        let accepted = match format {
            BodyFormat::Protobuf => door::accept(kind, bytes).map_err(|error| error.to_string()),
            BodyFormat::Json => door::accept_json(kind, &bytes).map_err(|error| error.to_string()),
        };
        let accepted = accepted.map_err(|why| Refused::new(Cause::Malformed, why))?;
        let (items, rewritten) = (accepted.items(), accepted.rewritten());
        if items == 0 {
            return Ok(None);
        }
        // The arena counts for itself.
        drop(room);
        let kept = match rewritten {
            true => keep(arena, accepted.into_bytes()).map_err(|over| Refused::overload(&over.into()))?,
            false => accepted.into_bytes(),
        };
        // It saves compressing, no more: without room for both, what it says is enough.
        let gzip = gzip.filter(|_| !rewritten).and_then(|parts| arena.gather(&parts).ok());
        let encoded = gzip.map(|body| Encoded { encoding: Encoding::Gzip.http_name(), body });
        Ok(Some(Batch::new(kind, kept, items).with_encoded(encoded).with_home(arena.number())))
    }
}

/// Moves a body into the arena: a large one that nobody shares as it is.
fn keep(arena: &Arena, body: Bytes) -> Result<Bytes, OverBudget> {
    match body.try_into_mut() {
        Ok(body) => arena.adopt(body.into()),
        Err(body) => arena.keep(body),
    }
}

/// How fast a body must come at least.
pub(crate) fn pace(read_timeout: Duration) -> Pace {
    match read_timeout {
        Duration::ZERO => Pace::default(),
        limit => Pace { base: limit, min_rate: 0 },
    }
}
