//! Where requests enter: checked, counted, and in the form that every later stage relies on.

use bytes::Bytes;

use super::json::{self, JsonError};
use super::{Batch, CheckError, Message, SignalKind, check};

/// A request that may enter.
#[derive(Debug, Clone)]
pub struct Accepted {
    kind: SignalKind,
    bytes: Bytes,
    items: usize,
    rewritten: bool,
    lost_fields: usize,
}

impl Accepted {
    /// The request as protobuf.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its items.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Whether these are not the bytes that were given: they came as JSON, or wrote a singular field twice. An encoded body that
    /// they came in must then not be forwarded.
    pub fn rewritten(&self) -> bool {
        self.rewritten
    }

    /// Unknown fields lost by rewriting.
    pub fn lost_fields(&self) -> usize {
        self.lost_fields
    }

    /// As a batch of one request.
    pub fn into_batch(self) -> Batch {
        Batch::new(self.kind, self.bytes, self.items)
    }
}

/// Checks a protobuf body. One that writes a singular field or a oneof twice is decoded and encoded again, so that no later stage
/// has to know how decoders merge.
///
/// # Errors
/// As [`check`].
pub fn accept(kind: SignalKind, bytes: Bytes) -> Result<Accepted, CheckError> {
    let found = check(kind, &bytes)?;
    if found.canonical {
        return Ok(Accepted { kind, bytes, items: found.items, rewritten: false, lost_fields: 0 });
    }
    let message = Message::decode(kind, bytes)
        .map_err(|error| CheckError { message: format!("cannot be decoded: {error}"), offset: 0 })?;
    let bytes = Bytes::from(message.encode());
    let items = check(kind, &bytes)?.items;
    Ok(Accepted { kind, bytes, items, rewritten: true, lost_fields: found.unknown_fields })
}

/// Turns a JSON body into protobuf and checks it.
///
/// # Errors
/// As [`json::decode`], and as [`check`] for what JSON can say and protobuf libraries refuse (values nested too deep).
pub fn accept_json(kind: SignalKind, body: &[u8]) -> Result<Accepted, JsonError> {
    let bytes = json::decode(kind, body)?;
    let accepted = accept(kind, bytes.into()).map_err(|error| JsonError::whole(error.message))?;
    Ok(Accepted { rewritten: true, ..accepted })
}
