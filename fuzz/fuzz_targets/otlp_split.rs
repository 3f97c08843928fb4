//! A split loses, doubles and damages nothing.

#![no_main]

use bytes::Bytes;
use corten_fuzz::signal;
use corten_signal::otlp::{check, door};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = signal(data) else { return };
    let Some((size, body)) = data.split_first() else { return };
    let Ok(accepted) = door::accept(kind, Bytes::copy_from_slice(body)) else { return };
    let batch = accepted.into_batch();
    let (whole, max) = (batch.items(), usize::from(size % 16) + 1);
    let mut items = 0;
    for piece in batch.split(max) {
        assert!(piece.items() <= max);
        let found = check(kind, &piece.to_bytes()).expect("a piece passes the check");
        assert_eq!(found.items, piece.items());
        items += piece.items();
    }
    assert_eq!(items, whole);
});
