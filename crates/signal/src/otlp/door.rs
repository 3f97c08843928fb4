//! Where requests enter: checked, counted, and in the form that every later stage relies on.

use bytes::Bytes;

use super::json::{self, JsonError};
use super::rewrite::rewrite;
use super::{Batch, CheckError, SignalKind, check, schema};

/// A request that may enter.
#[derive(Debug, Clone)]
pub struct Accepted {
    kind: SignalKind,
    bytes: Bytes,
    items: usize,
    rewritten: bool,
}

impl Accepted {
    /// The request as protobuf.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The request as protobuf, taken out.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
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

    /// As a batch of one request.
    pub fn into_batch(self) -> Batch {
        Batch::new(self.kind, self.bytes, self.items)
    }
}

/// Checks a protobuf body. One that writes a singular field or a oneof twice is written again as decoders understand it (the last
/// value, messages merged), so that no later stage has to know how they merge. Unknown fields stay.
///
/// # Errors
/// As [`check`].
pub fn accept(kind: SignalKind, bytes: Bytes) -> Result<Accepted, CheckError> {
    let found = check(kind, &bytes)?;
    if found.canonical {
        return Ok(Accepted { kind, bytes, items: found.items, rewritten: false });
    }
    let bytes = Bytes::from(rewrite(schema::request(kind), &bytes));
    let items = check(kind, &bytes)?.items;
    Ok(Accepted { kind, bytes, items, rewritten: true })
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
