//! Whatever the kernel's side says, the interpreter does not panic, and forgets in the end.

#![no_main]

use corten_ebpf_beyla::interpret::Interpreter;
use corten_ebpf_beyla::record::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut interpreter = Interpreter::default();
    let (mut rest, mut latest) = (data, 0);
    while let Ok((record, length)) = decode(rest) {
        latest = record.head.time.max(latest);
        interpreter.take(&record);
        rest = &rest[length..];
    }
    interpreter.sweep(latest.saturating_add(1_000_000_000));
    interpreter.sweep(u64::MAX);
    if latest < u64::MAX / 2 {
        assert_eq!(interpreter.streams(), 0, "idle streams are forgotten");
    }
    drop(interpreter.take_exchanges());
});
