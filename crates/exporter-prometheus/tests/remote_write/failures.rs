//! What servers that fail lead to.

use std::time::Duration;

use corten_testkit::{Answer, Sink, eventually};

use crate::bench::{Writer, endpoint, now, requests, row, series};

const V2: &str = r#"protobuf_message = "io.prometheus.write.v2.Request""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_cannot_take_for_now_is_sent_again() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.script([500, 503, 429, 502].map(|status| Answer::Status(status, None)));
    let writer = Writer::start(directory.path(), &endpoint(&sink, "")).await;
    writer.send(vec![row("a", now(), 1.0)]).await;
    let received = requests(&sink, 5);
    let attempts: Vec<Option<&str>> = received.iter().map(|request| request.header("retry-attempt")).collect();
    assert_eq!(attempts, [None, Some("1"), Some("2"), Some("3"), Some("4")]);
    assert!(received.iter().all(|request| request.wire == received[0].wire));
    assert_eq!(writer.settled(&sink), [1, 1, 0, 0]);
    let metric = |name: &str| writer.metric(&format!("prometheus_remote_storage_samples_{name}_total"), &[]);
    assert_eq!((metric("retried"), metric("failed")), (4.0, 0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_refuses_is_not_sent_again() {
    for status in [400, 401, 404, 413] {
        let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
        sink.script([Answer::Status(status, None)]);
        let writer = Writer::start(directory.path(), &endpoint(&sink, "")).await;
        writer.send(vec![row("a", now(), 1.0), row("b", now(), 1.0)]).await;
        assert_eq!(writer.settled(&sink), [2, 0, 2, 0], "{status}");
        assert_eq!(writer.metric("prometheus_remote_storage_samples_failed_total", &[]), 2.0);
        assert_eq!(sink.received().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_may_be_final() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.script([Answer::Status(429, None)]);
    let text = format!(
        "endpoint {{\n url = \"{}/api/v1/write\"\n queue_config {{\n retry_on_http_429 = false\n \
         batch_send_deadline = \"10ms\"\n }}\n}}",
        sink.url()
    );
    let writer = Writer::start(directory.path(), &text).await;
    writer.send(vec![row("a", now(), 1.0)]).await;
    assert_eq!(writer.settled(&sink), [1, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_write_a_part() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.script([Answer::Written(204, [2, 0, 0]), Answer::Written(400, [1, 0, 0]), Answer::Status(204, None)]);
    let writer = Writer::start(directory.path(), &endpoint(&sink, V2)).await;
    let time = now();
    for (round, sums) in [[3, 2, 1, 0], [6, 3, 3, 0], [9, 3, 6, 0]].into_iter().enumerate() {
        let time = time + round as i64;
        writer.send(["a", "b", "c"].map(|name| row(name, time, 1.0)).to_vec()).await;
        assert_eq!(writer.settled(&sink), sums, "round {round}");
    }
    assert_eq!(sink.received().len(), 3, "none is sent again");
    assert_eq!(writer.metric("prometheus_remote_storage_samples_failed_total", &[]), 6.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_endpoint_costs_the_others_nothing() {
    let (alive, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let dead = Sink::start();
    dead.answer(Answer::Hang);
    let text = format!("{}{}", endpoint(&dead, ""), endpoint(&alive, ""));
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    for round in 0..60 {
        writer.send((0..500).map(|n| row(&format!("{n}"), time + round, 1.0)).collect()).await;
    }
    assert_eq!(writer.settled(&alive), [30_000, 30_000, 0, 0]);
    assert_eq!(writer.law(&dead.url()), [30_000, 0, 0, 0, 30_000]);
    let dead_url = format!("{}/api/v1/write", dead.url());
    let pending = writer.metric("prometheus_remote_storage_samples_pending", &[("url", &dead_url)]);
    assert!(pending <= 14_000.0, "{pending} are in memory, the rest is on disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_series_stays_in_order() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.script((0..40).map(|n| if n % 3 == 0 { Answer::Status(503, None) } else { Answer::Ok }));
    let text = format!(
        "endpoint {{\n url = \"{}/api/v1/write\"\n queue_config {{\n min_shards = 7\n max_samples_per_send = 50\n \
         capacity = 100\n batch_send_deadline = \"20ms\"\n min_backoff = \"5ms\"\n max_backoff = \"10ms\"\n }}\n}}",
        sink.url()
    );
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    for round in 0..50 {
        writer.send((0..40).map(|n| row(&format!("{n}"), time + round, round as f64)).collect()).await;
    }
    writer.settled(&sink);
    let mut last = std::collections::HashMap::new();
    for request in sink.received().iter().filter(|request| request.answer == Answer::Ok) {
        for series in request.write().series {
            let before = last.insert(series.labels.clone(), series.samples[0].0);
            assert!(before.is_none_or(|before| before < series.samples[0].0), "{series:?} after {before:?}");
        }
    }
    assert_eq!(last.len(), 40);
    assert_eq!(writer.metric("prometheus_remote_storage_shards", &[]), 7.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_is_not_sent() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let text = format!(
        "endpoint {{\n url = \"{}/api/v1/write\"\n queue_config {{\n sample_age_limit = \"1m\"\n \
         batch_send_deadline = \"10ms\"\n }}\n}}",
        sink.url()
    );
    let writer = Writer::start(directory.path(), &text).await;
    writer.send(vec![row("a", now() - 120_000, 1.0), row("b", now(), 2.0)]).await;
    assert_eq!(writer.settled(&sink), [2, 1, 0, 1]);
    assert_eq!(series(&sink, 1)[0].samples[0].1, 2.0);
    let old = writer.metric("prometheus_remote_storage_samples_dropped_total", &[("reason", "too_old")]);
    assert_eq!(old, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_has_a_limit_and_the_oldest_makes_room() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.answer(Answer::Status(503, None));
    let text = format!("{}\nwal {{ max_size = \"1MiB\" }}", endpoint(&sink, ""));
    let writer = Writer::start(directory.path(), &text).await;
    let (time, mut rng) = (now(), fastrand::Rng::with_seed(1));
    for round in 0..150 {
        let rows = (0..1000).map(|n| row(&format!("{n}-{:x}", n * 7919), time + round, rng.f64()));
        writer.send(rows.collect()).await;
    }
    let size: u64 = walk(directory.path());
    assert!(size <= 1 << 20, "{size}");
    let [accepted, delivered, rejected, dropped, queued] = writer.law(&sink.url());
    assert_eq!((accepted, delivered, rejected), (150_000, 0, 0));
    assert!(dropped > 0 && dropped + queued == accepted, "{dropped} and {queued}");
    sink.answer(Answer::Ok);
    let [_, delivered, _, after] = writer.settled(&sink);
    assert_eq!((delivered, after), (queued, dropped), "nothing is counted twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_too_long_is_dropped() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.answer(Answer::Hang);
    let wal =
        "wal {\n truncate_frequency = \"50ms\"\n min_keepalive_time = \"1ms\"\n max_keepalive_time = \"300ms\"\n}";
    let queue = "queue_config {\n capacity = 10\n max_samples_per_send = 10\n batch_send_deadline = \"10ms\"\n}";
    let text = format!("endpoint {{\n url = \"{}/api/v1/write\"\n {queue}\n}}\n{wal}", sink.url());
    let writer = Writer::start(directory.path(), &text).await;
    for round in 0..50 {
        writer.send((0..10).map(|n| row(&format!("{n}"), now() + round, 1.0)).collect()).await;
    }
    let left = eventually("old samples to go", || {
        let [accepted, _, _, dropped, queued] = writer.law(&sink.url());
        assert_eq!(accepted, dropped + queued);
        (dropped > 400).then_some(queued)
    });
    assert!(left <= 60, "{left}: only those that are being sent");
    assert!(writer.metric("corten_delivery_dropped_items_total", &[("reason", "expired")]) > 400.0);
    eventually("series to be forgotten", || {
        (writer.metric("prometheus_remote_write_wal_storage_active_series", &[]) == 0.0).then_some(())
    });
}

/// Bytes of all files under a directory.
fn walk(directory: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let size = |entry: std::fs::DirEntry| {
        let data = entry.metadata().unwrap();
        match entry.file_name().to_string_lossy().ends_with(".seg") {
            _ if data.is_dir() => walk(&entry.path()),
            true => data.len(),
            false => 0,
        }
    };
    entries.map(size).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_used_stops_nobody() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    // Where the directory should be, there is a file.
    let path = directory.path().join("data");
    std::fs::write(&path, "x").unwrap();
    let writer = Writer::start(&path, &endpoint(&sink, "")).await;
    tokio::time::timeout(Duration::from_secs(30), writer.send(vec![row("a", now(), 1.0)])).await.unwrap();
    assert_eq!(writer.settled(&sink), [1, 0, 0, 1]);
    assert_eq!(writer.metric("corten_delivery_dropped_items_total", &[("reason", "disk_full")]), 1.0);
}
