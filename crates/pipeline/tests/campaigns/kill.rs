//! Killed at any moment under load, with one destination that refuses now and then and one that is dead.

use corten_testkit::{Answer, Collector, Nobody, Sink, free_address};

use crate::load::{Book, Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, lasts};
use crate::verdict::{conserved, drained, emptied};
use crate::{BATCHED, BINARY};

/// What may be under way to a back end at a kill, or answered by it while the cursor was being written: batches of what
/// four clients send within the batch's time.
const UNDER_WAY: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_loses_what_was_acknowledged() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let kills = count(10);
    let (sink, storage) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    let (door, nobody) = (free_address(), Nobody::new());
    let to = [Destination::durable("sink", sink.url()), Destination::durable("dead", nobody.url())];
    let config = config(door, BATCHED, storage.path(), &to);
    // What waits for the dead destination is read back at each start: little of it, often.
    let load = Load::start(door, "span", Shape { large: 20_000, ..Shape::default() });
    for _ in 0..kills {
        let collector = Collector::start(BINARY, &config);
        sink.answer(if rng.u8(..3) == 0 { Answer::Status(503, None) } else { Answer::Ok });
        if rng.u8(..4) == 0 {
            // Sometimes while it is still reading what the last one left.
            lasts(0..30, &mut rng).await;
        } else {
            load.more(rng.usize(1..200));
        }
        collector.signal("KILL");
    }
    sink.answer(Answer::Ok);
    let collector = Collector::start(BINARY, &config);
    load.more(1);
    let mut book = load.finish().await;
    let revived = Sink::start_at(nobody.leave());
    revived.forget_requests();
    drained(&collector, door, &[&sink, &revived], &mut book).await;
    // What lay in the log of the batch may come behind the last span.
    book.arrive(&[&sink, &revived]);
    emptied(&collector);
    let may_repeat = kills * UNDER_WAY;
    for (name, sink) in [("sink", &sink), ("dead", &revived)] {
        let found = book.compare(&sink.span_names(), may_repeat, &format!("{what}: {name}"));
        let counts = conserved(&collector, name, &what);
        assert_eq!(counts.dropped + counts.rejected, 0.0, "{what}: {name}: {counts:?}");
        println!("{kills} kills: {book}; {name}: 0 lost, {} twice", found.twice);
    }

    // A clean end leaves nothing to repeat.
    let ended = collector.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    let before = [sink.span_names(), revived.span_names()];
    let collector = Collector::start(BINARY, &config);
    let mut last = Book::default();
    drained(&collector, door, &[&sink, &revived], &mut last).await;
    for (sink, before) in [&sink, &revived].into_iter().zip(before) {
        let mut after = sink.span_names();
        after.retain(|name, _| !last.sent.contains(name));
        assert_eq!(after, before, "{what}");
    }
}
