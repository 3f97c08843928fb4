//! Editing: decode once, change, encode once.

use super::{Batch, CheckError, Message, Request, check};

/// The most items that an edit decodes at once: an empty span is 2 bytes on the wire and some 400 in memory.
pub const EDIT_ITEMS: usize = 4096;

/// What an edit did to a batch beyond what it was asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edited {
    /// Requests, or parts of large ones, that were changed.
    pub requests: usize,
    /// Fields lost because the specification, as Corten knows it, does not have them.
    pub lost_fields: usize,
    /// The bytes of those fields.
    pub lost_bytes: usize,
}

impl Batch {
    /// Decodes every request (a large one in parts of [`EDIT_ITEMS`] items, so that memory stays bounded), lets `change` edit it, and encodes it again if `change` says that it did.
    ///
    /// Items are counted anew. A request that is left with no bytes goes. Unknown fields of changed
    /// requests are lost and counted.
    ///
    /// # Errors
    /// The bytes are not a request (what passed the door always is), or the edited message is not one that may travel (an id of a
    /// wrong length). The batch comes back unchanged.
    pub fn edit(self, mut change: impl FnMut(&mut Message) -> bool) -> Result<(Self, Edited), EditError> {
        let mut edited = Edited::default();
        let mut requests = Vec::with_capacity(self.request_count());
        let result = self.requests().try_for_each(|request| {
            let mut parts = Batch::new(self.kind(), request.bytes, request.items).split(EDIT_ITEMS);
            parts.try_for_each(|part| {
                let part = Request { items: part.items(), bytes: part.to_bytes() };
                edit_request(&self, part, &mut change, &mut edited).map(|request| requests.push(request))
            })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{Encoded, SignalKind};

    /// A resource with an empty span, an unknown field in the resource, and the name of the schema.
    const REQUEST: [u8; 12] = [0x0a, 10, 0x12, 2, 0x12, 0, 0x1a, 1, b'u', 0xf8, 0x01, 7];

    fn rename(message: &mut Message) -> bool {
        let Message::Traces(request) = message else { return false };
        request.resource_spans.iter_mut().for_each(|resource| resource.schema_url = "v".to_owned());
        true
    }

    #[test]
    fn what_the_specification_does_not_have_is_lost_and_counted() {
        let encoded = Encoded { encoding: "gzip", body: Vec::new().into() };
        let batch = Batch::new(SignalKind::Traces, REQUEST.to_vec().into(), 1).with_encoded(Some(encoded));
        let (same, edited) = batch.clone().edit(|_| false).unwrap();
        assert!(same.encoded().is_some() && edited == Edited::default());
        let (changed, edited) = batch.edit(rename).unwrap();
        assert_eq!(edited, Edited { requests: 1, lost_fields: 1, lost_bytes: 3 });
        assert_eq!(changed.to_bytes().as_ref(), [0x0a, 7, 0x12, 2, 0x12, 0, 0x1a, 1, b'v']);
        assert!(changed.encoded().is_none());
    }

    #[test]
    fn a_large_request_is_edited_in_parts() {
        let scope = [vec![0x12, 0x90, 0x4e], [0x12, 0].repeat(5000)].concat();
        let request = [vec![0x0a, 0x93, 0x4e], scope].concat();
        let batch = Batch::new(SignalKind::Traces, request.into(), 5000);
        let mut most = 0;
        let (changed, edited) = batch
            .edit(|message| {
                let Message::Traces(request) = message else { return false };
                most = most.max(request.resource_spans[0].scope_spans[0].spans.len());
                rename(message)
            })
            .unwrap();
        assert_eq!((changed.items(), edited.requests, most), (5000, 2, EDIT_ITEMS));
    }

    #[test]
    fn an_edit_that_makes_nonsense_is_refused() {
        let batch = Batch::new(SignalKind::Traces, REQUEST.to_vec().into(), 1);
        let refused = batch.edit(|message| {
            let Message::Traces(request) = message else { return false };
            request.resource_spans[0].scope_spans[0].spans[0].trace_id = vec![1];
            true
        });
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("the id has 1 bytes"), "{error}");
        assert_eq!(error.batch.to_bytes().as_ref(), REQUEST);
    }
}
