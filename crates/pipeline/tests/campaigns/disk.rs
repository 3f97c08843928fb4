//! A small file system that is full now and then, and kills.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use corten_testkit::{Answer, Collector, Sink, free_address};

use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, lasts, skipped};
use crate::verdict::{conserved, drained, emptied};
use crate::{BATCHED, BINARY};

/// Two segments and a little.
const SIZE: &str = "20m";

/// A file system in memory, of a mount namespace of its own. No privileges are needed where users may have such.
struct SmallDisk {
    holder: Child,
    at: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mount = format!("mount -t tmpfs -o size={SIZE},mode=755 tmpfs \"$0\" && echo ready && exec cat");
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &mount])
            .arg(at.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let read = BufReader::new(holder.stdout.take()?).read_line(&mut line);
        if read.is_err() || line.trim() != "ready" {
            let _ = holder.kill();
            let _ = holder.wait();
            return None;
        }
        Some(Self { holder, at })
    }

    /// A command that becomes the binary where the file system is.
    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target", &self.holder.id().to_string()]);
        command.arg(BINARY);
        command
    }

    fn ballast(&self) -> PathBuf {
        let inside = self.at.path().strip_prefix("/").unwrap().join("ballast");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.ballast()).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
    }

    /// Gives it back.
    fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_on_a_full_disk_is_lost() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let Some(disk) = SmallDisk::mount() else { return skipped("this user may not have a mount of its own") };
    let rounds = count(8);
    let sink = Sink::start();
    sink.forget_requests();
    let door = free_address();
    let buffer = disk.at.path().join("buffer");
    let config = config(door, BATCHED, &buffer, &[Destination::durable("sink", sink.url())]);
    let load = Load::start(door, "span", Shape { bytes: 20_000, ..Shape::default() });
    let (mut kills, mut full) = (0, 0);
    let mut collector = Collector::start_by(disk.command(), &config, &[]);
    for _ in 0..rounds {
        sink.answer(if rng.bool() { Answer::Status(503, None) } else { Answer::Ok });
        if rng.bool() {
            disk.fill();
            full += 1;
        } else {
            disk.free();
        }
        lasts(50..300, &mut rng).await;
        if rng.u8(..3) > 0 {
            collector.signal("KILL");
            drop(collector);
            kills += 1;
            collector = Collector::start_by(disk.command(), &config, &[]);
        }
    }
    // It recovers by itself.
    sink.answer(Answer::Ok);
    disk.free();
    load.more(100);
    let mut book = load.finish().await;
    drained(&collector, door, &[&sink], &mut book).await;
    book.arrive(&[&sink]);
    emptied(&collector);
    let counts = conserved(&collector, "sink", &what);
    assert_eq!(counts.rejected, 0.0, "{what}: {counts:?}");
    let found = book.compare(&sink.span_names(), (kills + 1) * 100, &what);
    println!("{rounds} rounds, {full} times full, {kills} kills: {book}; 0 lost, {} twice", found.twice);
}
