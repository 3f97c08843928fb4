//! No file of a machine and no answer of its kernel makes a collector panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    corten_source_node::fuzz::bytes(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        corten_source_node::fuzz::text(text);
    }
});
