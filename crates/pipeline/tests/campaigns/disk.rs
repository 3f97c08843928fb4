//! A small file system that is full, or whose device fails, now and then; and kills.

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

/// As Linux numbers them.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What a disk does when there is no room.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// ENOSPC: a file system in memory, of two segments and a little. No privileges are needed where users may have a
    /// mount namespace of their own.
    Full,
    /// EIO: ext4 on a device that is a file on another such device, whose own file has no room left. Then nothing of what
    /// was written gets to the disk, and a sync says so. Only root may have such devices.
    Broken,
}

/// Makes a device of a file at `$1` of `$3` bytes and mounts it at `$2`. Without a journal, whose failure would end all writing for good.
const DEVICE: &str = "device() { truncate -s \"$3\" \"$1\" && mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=0 \"$1\" \
                      && mount -o loop,discard,errors=continue \"$1\" \"$2\"; }";

impl Fault {
    /// How it is mounted under `$0`: the disk, and the room that it depends on.
    fn mount(self) -> String {
        let memory = "mkdir \"$0/disk\" \"$0/room\" \"$0/under\"";
        match self {
            Self::Full => format!("mount -t tmpfs -o size=20m,mode=755 tmpfs \"$0\" && {memory}"),
            Self::Broken => format!(
                "{DEVICE}; mount -t tmpfs -o size=40m,mode=755 tmpfs \"$0\" && {memory} \
                 && device \"$0/room/device\" \"$0/under\" 96m && device \"$0/under/device\" \"$0/disk\" 64m"
            ),
        }
    }
}

/// A file system of a mount namespace of its own; it goes with this value.
struct SmallDisk {
    holder: Child,
    at: tempfile::TempDir,
    fault: Fault,
}

impl SmallDisk {
    fn mount(fault: Fault) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mount = format!("{} && echo ready && exec cat", fault.mount());
        let user: &[&str] = if fault == Fault::Full { &["--map-root-user"] } else { &[] };
        let mut holder = Command::new("unshare")
            .args(user)
            .args(["--mount", "sh", "-c", &mount])
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
        Some(Self { holder, at, fault })
    }

    /// Where the collector keeps its buffer.
    fn buffer(&self) -> PathBuf {
        self.at.path().join("disk/buffer")
    }

    /// A command that becomes the binary where the file system is.
    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        if self.fault == Fault::Full {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--mount", "--target", &self.holder.id().to_string()]);
        command.arg(BINARY);
        command
    }

    /// A path of it, as seen from here.
    fn inside(&self, path: &str) -> PathBuf {
        let inside = self.at.path().strip_prefix("/").unwrap().join(path);
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    fn ballast(&self) -> PathBuf {
        self.inside("room/ballast")
    }

    /// What the system says to somebody who wants a megabyte on the disk.
    fn error(&self) -> Option<i32> {
        let path = self.inside("disk/probe");
        let wanted = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![7; 1 << 20])?;
            file.sync_all()
        });
        let _ = std::fs::remove_file(path);
        wanted.err().and_then(|error| error.raw_os_error())
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
    nothing_acknowledged_is_lost(Fault::Full).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_on_a_broken_disk_is_lost() {
    nothing_acknowledged_is_lost(Fault::Broken).await;
}

async fn nothing_acknowledged_is_lost(fault: Fault) {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed} {fault:?}");
    let Some(disk) = SmallDisk::mount(fault) else { return skipped("this user may not have such a mount") };
    let rounds = count(8);
    let sink = Sink::start();
    sink.forget_requests();
    let door = free_address();
    let buffer = disk.buffer();
    let config = config(door, BATCHED, &buffer, &[Destination::durable("sink", sink.url())]);
    let load = Load::start(door, "span", Shape { bytes: 20_000, ..Shape::default() });
    let (mut kills, mut full, mut errors) = (0, 0, std::collections::BTreeSet::new());
    let mut collector = Collector::start_by(disk.command(), &config, &[]);
    for _ in 0..rounds {
        sink.answer(if rng.bool() { Answer::Status(503, None) } else { Answer::Ok });
        if rng.bool() {
            disk.fill();
            full += 1;
            errors.extend(disk.error());
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
    let expected = if fault == Fault::Full { ENOSPC } else { EIO };
    assert!(full == 0 || errors.contains(&expected), "{what}: {errors:?}");
    println!(
        "{rounds} rounds, {full} times {fault:?} (errors {errors:?}), {kills} kills: {book}; 0 lost, {} twice",
        found.twice
    );
}
