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

#[test]
fn every_description_can_be_read_and_speaks_otlp() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers")).expect("a directory") {
        let file = entry.expect("a file").path();
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let peer =
            Peer::parse(&name, Path::new("x"), &std::fs::read_to_string(&file).expect("text")).expect("a description");
        let plain = rows().into_iter().find(|row| row.name == "traces-100-plain").expect("a row");
        assert!(peer.can(&plain), "{name}");
    }
}
