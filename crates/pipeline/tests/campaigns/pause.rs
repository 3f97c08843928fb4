//! Stopped in the middle of everything, and continued.

use corten_testkit::{Collector, Sink, free_address};

use crate::BINARY;
use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, is_long, lasts};
use crate::verdict::{conserved, drained};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_goes_on_where_it_was() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let rounds = count(3);
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    for (durable, name) in [(true, "disk"), (false, "memory")] {
        let to = Destination { durable, ..Destination::durable("sink", sink.url()) };
        let collector = Collector::start(BINARY, &config(door, true, storage.path(), &[to]));
        let load = Load::start(door, name, Shape::default());
        for round in 0..rounds {
            load.more(50);
            collector.signal("STOP");
            // Once for longer than any deadline inside.
            let long = if is_long() && round == 0 { 65_000..66_000 } else { 100..900 };
            lasts(long, &mut rng).await;
            collector.signal("CONT");
        }
        load.more(50);
        let mut book = load.finish().await;
        drained(&collector, door, &[&sink], &mut book).await;
        conserved(&collector, "sink", &what);
        let mut arrived = sink.span_names();
        arrived.retain(|span, _| book.sent.contains(span));
        let found = book.compare(&arrived, rounds * 20 * 2000, &what);
        println!("{rounds} stops, queue in {name}: {book}; 0 lost, {} twice", found.twice);
    }
}
