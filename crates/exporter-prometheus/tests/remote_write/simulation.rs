//! Random failures, restarts and kills: whatever happens, the books are right and nothing that was taken is missing.
//!
//! `SIM_SEED=n` runs one seed again, `SIM_SEEDS=n` so many.

use std::collections::{BTreeMap, BTreeSet};

use corten_testkit::{Answer, Sink};

use crate::bench::{Writer, endpoint, now, row};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_taken_is_missing() {
    let seeds = match number("SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SIM_SEEDS").unwrap_or(6)).map(|_| fastrand::u64(..)).collect(),
    };
    for seed in seeds {
        println!("SIM_SEED={seed}");
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let version = if rng.bool() { "" } else { "protobuf_message = \"io.prometheus.write.v2.Request\"" };
    let queue = format!(
        "queue_config {{\n min_shards = {}\n max_samples_per_send = {}\n capacity = 60\n \
         batch_send_deadline = \"5ms\"\n min_backoff = \"1ms\"\n max_backoff = \"3ms\"\n }}",
        rng.usize(1..5),
        rng.usize(1..40)
    );
    let text = endpoint(&sink, version).replace(
        "queue_config {\n batch_send_deadline = \"20ms\"\n min_backoff = \"5ms\"\n max_backoff = \"20ms\"\n }",
        &queue,
    );
    let mut writer = Writer::start(directory.path(), &text).await;
    let mut taken: BTreeSet<(String, i64)> = BTreeSet::new();
    let base = now();
    let (mut ended, mut killed, mut time) = (false, false, 0);
    for _ in 0..rng.usize(10..40) {
        match rng.u8(..100) {
            0..60 => {
                time += 1;
                let count = rng.usize(1..120);
                let names: Vec<String> = (0..count).map(|n| n.to_string()).collect();
                writer.send(names.iter().map(|name| row(name, base + time, 1.0)).collect()).await;
                taken.extend(names.into_iter().map(|name| (name, base + time)));
            }
            60..80 => {
                let bad = rng.usize(0..6);
                let answers = [Answer::Status(503, None), Answer::Status(429, Some("0".to_owned())), Answer::Ok];
                let answers: Vec<Answer> = (0..bad).map(|_| rng.choice(&answers).unwrap().clone()).collect();
                sink.script(answers);
            }
            80..88 => {
                ended = true;
                writer.stop().await;
                writer = Writer::start(directory.path(), &text).await;
            }
            88..94 => writer = writer.reload(&text).await,
            _ => {
                (ended, killed) = (true, true);
                writer.kill().await;
                writer = Writer::start(directory.path(), &text).await;
            }
        }
    }
    writer.send(vec![row("last", base + time + 1, 1.0)]).await;
    taken.insert(("last".to_owned(), base + time + 1));
    let lost = if killed {
        writer.emptied(&sink)
    } else {
        let [_, _, rejected, dropped] = writer.settled(&sink);
        [rejected, dropped]
    };
    assert_eq!(lost, [0, 0], "seed {seed}");
    let mut arrived: BTreeMap<(String, i64), usize> = BTreeMap::new();
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    for request in sink.received().iter().filter(|request| request.answer == Answer::Ok) {
        for series in request.write().series {
            let (name, at) = (series.labels["series"].clone(), series.samples[0].0);
            let times = arrived.entry((name.clone(), at)).or_default();
            *times += 1;
            let newest = newest.entry(name.clone()).or_insert(i64::MIN);
            // What came for the first time is newer than all before it.
            assert!(*times > 1 || *newest < at, "seed {seed}: {name} out of order");
            *newest = at.max(*newest);
        }
    }
    let missing: Vec<_> = taken.iter().filter(|sample| !arrived.contains_key(*sample)).collect();
    assert!(missing.is_empty(), "seed {seed}: {missing:?}");
    let twice = arrived.values().filter(|times| **times > 1).count();
    // A record of which the server took a part before the process ended is sent as a whole by the next.
    assert!(ended || twice == 0, "seed {seed}: {twice} came twice though no process ended");
}
