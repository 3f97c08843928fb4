//! Protobuf as it is written on the hot path: straight into a buffer, without messages in between.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | numbers, lengths, fields |
//! | `histogram.rs` | native histograms, the same in both versions |
//! | `series.rs` | a series of either version: its labels in the form in which each request repeats them |
//! | `symbols.rs` | the strings of 2.0: one table for an endpoint, and one for a request |

mod histogram;
mod series;
mod symbols;

pub(super) use histogram::{encode as encode_histogram, is_custom};
pub(super) use series::{Form, put_exemplar_v1};
pub(super) use symbols::{RequestSymbols, Symbols};

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;

pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what [`put_varint`] wrote; `None` at an end or where it is none.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

pub(super) const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

pub(super) const fn unzigzag(number: u64) -> i64 {
    ((number >> 1) as i64) ^ -((number & 1) as i64)
}

const fn varint_len(number: u64) -> usize {
    // A zero takes a byte too.
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

fn put_tag(out: &mut Vec<u8>, field: u32, kind: u32) {
    put_varint(out, u64::from(field << 3 | kind));
}

/// A whole number, left out if it is zero.
pub(super) fn put_uint(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_tag(out, field, VARINT);
        put_varint(out, number);
    }
}

/// A number as its bits; always written, so that -0 and markers stay what they are.
pub(super) fn put_double(out: &mut Vec<u8>, field: u32, number: f64) {
    put_tag(out, field, FIXED64);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Bytes with their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_tag(out, field, BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A field whose content `write` appends. Its length is not known before, so the content moves by a byte or two
/// where one byte of length is not enough.
pub(super) fn put_message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    put_tag(out, field, BYTES);
    let at = out.len();
    out.push(0);
    write(out);
    let len = out.len() - at - 1;
    let width = varint_len(len as u64);
    if width > 1 {
        out.resize(out.len() + width - 1, 0);
        out.copy_within(at + 1..at + 1 + len, at + width);
    }
    let mut rest = len;
    for place in out.iter_mut().skip(at).take(width) {
        *place = (rest as u8) | 0x80;
        rest >>= 7;
    }
    if let Some(last) = out.get_mut(at + width - 1) {
        *last &= 0x7f;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(number in any::<u64>(), signed in any::<i64>()) {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            prop_assert_eq!(out.len(), varint_len(number));
            let mut bytes = out.as_slice();
            prop_assert_eq!(varint(&mut bytes), Some(number));
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }

        #[test]
        fn a_message_has_its_length_before_it(content in prop::collection::vec(any::<u8>(), 0..40_000)) {
            let (mut plain, mut nested) = (vec![7], vec![7]);
            put_bytes(&mut plain, 5, &content);
            put_message(&mut nested, 5, |out| out.extend_from_slice(&content));
            prop_assert_eq!(plain, nested);
        }
    }

    #[test]
    fn what_is_cut_short_is_no_number() {
        assert_eq!(varint(&mut [0x80u8].as_slice()), None);
        assert_eq!(varint(&mut [0xffu8; 11].as_slice()), None);
    }
}
