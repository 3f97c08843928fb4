//! Asked to end under load.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use corten_testkit::{Collector, Nobody, Sink, free_address};

use crate::BINARY;
use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice};
use crate::verdict::drained;

/// A unit's stop timeout is longer.
const AT_MOST: Duration = Duration::from_secs(15);

const CLIENTS: usize = 4;

struct Ended {
    took: Duration,
    output: String,
}

fn end(collector: Collector) -> Ended {
    let begun = Instant::now();
    let ended = tokio::task::block_in_place(|| collector.stop());
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    let took = begun.elapsed();
    assert!(took < AT_MOST, "it took {took:?}:\n{}", ended.output);
    Ended { took, output: ended.output }
}

/// How many items the last words of an exporter name as lost.
fn lost(output: &str, name: &str) -> Option<usize> {
    let exporter = format!("exporter={}", Destination::label(name));
    let line = output.lines().rfind(|line| line.contains(&exporter) && line.contains("are lost"))?;
    line.split("items=").nth(1)?.split_whitespace().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_back_end_gets_everything_before_the_end() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let rounds = count(3);
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    let config = config(door, true, storage.path(), &[Destination::memory("sink", sink.url())]);
    let load = Load::start(door, "span", Shape::default());
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        let collector = Collector::start(BINARY, &config);
        load.more(rng.usize(1..300));
        slowest = slowest.max(end(collector).took);
    }
    let collector = Collector::start(BINARY, &config);
    load.more(1);
    let book = load.finish().await;
    end(collector);
    let found = book.compare(&sink.span_names(), 0, &what);
    println!("{rounds} ends, at most {slowest:?}: {book}; 0 lost, {} twice", found.twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_back_end_does_not_get_is_on_disk_or_said() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let rounds = count(3);
    let (door, nobody, storage) = (free_address(), Nobody::new(), tempfile::tempdir().unwrap());
    let url = nobody.url();
    let to = [Destination::durable("disk", &url), Destination::memory("memory", &url)];
    let config = config(door, false, storage.path(), &to);
    let load = Load::start(door, "span", Shape { clients: CLIENTS, large: 20_000, ..Shape::default() });
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        let collector = Collector::start(BINARY, &config);
        let before = load.acknowledged();
        load.more(rng.usize(1..200));
        let ended = end(collector);
        slowest = slowest.max(ended.took);
        let taken = load.acknowledged() - before;
        let lost = lost(&ended.output, "memory").unwrap_or_default();
        // What was taken and not answered any more is lost as well.
        assert!((taken..=taken + CLIENTS).contains(&lost), "{what}: {lost} said of {taken}:\n{}", ended.output);
        assert_eq!(self::lost(&ended.output, "disk"), None, "{what}:\n{}", ended.output);
    }
    let collector = Collector::start(BINARY, &config);
    load.more(1);
    let mut book = load.finish().await;
    let sink = Sink::start_at(nobody.leave());
    sink.forget_requests();
    drained(&collector, door, &[&sink], &mut book).await;
    // The queue in memory has sent there too, but only what came after the last start.
    let arrived: HashMap<String, usize> = sink.span_names();
    let last = book.sent.len();
    let found = book.compare(&arrived, last, &what);
    println!("{rounds} ends, at most {slowest:?}: {book}; 0 lost, {} twice", found.twice);
    drop(collector);
}
