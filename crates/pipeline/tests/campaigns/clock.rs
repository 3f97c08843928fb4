//! The wall clock jumps, while the other one goes on.

use std::path::Path;
use std::process::Command;

use corten_testkit::{Answer, Collector, Sink, free_address};
use httpdate::fmt_http_date;

use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, lasts, skipped};
use crate::verdict::{conserved, drained};
use crate::{BATCHED, BINARY};

const JUMPS: [&str; 7] = ["+1h", "-1h", "+3650d", "-3650d", "@1970-01-01 00:00:01", "@2038-01-19 03:14:07", "+0"];

/// Debian's package libfaketime.
fn library() -> Option<String> {
    let directories = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let files = directories.map(|directory| format!("{directory}/faketime/libfaketimeMT.so.1"));
    files.into_iter().find(|file| Path::new(file).exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_stops_and_loses_nothing() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let Some(library) = library() else { return skipped("libfaketime is not installed") };
    let jumps = count(10);
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    let config = config(door, BATCHED, storage.path(), &[Destination::durable("sink", sink.url())]);
    let file = storage.path().join("time");
    let set = |jump: &str| {
        let next = storage.path().join("next");
        std::fs::write(&next, format!("{jump}\n")).unwrap();
        std::fs::rename(next, &file).unwrap();
    };
    let faked = |binary: &str| {
        let mut command = Command::new(binary);
        command.env("LD_PRELOAD", &library).env("FAKETIME_TIMESTAMP_FILE", &file).env("FAKETIME_NO_CACHE", "1");
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        command
    };
    set("@1970-01-01 00:00:01");
    let year = faked("date").arg("+%Y").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&year.stdout).trim(), "1970", "the clock can be changed");
    let load = Load::start(door, "span", Shape::default());
    let mut kills = 0;
    // As a machine without a battery starts.
    let mut collector = Collector::start_by(faked(BINARY), &config, &[]);
    for _ in 0..jumps {
        set(JUMPS[rng.usize(..JUMPS.len())]);
        // In the words of a back end whose clock is right.
        let soon = fmt_http_date(std::time::SystemTime::now() + std::time::Duration::from_secs(1));
        sink.script([Answer::Status(503, Some(soon))]);
        lasts(20..200, &mut rng).await;
        if rng.u8(..4) == 0 {
            collector.signal("KILL");
            drop(collector);
            kills += 1;
            collector = Collector::start_by(faked(BINARY), &config, &[]);
        }
    }
    load.more(50);
    let mut book = load.finish().await;
    drained(&collector, door, &[&sink], &mut book).await;
    // What lies in the log of the batch is not among what is queued before it is replayed.
    book.arrive(&[&sink]);
    conserved(&collector, "sink", &what);
    let found = book.compare(&sink.span_names(), kills * 20, &what);
    println!("{jumps} jumps, {kills} kills: {book}; 0 lost, {} twice", found.twice);
}
