//! No file descriptors left, again and again.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use corten_testkit::{Collector, Sink, eventually, free_address};

use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, lasts};
use crate::verdict::{conserved, drained};
use crate::{BATCHED, BINARY};

/// So many the collector may have.
const LIMITS: [usize; 3] = [64, 128, 256];

/// Takes connections until the collector has no descriptor left for another.
fn crowd(door: std::net::SocketAddr, limit: usize) -> Vec<TcpStream> {
    // The kernel completes connections beyond those that are accepted.
    (0..limit + 16).filter_map(|_| TcpStream::connect_timeout(&door, Duration::from_secs(1)).ok()).collect()
}

fn descriptors(collector: &Collector) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", collector.pid())).map_or(0, Iterator::count)
}

/// What it costs to have no descriptor left and somebody at the door, in hundredths of a core.
async fn idle_share(collector: &Collector, door: std::net::SocketAddr, limit: usize) -> f64 {
    let crowd = crowd(door, limit);
    tokio::task::block_in_place(|| {
        eventually("the descriptors to be used up", || (descriptors(collector) + 4 >= limit).then_some(()));
    });
    let (before, asked) = (collector.cpu_ticks(), std::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let share = (collector.cpu_ticks() - before) as f64 / asked.elapsed().as_secs_f64();
    drop(crowd);
    tokio::task::block_in_place(|| {
        eventually("an answer", || (collector.get("/-/ready").0 == 200).then_some(()));
    });
    share
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_nothing_acknowledged_is_lost() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let rounds = count(3);
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    let config = config(door, BATCHED, storage.path(), &[Destination::durable("sink", sink.url())]);
    let mut kills = 0;
    let start = |limit: usize| {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={limit}")).arg(BINARY);
        Collector::start_by(command, &config, &[])
    };
    let mut limit = LIMITS[0];
    let mut collector = start(limit);
    let busiest = idle_share(&collector, door, limit).await;
    assert!(busiest < 20.0, "{what}: {busiest:.0} % of a core to wait for descriptors");
    let load = Load::start(door, "span", Shape::default());
    for _ in 0..rounds {
        load.more(20);
        let crowd = crowd(door, limit);
        tokio::task::block_in_place(|| {
            eventually("the descriptors to be used up", || (descriptors(&collector) + 4 >= limit).then_some(()));
        });
        lasts(300..600, &mut rng).await;
        if rng.bool() {
            collector.signal("KILL");
            drop((collector, crowd));
            kills += 1;
            limit = LIMITS[rng.usize(..LIMITS.len())];
            collector = start(limit);
        } else {
            drop(crowd);
            // Somebody new gets in.
            tokio::task::block_in_place(|| {
                eventually("an answer", || (collector.get("/-/ready").0 == 200).then_some(()));
            });
        }
    }
    load.more(100);
    let mut book = load.finish().await;
    drained(&collector, door, &[&sink], &mut book).await;
    // What lies in the log of the batch is not among what is queued before it is replayed.
    book.arrive(&[&sink]);
    let counts = conserved(&collector, "sink", &what);
    assert_eq!(counts.dropped + counts.rejected, 0.0, "{what}: {counts:?}");
    let found = book.compare(&sink.span_names(), (kills + 1) * 20, &what);
    println!(
        "{rounds} crowds, {kills} kills: {book}; 0 lost, {} twice; {busiest:.1} % of a core without load",
        found.twice
    );
}
