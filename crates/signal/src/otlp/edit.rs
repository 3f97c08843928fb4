//! Editing: decode once, change, encode once.

use super::{Batch, CheckError, Message, Request, check};

/// What an edit did to a batch beyond what it was asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edited {
    /// Requests whose bytes changed.
    pub requests: usize,
    /// Fields lost because the specification, as Corten knows it, does not have them.
    pub lost_fields: usize,
    /// The bytes of those fields.
    pub lost_bytes: usize,
}

impl Batch {
    /// Decodes every request, lets `change` edit it, and encodes it again if `change` says that it did.
    ///
    /// Items are counted anew. The boundaries of requests stay; a request that is left with no bytes goes. Unknown fields of changed
    /// requests are lost and counted.
    ///
    /// # Errors
    /// The bytes are not a request (what passed the door always is), or the edited message is not one that may travel (an id of a
    /// wrong length). The batch comes back unchanged.
    pub fn edit(self, mut change: impl FnMut(&mut Message) -> bool) -> Result<(Self, Edited), EditError> {
        let mut edited = Edited::default();
        let mut requests = Vec::with_capacity(self.request_count());
        let result = self.requests().try_for_each(|request| {
            edit_request(&self, request, &mut change, &mut edited).map(|request| requests.push(request))
        });
        if let Err(error) = result {
            return Err(EditError { batch: Box::new(self), error });
        }
        if edited.requests == 0 {
            return Ok((self, edited));
        }
        Ok((self.replace_requests(requests), edited))
    }
}

fn edit_request(
    batch: &Batch,
    request: Request,
    change: &mut impl FnMut(&mut Message) -> bool,
    edited: &mut Edited,
) -> Result<Request, CheckError> {
    let mut message = Message::decode(batch.kind(), request.bytes.clone())
        .map_err(|error| CheckError { message: format!("cannot be decoded: {error}"), offset: 0 })?;
    if !change(&mut message) {
        return Ok(request);
    }
    let before = check(batch.kind(), &request.bytes)?;
    let bytes = message.encode();
    let items = check(batch.kind(), &bytes)?.items;
    edited.requests += 1;
    edited.lost_fields += before.unknown_fields;
    edited.lost_bytes += before.unknown_bytes;
    Ok(Request { bytes: bytes.into(), items })
}

/// An edit that could not be made.
#[derive(Debug)]
pub struct EditError {
    /// The batch as it was.
    pub batch: Box<Batch>,
    /// What is wrong.
    pub error: CheckError,
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a request of {} cannot be edited: {}", self.batch.kind(), self.error)
    }
}

impl std::error::Error for EditError {}
