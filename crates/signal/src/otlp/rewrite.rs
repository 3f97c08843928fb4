//! Requests that write a singular field or a oneof more than once, written as every decoder understands them: once.
//!
//! Works on bytes, because decoding such a body would let two bytes on the wire become hundreds in memory; and unknown fields stay.

use super::schema::{LEN, Message, Presence, Type};
use super::wire::{self, Fields};

/// The request as a decoder reads it: of a scalar the last value, of a message all its parts merged, of a oneof the last member.
/// `bytes` has passed the check.
pub(crate) fn rewrite(message: &'static Message, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    write(&mut out, message, &[bytes]);
    out
}

/// Writes the message whose bytes lie in `parts`. Parts of a message written one after the other are the merged message.
fn write(out: &mut Vec<u8>, message: &'static Message, parts: &[&[u8]]) {
    let fields =
        || parts.iter().flat_map(|part| Fields::new(part).map(move |wire| (wire, &part[wire.start..wire.end])));
    // The member of the oneof that is set in the end, and where it was set last: what stood before another member is gone.
    let (mut member, mut since) = (0, 0);
    for (index, (wire, _)) in fields().enumerate() {
        let in_oneof = message.field(wire.number).is_some_and(|field| field.presence == Presence::Oneof);
        if in_oneof && wire.number != member {
            (member, since) = (wire.number, index);
        }
    }
    let mut written = 0u32;
    for (wire, raw) in fields() {
        let Some(field) = message.field(wire.number) else {
            out.extend_from_slice(raw);
            continue;
        };
        let in_oneof = field.presence == Presence::Oneof;
        let same = || fields().skip(if in_oneof { since } else { 0 }).filter(|(other, _)| other.number == wire.number);
        if !field.repeated() {
            if written & 1 << field.number != 0 || (in_oneof && wire.number != member) {
                continue;
            }
            written |= 1 << field.number;
        }
        match field.ty {
            Type::Message(inner) => {
                wire::put_tag(out, field.number, LEN);
                let start = out.len();
                if field.repeated() {
                    write(out, inner, &[wire.value.bytes()]);
                } else {
                    let bodies: Vec<&[u8]> = same().map(|(other, _)| other.value.bytes()).collect();
                    write(out, inner, &bodies);
                }
                wire::close_length(out, start);
            }
            _ if field.repeated() => out.extend_from_slice(raw),
            _ => out.extend_from_slice(same().last().map_or(raw, |(_, last)| last)),
        }
    }
}
