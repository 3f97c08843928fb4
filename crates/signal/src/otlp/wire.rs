//! Reading and writing the protobuf wire format.

use super::schema::{END_GROUP, I32, I64, LEN, START_GROUP, VARINT};

/// Unknown groups deeper than this are not followed; protobuf libraries stop at the same depth.
pub(crate) const MAX_NESTING: u32 = 99;

/// Reads a varint of at most 64 bits at `pos`; gives the value and the position after it.
#[inline]
pub(crate) fn varint(bytes: &[u8], pos: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(pos)?;
    if first < 0x80 {
        return Some((u64::from(first), pos + 1));
    }
    varint_slow(bytes, pos)
}

fn varint_slow(bytes: &[u8], pos: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, byte) in bytes.get(pos..)?.iter().take(10).enumerate() {
        if i == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            return Some((value, pos + i + 1));
        }
    }
    None
}

/// Reads a tag: field number, wire type, position after it. Refuses number 0, wire types 6 and 7 and tags above 32 bits.
#[inline]
pub(crate) fn tag(bytes: &[u8], pos: usize) -> Option<(u32, u8, usize)> {
    let (tag, pos) = match bytes.get(pos) {
        Some(byte) if *byte < 0x80 => (u32::from(*byte), pos + 1),
        _ => varint_slow(bytes, pos).and_then(|(tag, pos)| Some((u32::try_from(tag).ok()?, pos)))?,
    };
    let (number, wire) = (tag >> 3, (tag & 7) as u8);
    (number != 0 && wire <= I32).then_some((number, wire, pos))
}

/// Reads a length and gives the range that it covers, if it lies within `bytes`.
#[inline]
pub(crate) fn length(bytes: &[u8], pos: usize) -> Option<(usize, usize)> {
    let (len, start) = varint(bytes, pos)?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    (end <= bytes.len()).then_some((start, end))
}

/// The position after a value whose tag was read. `None` if it is cut short, overflows or is not balanced.
pub(crate) fn skip(bytes: &[u8], pos: usize, number: u32, wire: u8, depth: u32) -> Option<usize> {
    let end = match wire {
        VARINT => varint(bytes, pos)?.1,
        I64 => pos + 8,
        I32 => pos + 4,
        LEN => length(bytes, pos)?.1,
        START_GROUP if depth < MAX_NESTING => {
            let mut pos = pos;
            loop {
                let (inner, wire, next) = tag(bytes, pos)?;
                if wire == END_GROUP {
                    return (inner == number).then_some(next);
                }
                pos = skip(bytes, next, inner, wire, depth + 1)?;
            }
        }
        _ => return None,
    };
    (end <= bytes.len()).then_some(end)
}

/// A value as the wire holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    I64(u64),
    I32(u32),
    Len(&'a [u8]),
    /// An unknown group.
    Group,
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        if let Self::Len(bytes) = self { bytes } else { &[] }
    }

    /// The number, of any of the three numeric forms.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Varint(value) | Self::I64(value) => value,
            Self::I32(value) => u64::from(value),
            Self::Len(_) | Self::Group => 0,
        }
    }
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WireField<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
    /// Where its tag begins.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

/// The fields of a message, one after the other. Ends at bytes that are not protobuf.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) pos: usize,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = WireField<'a>;

    #[inline]
    fn next(&mut self) -> Option<WireField<'a>> {
        let (bytes, start) = (self.bytes, self.pos);
        if start >= bytes.len() {
            return None;
        }
        let (number, wire, pos) = tag(bytes, start)?;
        let (value, end) = match wire {
            VARINT => {
                let (value, end) = varint(bytes, pos)?;
                (Value::Varint(value), end)
            }
            I64 => (Value::I64(u64::from_le_bytes(*bytes.get(pos..)?.first_chunk()?)), pos + 8),
            I32 => (Value::I32(u32::from_le_bytes(*bytes.get(pos..)?.first_chunk()?)), pos + 4),
            LEN => {
                let (start, end) = length(bytes, pos)?;
                (Value::Len(&bytes[start..end]), end)
            }
            _ => (Value::Group, skip(bytes, pos, number, wire, 0)?),
        };
        self.pos = end;
        Some(WireField { number, value, start, end })
    }
}

/// Appends a varint.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a tag.
#[inline]
pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    put_varint(out, u64::from(number << 3 | u32::from(wire)));
}

/// Appends a field of bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, LEN);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Puts the length of what was written since `start` in front of it.
pub(crate) fn close_length(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start;
    let mut prefix = [0u8; 10];
    let mut used = 0;
    let mut rest = len;
    loop {
        prefix[used] = (rest & 0x7f) as u8 | if rest >= 0x80 { 0x80 } else { 0 };
        used += 1;
        rest >>= 7;
        if rest == 0 {
            break;
        }
    }
    out.resize(out.len() + used, 0);
    out.copy_within(start..start + len, start + used);
    out[start..start + used].copy_from_slice(&prefix[..used]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_end_at_64_bits() {
        let mut out = Vec::new();
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            out.clear();
            put_varint(&mut out, value);
            assert_eq!(varint(&out, 0), Some((value, out.len())));
            assert_eq!(varint(&out[..out.len() - 1], 0), None);
        }
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], 0), None);
        assert_eq!(varint(&[0x80; 11], 0), None);
    }

    #[test]
    fn groups_must_balance() {
        assert_eq!(skip(&[0x0c], 0, 1, START_GROUP, 0), Some(1));
        assert_eq!(skip(&[0x08, 0x01, 0x0c], 0, 1, START_GROUP, 0), Some(3));
        assert_eq!(skip(&[0x14], 0, 1, START_GROUP, 0), None, "ends another group");
        assert_eq!(skip(&[0x08, 0x01], 0, 1, START_GROUP, 0), None, "does not end");
        let deep = [vec![0x0b; 2_000_000], vec![0x0c; 2_000_000]].concat();
        assert_eq!(skip(&deep, 1, 1, START_GROUP, 0), None, "nested too deep");
    }

    #[test]
    fn lengths_go_in_front() {
        for len in [0usize, 1, 127, 128, 20_000] {
            let mut out = vec![9];
            out.extend((0..len).map(|i| i as u8));
            close_length(&mut out, 1);
            let (start, end) = length(&out, 1).unwrap();
            assert_eq!((end - start, end), (len, out.len()));
            assert!(out[start..].iter().enumerate().all(|(i, byte)| *byte == i as u8));
        }
    }
}
