//! A back end that goes and comes back, with the pauses between attempts as they are when nobody writes any.

use std::time::{Duration, Instant};

use corten_testkit::{Collector, Sink, eventually, free_address};

use crate::BINARY;
use crate::front::{Front, Manner};
use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, is_long, lasts};
use crate::verdict::{conserved, drained};

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_that_is_back_is_found() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    let mut front = Front::start(sink.address()).await;
    let inputs = config(door, true, storage.path(), &[Destination::memory("sink", "")]);
    let inputs = inputs.split("otelcol.exporter.otlphttp \"").next().unwrap();
    let exporter =
        format!("otelcol.exporter.otlphttp \"sink\" {{\n  client {{ endpoint = \"{}\" }}\n}}\n", front.url());
    let collector = Collector::start(BINARY, &format!("{inputs}{exporter}"));
    let load = Load::start(door, "span", Shape { pause: Duration::from_millis(20), ..Shape::default() });
    let rounds = count(2);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        front.be(Manner::Refuse).await;
        // In the long form until the pauses are as long as they get.
        lasts(if is_long() { 1000..40_000 } else { 1000..4000 }, &mut rng).await;
        let before = sink.with_span_names(std::collections::HashMap::len);
        front.be(Manner::Relay).await;
        let back = Instant::now();
        tokio::task::block_in_place(|| {
            eventually("the first spans", || sink.with_span_names(|names| names.len() > before).then_some(()));
        });
        longest = longest.max(back.elapsed());
        load.more(20);
    }
    let mut book = load.finish().await;
    drained(&collector, door, &[&sink], &mut book).await;
    let counts = conserved(&collector, "sink", &what);
    assert_eq!(counts.dropped + counts.rejected, 0.0, "{what}: {counts:?}");
    // Batches that were under way when the back end went.
    let found = book.compare(&sink.span_names(), rounds * 10 * 2000, &what);
    // Without looking for it, it would be half a minute.
    assert!(!is_long() || longest < Duration::from_secs(8), "{what}: found after {longest:?}");
    println!("{rounds} returns: {book}; 0 lost, {} twice, found within {longest:?}", found.twice);
}
