//! What must hold for every request, and for every body that is none.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod requests;

use bytes::Bytes;
use corten_signal::otlp::{Batch, BodyFormat, ErrorStatus, Message, PartialSuccess, SignalKind, check, door, json};
use proptest::collection::vec;
use proptest::prelude::*;
use requests::{any_request, items, request};

fn batch(message: &Message) -> Batch {
    door::accept(message.kind(), message.encode().into()).unwrap().into_batch()
}

fn decoded(batch: &Batch) -> Message {
    Message::decode(batch.kind(), batch.to_bytes()).unwrap()
}

/// Everything that reads bytes, on these.
fn read_everything(kind: SignalKind, bytes: &[u8], max: usize) {
    let batch = Batch::new(kind, Bytes::copy_from_slice(bytes), 1000);
    batch.clone().split(max).take(100).for_each(drop);
    batch.clone().take(max);
    json::encode(kind, batch.rope());
    for format in [BodyFormat::Protobuf, BodyFormat::Json] {
        PartialSuccess::decode(kind, format, bytes);
        ErrorStatus::decode(format, bytes);
    }
    let _ = json::decode(kind, bytes);
    let _ = door::accept(kind, Bytes::copy_from_slice(bytes));
}

proptest! {
    #[test]
    fn what_encoders_write_is_accepted_and_counted(message in any_request()) {
        let found = check(message.kind(), &message.encode()).unwrap();
        prop_assert_eq!(found.items, items(&message).len());
        prop_assert!(found.canonical);
        prop_assert_eq!((found.unknown_fields, found.unknown_bytes), (0, 0));
    }

    #[test]
    fn pieces_hold_every_item_once_with_all_that_encloses_it(message in any_request(), max in 1usize..9) {
        let whole = batch(&message);
        let mut found = Vec::new();
        for piece in whole.clone().split(max) {
            prop_assert!(piece.items() <= max);
            prop_assert_eq!(check(piece.kind(), &piece.to_bytes()).map(|found| (found.items, found.canonical)), Ok((piece.items(), true)));
            found.extend(items(&decoded(&piece)));
        }
        prop_assert_eq!(found, items(&message));
    }

    #[test]
    fn pieces_of_several_requests_keep_order_and_size(
        messages in vec(request(SignalKind::Metrics), 1..5), max in 1usize..20,
    ) {
        let whole = Batch::concat(messages.iter().map(batch).collect()).unwrap();
        let all: Vec<_> = messages.iter().flat_map(items).collect();
        prop_assert_eq!(whole.items(), all.len());
        prop_assert_eq!(items(&decoded(&whole)), all.clone());
        let pieces: Vec<_> = whole.split(max).collect();
        let last = pieces.len() - 1;
        prop_assert!(pieces.iter().take(last).all(|piece| piece.items() == max), "only the last may be smaller");
        let found: Vec<_> = pieces.iter().flat_map(|piece| items(&decoded(piece))).collect();
        prop_assert_eq!(found, all);
    }

    #[test]
    fn take_and_the_rest_are_the_whole(message in any_request(), count in 0usize..12) {
        let mut rest = batch(&message);
        let all = items(&message);
        let taken = rest.take(count);
        prop_assert_eq!(taken.items(), count.min(all.len()));
        prop_assert_eq!(rest.items(), all.len() - taken.items());
        prop_assert_eq!([items(&decoded(&taken)), items(&decoded(&rest))].concat(), all);
    }

    #[test]
    fn json_and_back_is_the_same(message in any_request()) {
        let text = json::encode(message.kind(), batch(&message).rope());
        let back = door::accept_json(message.kind(), &text);
        let back = Message::decode(message.kind(), back.unwrap().bytes().clone()).unwrap();
        prop_assert_eq!(back.encode(), message.encode());
    }

    #[test]
    fn json_does_not_mind_where_fields_stand(message in any_request(), turn in 0usize..4) {
        // Resources interleaved with unknown fields at the top level, and fields of every span in reverse, are legal protobuf.
        let bytes = message.encode();
        let mut parts: Vec<&[u8]> = vec![];
        let mut rest = &bytes[..];
        while let Some(len) = field_len(rest) {
            parts.push(&rest[..len]);
            rest = &rest[len..];
        }
        let turn = turn % parts.len().max(1);
        parts.rotate_left(turn);
        let rope = parts.iter().flat_map(|part| [&[0x98, 0x06, 0x01][..], *part]).map(Bytes::copy_from_slice).collect();
        let text = json::encode(message.kind(), &rope);
        let turned = Message::decode(message.kind(), rope.reader()).unwrap();
        let back = Message::decode(message.kind(), Bytes::from(json::decode(message.kind(), &text).unwrap())).unwrap();
        prop_assert_eq!(back.encode(), turned.encode());
    }

    #[test]
    fn edits_reach_the_wire_and_count_anew(message in any_request()) {
        let whole = batch(&message);
        let (same, edited) = whole.clone().edit(|_| false).unwrap();
        prop_assert_eq!((same.rope(), edited.requests), (whole.rope(), 0));
        let (changed, _) = whole.edit(|message| {
            if let Message::Traces(request) = message {
                request.resource_spans.pop();
            }
            true
        }).unwrap();
        prop_assert_eq!(items(&decoded(&changed)).len(), changed.items());
    }

    #[test]
    fn what_is_written_twice_is_read_as_decoders_read_it(
        message in any_request(),
        merges in vec((1usize..8, any::<prop::sample::Index>()), 1..6),
    ) {
        let kind = message.kind();
        let mut bytes = message.encode();
        for (depth, at) in merges {
            bytes = merge_neighbours(&bytes, depth, at);
        }
        // Merging at random levels may make something that is no request at all.
        if let Ok(found) = check(kind, &bytes) {
            let accepted = door::accept(kind, bytes.clone().into()).unwrap();
            prop_assert_eq!(accepted.rewritten(), !found.canonical);
            prop_assert!(check(kind, accepted.bytes()).unwrap().canonical);
            let expected = Message::decode(kind, Bytes::from(bytes)).unwrap().encode();
            prop_assert_eq!(Message::decode(kind, accepted.bytes().clone()).unwrap().encode(), expected);
        }
    }

    #[test]
    fn no_bytes_make_anything_panic(bytes in vec(any::<u8>(), 0..200), max in 1usize..5) {
        for kind in SignalKind::ALL {
            read_everything(kind, &bytes, max);
        }
    }

    #[test]
    fn what_passes_the_check_can_be_decoded(
        message in any_request(),
        edits in vec((any::<prop::sample::Index>(), 0u8..5, any::<u8>()), 1..6),
        max in 1usize..5,
    ) {
        let mut bytes = message.encode();
        for (at, how, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                3 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        let kind = message.kind();
        read_everything(kind, &bytes, max);
        if let Ok(found) = check(kind, &bytes) {
            let decoded_whole = Message::decode(kind, Bytes::from(bytes.clone()));
            prop_assert!(decoded_whole.is_ok(), "accepted, but: {:?}", decoded_whole);
            let accepted = door::accept(kind, bytes.into()).unwrap();
            prop_assert_eq!(accepted.rewritten(), !found.canonical);
            let whole = accepted.into_batch();
            let all = items(&decoded(&whole));
            prop_assert_eq!(whole.items(), all.len());
            let found: Vec<_> = whole.split(max).flat_map(|piece| items(&decoded(&piece))).collect();
            prop_assert_eq!(found, all);
        }
    }

    #[test]
    fn json_that_is_damaged_is_refused_or_read(
        message in any_request(),
        edits in vec((any::<prop::sample::Index>(), "[\\[\\]{}\":,0a-]"), 1..4),
    ) {
        let kind = message.kind();
        let mut text = json::encode(kind, batch(&message).rope());
        for (at, with) in edits {
            let at = at.index(text.len());
            text[at] = with.as_bytes()[0];
        }
        if let Ok(bytes) = json::decode(kind, &text) {
            prop_assert!(check(kind, &bytes).is_ok(), "what JSON says is protobuf that passes");
        }
    }
}

/// The length of the first field, of those that encoders write at the top level.
fn field_len(bytes: &[u8]) -> Option<usize> {
    let mut pos = 1;
    let mut len = 0usize;
    for shift in (0..).step_by(7) {
        let byte = *bytes.get(pos)?;
        pos += 1;
        len |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(pos + len)
}

/// Makes one field of two neighbours of the same number, at a depth: their messages are then merged, and singular fields stand twice.
fn merge_neighbours(bytes: &[u8], depth: usize, at: prop::sample::Index) -> Vec<u8> {
    let mut fields: Vec<(Vec<u8>, Option<Vec<u8>>)> = vec![];
    let mut pos = 0;
    while pos < bytes.len() {
        let Some((tag, body, next)) = field_at(bytes, pos) else { return bytes.to_vec() };
        fields.push((bytes[pos..tag].to_vec(), body.map(<[u8]>::to_vec)));
        if body.is_none() {
            fields.last_mut().unwrap().0 = bytes[pos..next].to_vec();
        }
        pos = next;
    }
    let bodies: Vec<usize> = (0..fields.len()).filter(|index| fields[*index].1.is_some()).collect();
    if bodies.is_empty() {
        return bytes.to_vec();
    }
    let chosen = bodies[at.index(bodies.len())];
    if depth > 1 {
        let inner = merge_neighbours(fields[chosen].1.as_deref().unwrap(), depth - 1, at);
        fields[chosen].1 = Some(inner);
    } else if chosen + 1 < fields.len() && fields[chosen].0 == fields[chosen + 1].0 {
        let (_, second) = fields.remove(chosen + 1);
        fields[chosen].1.as_mut().unwrap().extend(second.unwrap());
    } else {
        let twice = fields[chosen].clone();
        fields.push(twice);
    }
    let mut out = vec![];
    for (tag, body) in fields {
        out.extend(tag);
        if let Some(body) = body {
            out.extend(length(body.len()));
            out.extend(body);
        }
    }
    out
}

fn length(mut value: usize) -> Vec<u8> {
    let mut out = vec![];
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Where the tag of a field ends, its body if it has one, and where it ends.
fn field_at(bytes: &[u8], pos: usize) -> Option<(usize, Option<&[u8]>, usize)> {
    let varint = |mut pos: usize| -> Option<(usize, usize)> {
        let mut value = 0usize;
        for shift in (0..63).step_by(7) {
            let byte = *bytes.get(pos)?;
            pos += 1;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some((value, pos));
            }
        }
        None
    };
    let (tag, after) = varint(pos)?;
    let (body, next) = match tag & 7 {
        0 => (None, (after..bytes.len()).find(|at| bytes[*at] < 0x80)? + 1),
        1 => (None, after + 8),
        5 => (None, after + 4),
        2 => {
            let (len, start) = varint(after)?;
            (Some(bytes.get(start..start.checked_add(len)?)?), start + len)
        }
        _ => return None,
    };
    (next <= bytes.len()).then_some((after, body, next))
}
