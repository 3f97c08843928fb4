//! A buffer directory that somebody has written into.

use std::path::{Path, PathBuf};
use std::time::Duration;

use corten_testkit::{Collector, Nobody, Sink, free_address};

use crate::BINARY;
use crate::load::{Book, Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice};
use crate::verdict::drained;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The files of all logs.
fn files(directory: &Path) -> Vec<PathBuf> {
    let logs = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = logs.flat_map(|log| std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<PathBuf> = files.filter(|file| file.file_name().is_some_and(|name| name != "lock")).collect();
    files.sort();
    files
}

/// Damages a file; how many bytes of what was in it may be lost.
fn damage(file: &Path, rng: &mut fastrand::Rng) -> (usize, String) {
    let mut content = std::fs::read(file).unwrap();
    let used = content.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = match rng.u8(..3) {
        0 => rng.usize(..used.min(4096)),
        1 => rng.usize(used.saturating_sub(4096)..used),
        _ => rng.usize(..used),
    };
    let length = match rng.u8(..4) {
        0 => 1,
        1 => rng.usize(1..512),
        2 => rng.usize(1..64 << 10),
        _ => 0,
    };
    let what = format!("{length} bytes at {at} of {used} in {}", file.display());
    if length == 0 {
        content.truncate(at);
        std::fs::write(file, content).unwrap();
        return (used - at, format!("cut: {what}"));
    }
    let end = (at + length).min(content.len());
    content[at..end].iter_mut().for_each(|byte| *byte = rng.u8(..));
    std::fs::write(file, content).unwrap();
    (end - at, what)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_buffer_starts_and_loses_what_was_hit() {
    let (seed, mut rng) = dice();
    let trials = count(10);
    let (door, nobody, root) = (free_address(), Nobody::new(), tempfile::tempdir().unwrap());
    let whole = root.path().join("whole");
    let url = |to: &str| [Destination::durable("sink", to)].to_vec();
    let collector = Collector::start(BINARY, &config(door, false, &whole, &url(&nobody.url())));
    let shape = Shape { clients: 1, large: 20_000, ..Shape::default() };
    let load = Load::start(door, "span", shape);
    load.more(200);
    let book = load.finish().await;
    collector.signal("KILL");
    drop(collector);
    let (mut lost_in_all, mut worst) = (0, Duration::ZERO);
    for trial in 0..trials {
        let buffer = root.path().join("damaged");
        copy(&whole, &buffer);
        let files = files(&buffer);
        let (bytes, what) = damage(&files[rng.usize(..files.len())], &mut rng);
        let what = format!("CORTEN_SEED={seed}, trial {trial}: {what}");
        let sink = Sink::start();
        let begun = std::time::Instant::now();
        let collector = Collector::start(BINARY, &config(door, false, &buffer, &url(&sink.url())));
        worst = worst.max(begun.elapsed());
        let mut after = Book::default();
        drained(&collector, door, &[&sink], &mut after).await;
        let mut arrived = sink.span_names();
        arrived.retain(|name, _| !after.sent.contains(name));
        assert!(arrived.keys().all(|name| book.sent.contains(name)), "{what}: something else came out");
        assert!(arrived.values().all(|times| *times == 1), "{what}: something came twice");
        let lost = book.safe.iter().filter(|name| !arrived.contains_key(*name)).count();
        // Records are 400 bytes and more, in sectors of 512.
        assert!(lost <= bytes / 400 + 2, "{what}: {lost} lost");
        lost_in_all += lost;
        drop(collector);
        std::fs::remove_dir_all(&buffer).unwrap();
    }
    let safe = book.safe.len();
    println!(
        "{trials} damaged buffers of {safe} spans: all started, in {worst:?} at most; {lost_in_all} spans lost in all"
    );
}
