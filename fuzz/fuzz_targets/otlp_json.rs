//! What the JSON door accepts is protobuf that passes the check, and survives the way back.

#![no_main]

use corten_fuzz::signal;
use corten_signal::otlp::{door, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = signal(data) else { return };
    let Ok(accepted) = door::accept_json(kind, body) else { return };
    let batch = accepted.into_batch();
    let items = batch.items();
    let text = json::encode(kind, batch.rope());
    let back = door::accept_json(kind, &text).expect("what is written as JSON is accepted");
    assert_eq!(back.items(), items);
});
