//! The parser takes any text, and every span that it gives lies within the text.

#![no_main]

use corten_syntax::{SourceMap, parse_bytes, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut map = SourceMap::default();
    let (file, problems) = parse_bytes(&mut map, "fuzz.alloy", data);
    for problem in &problems {
        assert!(!problem.message.is_empty());
        if let Some(span) = problem.span {
            let text = &map.get(span.file).expect("a file of this map").text;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} cuts a character or ends behind");
        }
    }
    render(&problems, &map, false);
    drop(file);
});
