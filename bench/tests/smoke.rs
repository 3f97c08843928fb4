//! The benchmark's own books, on the floor: no timing.

use std::path::Path;

use corten_bench::{FLOOR, Input, Options, Peer, rows, run};

#[test]
fn the_floor_brings_every_item_once() {
    let floor = Peer::parse("floor", Path::new(env!("CARGO_BIN_EXE_corten-bench")), FLOOR).expect("a description");
    let options = Options::new(false, 1, None).expect("options");
    let chosen =
        ["traces-100-plain", "logs-100-gzip", "metrics-2000-zstd", "traces-1-plain", "fanout-traces-100-plain"];
    for (number, mut row) in (1..).zip(rows().into_iter().filter(|row| chosen.contains(&row.name.as_str()))) {
        row.items = row.per_request * 30;
        assert!(row.input == Input::Http && floor.can(&row));
        let outcome = run(&row, &floor, number, &options).expect("a run");
        assert!(outcome.verdict.is_exact(), "{}: {:?}", row.name, outcome.verdict);
        assert_eq!(outcome.verdict.acknowledged, row.items, "{}", row.name);
        assert!(outcome.verdict.wire_bytes > 0 && outcome.peak > 0);
    }
}
