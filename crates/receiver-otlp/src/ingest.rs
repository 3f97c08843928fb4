//! What both protocols do with a body: check it, keep it in counted memory, hand it on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_component::{Consume, Fanout, NodeId, Refusal, TRACE_TARGET};
use corten_delivery::{Arena, Budget, Holder, OverBudget, Reservation};
use corten_net::Peer;
use corten_net::auth::AuthData;
use corten_net::body::Pace;
use corten_net::codec::{DecodeError, Encoding, decode_members};
use corten_signal::otlp::{Batch, BodyFormat, Encoded, Meta, SignalKind, door};
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

/// A body without its compression, with the room that it takes.
pub(crate) struct Plain {
    pub(crate) bytes: Bytes,
    /// The body as it came, if that was gzip which every decoder reads to its end: of one member.
    gzip: Option<Vec<Bytes>>,
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

    /// Checks a whole body and makes a batch of it. `None`: it holds nothing.
    pub(crate) async fn batch(
        &self,
        kind: SignalKind,
        format: BodyFormat,
        body: Plain,
    ) -> Result<Option<Batch>, Refused> {
        let arena = Arc::clone(&self.arena);
        let Plain { bytes, gzip, room: Room { reservation, .. } } = body;
        let size = bytes.len();
        let check = move || {
            let accepted = match format {
                BodyFormat::Protobuf => door::accept(kind, bytes).map_err(|error| error.to_string()),
                BodyFormat::Json => door::accept_json(kind, &bytes).map_err(|error| error.to_string()),
            };
            let accepted = accepted.map_err(|why| Refused::new(Cause::Malformed, why))?;
            let items = accepted.items();
            if items == 0 {
                return Ok(None);
            }
            let gzip = gzip.filter(|_| !accepted.rewritten());
            let bytes = accepted.into_batch().to_bytes();
            // The arena counts for itself from here on.
            drop(reservation);
            let kept = keep(&arena, bytes).map_err(|over| Refused::overload(&over.into()))?;
            // It saves compressing, no more: without room for both, what it says is enough.
            let gzip = gzip.and_then(|parts| arena.adopt(parts.concat()).ok());
            let encoded = gzip.map(|body| Encoded { encoding: Encoding::Gzip.http_name(), body });
            Ok(Some(Batch::new(kind, kept, items).with_encoded(encoded)))
        };
        // JSON takes some ten times as long.
        let weight = if format == BodyFormat::Json { 8 } else { 1 };
        if size.saturating_mul(weight) < OFF_LOOP {
            return check();
        }
        tokio::task::spawn_blocking(check).await.unwrap_or_else(|_| Err(Refused::broken()))
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
        tokio::spawn(call.instrument(span)).await.unwrap_or_else(|_| {
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

/// Decompresses a body, a large one away from the event loop; the room goes with the work and comes back with it.
pub(crate) async fn decompress(
    encoding: Encoding,
    mut parts: Vec<Bytes>,
    limit: usize,
    mut room: Room,
) -> Result<Plain, Refused> {
    if encoding == Encoding::Identity {
        let bytes = if parts.len() == 1 { parts.remove(0) } else { parts.concat().into() };
        return Ok(Plain { bytes, gzip: None, room });
    }
    let wire: usize = parts.iter().map(Bytes::len).sum();
    let work = move || {
        let came = (encoding == Encoding::Gzip).then(|| parts.clone());
        match decode_members(encoding, parts, limit, &mut |total| room.admit(wire + total)) {
            Ok((body, members)) => Ok(Plain { bytes: body.into(), gzip: came.filter(|_| members == 1), room }),
            Err(DecodeError::NotAdmitted) => Err(room.refusal()),
            Err(error @ DecodeError::TooLarge { .. }) => Err(Refused::new(Cause::TooLarge, error.to_string())),
            Err(error) => Err(Refused::new(Cause::Malformed, error.to_string())),
        }
    };
    if wire < DECOMPRESS_OFF_LOOP {
        return work();
    }
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refused::broken()))
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
