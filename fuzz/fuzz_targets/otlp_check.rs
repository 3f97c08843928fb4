//! What the door accepts can be decoded and holds as many items as were counted.

#![no_main]

use bytes::Bytes;
use corten_fuzz::signal;
use corten_signal::otlp::{Message, check, door};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = signal(data) else { return };
    let Ok(found) = check(kind, body) else { return };
    Message::decode(kind, Bytes::copy_from_slice(body)).expect("what passes the check can be decoded");
    let accepted = door::accept(kind, Bytes::copy_from_slice(body)).expect("the door accepts what the check passes");
    let batch = accepted.into_batch();
    let again = check(kind, &batch.to_bytes()).expect("what the door hands on passes the check");
    assert_eq!(again.items, batch.items());
    assert!(again.canonical);
    if found.canonical {
        assert_eq!(found.items, again.items);
    }
});
