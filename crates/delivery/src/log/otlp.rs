//! OTLP batches as records.
//!
//! The payload is the requests, one behind the other; the meta is a row of fields, each a number, a length and as
//! many bytes, of which unknown ones are passed over. Secrets are left out.
//!
//! | field | content |
//! |---|---|
//! | 1 | of each request: length and items |
//! | 2, 3 | a header, an attribute that authentication set: length of the name, name, value |
//! | 4 | the client's address as text |

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use corten_signal::otlp::{Batch, Meta, Received, Request, SignalKind};

use super::cursor::{put_varint, varint};
use super::format::Record;

const REQUESTS: u64 = 1;
const HEADER: u64 = 2;
const AUTH: u64 = 3;
const CLIENT: u64 = 4;

/// A batch as it is kept.
pub(crate) fn to_record(batch: &Batch) -> Record {
    let mut meta = Vec::new();
    let mut requests = Vec::new();
    for request in batch.requests() {
        put_varint(&mut requests, request.bytes.len() as u64);
        put_varint(&mut requests, request.items as u64);
    }
    put_field(&mut meta, REQUESTS, &requests);
    if let Some(known) = batch.meta().map(|meta| meta.without_secrets()) {
        let pair = |name: &str, value: &str| {
            let mut pair = Vec::with_capacity(name.len() + value.len() + 2);
            put_varint(&mut pair, name.len() as u64);
            pair.extend_from_slice(name.as_bytes());
            pair.extend_from_slice(value.as_bytes());
            pair
        };
        known.headers().for_each(|(name, value)| put_field(&mut meta, HEADER, &pair(name, value.expose())));
        known.auth_attributes().for_each(|(name, value)| put_field(&mut meta, AUTH, &pair(name, value.expose())));
        if let Some(client) = known.client() {
            put_field(&mut meta, CLIENT, client.to_string().as_bytes());
        }
    }
    let time = batch.received().wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    Record {
        kind: batch.kind() as u8,
        items: u32::try_from(batch.items()).unwrap_or(u32::MAX),
        time: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        meta: meta.into(),
        payload: batch.rope().chunks().cloned().collect(),
    }
}

/// The batch that a record is; `None` if it is none.
pub(crate) fn from_record(record: &Record) -> Option<Batch> {
    let kind = SignalKind::from_number(record.kind)?;
    let payload: Bytes = match record.payload.as_slice() {
        [one] => one.clone(),
        parts => parts.concat().into(),
    };
    let (mut requests, mut at) = (Vec::new(), 0usize);
    let (mut builder, mut known) = (Meta::builder(), false);
    let mut fields: &[u8] = &record.meta;
    while !fields.is_empty() {
        let (number, mut content) = field(&mut fields)?;
        match number {
            REQUESTS => {
                while !content.is_empty() {
                    let (len, items) = (varint(&mut content)?, varint(&mut content)?);
                    let end = at.checked_add(usize::try_from(len).ok()?).filter(|end| *end <= payload.len())?;
                    requests.push(Request { bytes: payload.slice(at..end), items: usize::try_from(items).ok()? });
                    at = end;
                }
            }
            HEADER | AUTH => {
                let len = usize::try_from(varint(&mut content)?).ok()?;
                let (name, value) = content.split_at_checked(len)?;
                let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
                builder = match number {
                    HEADER => builder.header(name, value),
                    _ => builder.auth(name, value, false),
                };
                known = true;
            }
            CLIENT => {
                builder = builder.client(std::str::from_utf8(content).ok()?.parse().ok()?);
                known = true;
            }
            _ => {}
        }
    }
    if at != payload.len() {
        return None;
    }
    let meta: Option<Arc<Meta>> = known.then(|| builder.build());
    let wall: SystemTime = UNIX_EPOCH + Duration::from_nanos(record.time);
    Some(Batch::from_requests(kind, requests).with_meta(meta).with_received(Received::at(wall)))
}

fn put_field(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(out, number);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let number = varint(bytes)?;
    let len = usize::try_from(varint(bytes)?).ok()?;
    let (content, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some((number, content))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_batch_reads_back_without_its_secrets() {
        let meta = Meta::builder()
            .header("x-tenant", "a")
            .header("authorization", "Bearer canary")
            .auth("subject", "me", false)
            .auth("token", "canary", true)
            .client("127.0.0.1:9".parse().unwrap())
            .build();
        let part = |text: &'static str, items| Batch::new(SignalKind::Logs, Bytes::from_static(text.as_bytes()), items);
        let batch = Batch::concat(vec![part("aa", 1), part("bbb", 2)]).unwrap().with_meta(Some(meta));
        let mut record = to_record(&batch);
        assert!(!String::from_utf8_lossy(&record.meta).contains("canary"));
        record.meta = [&record.meta[..], &[9, 2, 0, 0]].concat().into();
        let back = from_record(&record).unwrap();
        assert_eq!((back.kind(), back.items(), back.to_bytes()), (SignalKind::Logs, 3, "aabbb".into()));
        let requests: Vec<_> = back.requests().map(|request| (request.bytes.len(), request.items)).collect();
        assert_eq!(requests, [(2, 1), (3, 2)]);
        assert_eq!(**back.meta().unwrap(), batch.meta().unwrap().without_secrets());
        assert_eq!(back.received().wall(), UNIX_EPOCH + Duration::from_nanos(record.time));
        record.payload = vec![Bytes::from_static(b"aabbbc")];
        assert!(from_record(&record).is_none(), "of another length");
    }

    proptest! {
        #[test]
        fn whatever_is_there_is_read_or_not(meta in prop::collection::vec(any::<u8>(), 0..60), kind in 0u8..6) {
            let payload = vec![Bytes::from_static(b"abcdef")];
            let record = Record { kind, items: 1, time: u64::MAX, meta: meta.into(), payload };
            from_record(&record);
        }
    }
}
