//! Ten times what can be sent on, in 200 MB.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use corten_testkit::{Collector, Nobody, Sink, free_address};

use crate::BINARY;
use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, lasts, skipped};
use crate::verdict::{Counts, conserved};

const LIMIT: u64 = 200_000_000;

/// A control group with a limit; it goes with this value.
struct Group {
    directory: PathBuf,
}

impl Group {
    /// Of version 2 where the memory controller is there, else of version 1.
    fn make() -> Option<Self> {
        let two = (PathBuf::from("/sys/fs/cgroup"), "memory.max");
        let one = (PathBuf::from("/sys/fs/cgroup/memory"), "memory.limit_in_bytes");
        [two, one].into_iter().find_map(|(root, file)| {
            // A directory that is none of the kernel's takes any file.
            let group = Self { directory: root.join(format!("corten-{}", std::process::id())) };
            std::fs::create_dir(&group.directory).ok()?;
            group.directory.join(file).exists().then_some(())?;
            std::fs::write(group.directory.join(file), LIMIT.to_string()).ok()?;
            Some(group)
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.directory).arg(BINARY);
        command
    }

    /// How often the kernel killed something in it.
    fn kills(&self) -> u64 {
        let files = ["memory.events", "memory.oom_control"];
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(self.directory.join(file)).ok());
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        lines.filter_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok()).sum()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_or_counted_and_kills_nothing() {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let Some(group) = Group::make() else { return skipped("no control group can be made here") };
    let seconds = count(4) as u64;
    let (sink, storage) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    let (door, nobody) = (free_address(), Nobody::new());
    // One that takes all it is given, and one that takes nothing: without a block `sending_queue`, 100 MiB of oldest.
    let exporter = |name: &str, url: &str| {
        format!("otelcol.exporter.otlphttp \"{name}\" {{\n  client {{ endpoint = \"{url}\" }}\n}}\n")
    };
    let inputs =
        config(door, true, storage.path(), &[Destination::memory("sink", ""), Destination::memory("dead", "")]);
    let inputs = inputs.split("otelcol.exporter.otlphttp \"").next().unwrap();
    let config = format!("{inputs}{}{}", exporter("sink", &sink.url()), exporter("dead", &nobody.url()));
    let collector = Collector::start_by(group.command(), &config, &[]);
    let shape = |bytes| Shape { clients: 16, spans: 20, bytes, large: 100_000, ..Shape::default() };
    let loads = [Load::start(door, "small", shape(300)), Load::start(door, "large", shape(2000))];
    let (mut most, mut own, mut held) = (0, 0, 0.0_f64);
    for _ in 0..seconds {
        lasts(900..1100, &mut rng).await;
        most = most.max(collector.resident());
        own = own.max(collector.anonymous());
        held = held.max(collector.metrics().sum("corten_memory_budget_used_bytes", &[]));
    }
    let mut books = Vec::new();
    for load in loads {
        books.push(load.finish().await);
    }
    most = most.max(collector.peak());
    assert_eq!(group.kills(), 0, "{what}: killed for want of memory");
    // What the group does not count is in it: pages of the program's own file, many of them in a debug build.
    assert!(most < LIMIT / 100 * 115, "{what}: {} MB", most / 1_000_000);
    tokio::task::block_in_place(|| {
        corten_testkit::eventually("the batch to be empty", || {
            let counts = Counts::of(&collector.metrics(), "sink");
            (counts.queued == 0.0 && counts.accepted >= books.iter().map(|book| book.safe.len() as f64).sum())
                .then_some(())
        });
    });
    let dead = conserved(&collector, "dead", &what);
    let well = conserved(&collector, "sink", &what);
    assert_eq!(dead.accepted, well.accepted, "{what}: {dead:?} {well:?}");
    // What was given up for want of memory is counted; all else has arrived.
    let arrived = sink.span_names();
    let missing: usize =
        books.iter().map(|book| book.safe.iter().filter(|name| !arrived.contains_key(*name)).count()).sum();
    assert_eq!(missing as f64, well.dropped, "{what}: {well:?}");
    let refused: usize = books.iter().map(|book| book.refused).sum();
    println!(
        "{seconds} s: {} spans acknowledged, {refused} requests refused, {} dropped for the dead one, {} for the other, \
         {} MB at most, {} MB of it no page of a file, with {:.0} MB accounted",
        books.iter().map(|book| book.safe.len()).sum::<usize>(),
        dead.dropped,
        well.dropped,
        most / 1_000_000,
        own / 1_000_000,
        held / 1e6
    );
}
