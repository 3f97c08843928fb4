//! A stream of records from the kernel's side: whatever is read can be written and read again.

#![no_main]

use corten_ebpf_beyla::record::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok((record, length)) = decode(rest) {
        assert!(length > 0 && length <= rest.len());
        let mut again = Vec::new();
        record.encode(&mut again);
        assert_eq!(decode(&again), Ok((record, again.len())));
        rest = &rest[length..];
    }
});
