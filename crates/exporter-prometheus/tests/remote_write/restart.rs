//! What outlives an instance, and a process.

use corten_testkit::{Answer, Sink, eventually};

use crate::bench::{Writer, endpoint, now, requests, row};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_sent_is_sent_after_a_restart_and_the_rest_is_not() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let text = endpoint(&sink, "");
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    writer.send(vec![row("a", time, 1.0)]).await;
    assert_eq!(writer.settled(&sink), [1, 1, 0, 0]);
    sink.answer(Answer::Status(503, None));
    for round in 1..20 {
        writer.send(vec![row("a", time + round, 1.0), row("b", time + round, 2.0)]).await;
    }
    eventually("an attempt", || (sink.received().len() > 1).then_some(()));
    assert_eq!(writer.law(&sink.url()), [39, 1, 0, 0, 38]);
    writer.stop().await;
    let before = sink.received().len();
    sink.answer(Answer::Ok);
    let writer = Writer::start(directory.path(), &text).await;
    assert_eq!(writer.settled(&sink), [38, 38, 0, 0]);
    let mut times: Vec<i64> = Vec::new();
    for request in &sink.received()[before..] {
        let series = request.write().series;
        times.extend(series.iter().filter(|s| s.labels["series"] == "a").map(|s| s.samples[0].0));
    }
    assert_eq!(times, (1..20).map(|round| time + round).collect::<Vec<_>>());
    writer.stop().await;
    let writer = Writer::start(directory.path(), &text).await;
    writer.send(vec![row("c", time, 3.0)]).await;
    assert_eq!(writer.settled(&sink), [1, 1, 0, 0], "nothing is left of before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_does_not_change_goes_on_over_a_reload() {
    let (kept, other, directory) = (Sink::start(), Sink::start(), tempfile::tempdir().unwrap());
    kept.answer(Answer::Status(503, None));
    let first = format!("{}{}", endpoint(&kept, ""), endpoint(&other, ""));
    let writer = Writer::start(directory.path(), &first).await;
    let time = now();
    writer.send((0..100).map(|n| row(&format!("{n}"), time, 1.0)).collect()).await;
    writer.settled(&other);
    let second = format!("{}{}", endpoint(&other, "remote_timeout = \"9s\""), endpoint(&kept, ""));
    let writer = writer.reload(&second).await;
    writer.send((0..100).map(|n| row(&format!("{n}"), time + 1, 1.0)).collect()).await;
    writer.send(vec![row("1", time, 1.0)]).await;
    assert_eq!(writer.settled(&other), [200, 200, 0, 0]);
    assert_eq!(writer.law(&kept.url()), [200, 0, 0, 0, 200]);
    assert_eq!(writer.metric("prometheus_remote_write_wal_out_of_order_samples_total", &[]), 1.0, "series are known");
    // The endpoint changes now, and goes on with what is on disk.
    kept.answer(Answer::Ok);
    let writer = writer.reload(&endpoint(&kept, "headers = { \"X-New\" = \"1\" }")).await;
    let [accepted, delivered, rejected, dropped] = writer.settled(&kept);
    assert!(accepted >= 200 && delivered == accepted && rejected + dropped == 0, "{accepted} {delivered}");
    assert!(writer.metric("corten_delivery_accepted_items_total", &[]) >= 200.0);
    eventually("the series of what is gone to go", || (writer.law(&other.url()) == [0; 5]).then_some(()));
    assert_eq!(other.received().iter().map(|request| request.write().rows()).sum::<usize>(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_or_damaged_log_is_opened_and_the_rest_is_sent() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.answer(Answer::Status(503, None));
    let text = endpoint(&sink, "");
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    for round in 0..10 {
        writer.send((0..300).map(|n| row(&format!("{n}"), time + round, 1.0)).collect()).await;
    }
    writer.stop().await;
    let segment = segment(directory.path());
    let mut bytes = std::fs::read(&segment).unwrap();
    // The middle of the third record.
    let third = bytes.windows(4).enumerate().filter(|(_, magic)| *magic == b"\xc0Rec").nth(2).unwrap().0;
    bytes[third + 100..third + 164].fill(0xa5);
    std::fs::write(&segment, bytes).unwrap();
    sink.answer(Answer::Ok);
    let before = sink.received().len();
    let writer = Writer::start(directory.path(), &text).await;
    let [accepted, delivered, rejected, dropped] = writer.settled(&sink);
    assert!(delivered + dropped == accepted && rejected == 0 && (2100..3000).contains(&delivered), "{delivered}");
    assert!(writer.metric("prometheus_remote_write_wal_corruptions_total", &[]) > 0.0);
    let rows: usize = sink.received()[before..].iter().map(|request| request.write().rows()).sum();
    assert_eq!(rows as u64, delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_a_part_already_gets_the_rest_after_a_kill() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.answer(Answer::Status(503, None));
    let text = endpoint(&sink, "");
    let writer = Writer::start(directory.path(), &text).await;
    writer.send((0..16).map(|n| row(&format!("{n}"), now(), 1.0)).collect()).await;
    eventually("an attempt", || (!sink.received().is_empty()).then_some(()));
    writer.kill().await;
    // The server refuses whatever holds the first half, as Prometheus does with what it has already.
    sink.answer(Answer::Ok);
    sink.script([400, 400].map(|status| Answer::Status(status, None)));
    let before = sink.received().len();
    let writer = Writer::start(directory.path(), &text).await;
    let [accepted, delivered, rejected, dropped] = writer.settled(&sink);
    assert_eq!((accepted, rejected, dropped), (16, 0, 0));
    assert_eq!(delivered, 16);
    let sizes: Vec<usize> = sink.received()[before..].iter().map(|request| request.write().rows()).collect();
    assert_eq!(sizes, [16, 8, 4, 4, 8], "halves, in order");
    let fresh = now() + 1000;
    sink.script([Answer::Status(400, None)]);
    writer.send(vec![row("1", fresh, 1.0), row("2", fresh, 1.0)]).await;
    assert_eq!(writer.settled(&sink), [18, 16, 2, 0], "what is new is refused as a whole");
    assert_eq!(requests(&sink, 0).len(), before + 6);
}

fn segment(directory: &std::path::Path) -> std::path::PathBuf {
    let folder = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir());
    let files = std::fs::read_dir(folder.unwrap()).unwrap().flatten().map(|entry| entry.path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    segments.remove(0)
}
