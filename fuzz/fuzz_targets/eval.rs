//! The evaluator gives a value or a diagnostic for any expression, within bounds.

#![no_main]

use corten_syntax::{SourceMap, eval, parse_expression};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut map = SourceMap::default();
    let Ok(expression) = parse_expression(&mut map, "fuzz.alloy", text) else { return };
    let first = eval::evaluate(&expression, &());
    if let Err(problem) = &first {
        assert!(!problem.message.is_empty());
    }
    // A printed expression means the same.
    let printed = eval::print(&expression);
    if let Ok(again) = parse_expression(&mut map, "printed.alloy", &printed) {
        let second = eval::evaluate(&again, &());
        assert_eq!(first.is_ok(), second.is_ok(), "{text:?} was printed as {printed:?}");
    }
});
