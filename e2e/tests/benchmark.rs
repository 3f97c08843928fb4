//! The benchmark's rows with the collector, a few items each: every item arrives once. No timing.

use std::path::Path;

use corten_bench::{CORTEN, Job, Options, Peer, Row, rows, run};
use corten_signal::otlp::SignalKind;

#[test]
fn the_collector_brings_every_item_once() {
    let corten = Peer::parse("corten", Path::new(env!("CARGO_BIN_EXE_corten-e2e")), CORTEN).expect("a description");
    let options = Options::new(false, 1, None).expect("options");
    // All ways in and out; the signals differ in their bytes only.
    let chosen = |row: &Row| {
        row.job == Job::Full && (row.kind == SignalKind::Traces || row.per_request == 100 && row.name.ends_with("gzip"))
    };
    for (number, mut row) in (1..).zip(rows().into_iter().filter(chosen)) {
        row.items = row.per_request * 12;
        assert!(corten.can(&row), "{}", row.name);
        let outcome = run(&row, &corten, number, &options).expect("a run");
        assert!(outcome.verdict.is_exact(), "{}: {:?}", row.name, outcome.verdict);
        assert_eq!(outcome.verdict.acknowledged, row.items, "{}", row.name);
    }
}
