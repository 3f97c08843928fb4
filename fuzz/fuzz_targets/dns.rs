//! An answer of a name server is read or refused, whatever it holds.

#![no_main]

use corten_discovery::dns::message::{Kind, answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let kind = Kind::ALL[usize::from(*first) % Kind::ALL.len()];
    if let Some(found) = answer(bytes, kind) {
        // Each record takes at least a name's byte, ten bytes and some of its own.
        assert!(found.records.len() <= bytes.len() / 11);
    }
});
