//! A back end that says when to come again is not disturbed before.

use std::time::{Duration, Instant, SystemTime};

use corten_signal::otlp::SignalKind;
use corten_testkit::{Answer, Collector, Protocol, Sender, Sink, data, eventually, free_address};
use httpdate::fmt_http_date;
use prost::Message;

use crate::BINARY;
use crate::pipeline::{Destination, config};

/// Sends through a single worker, lets the first request be refused, and returns how long the back end had its peace.
async fn peace(after: impl Fn() -> String) -> Duration {
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    let to = Destination { queue: "num_consumers = 1", ..Destination::memory("sink", sink.url()) };
    let collector = Collector::start(BINARY, &config(door, false, storage.path(), &[to]));
    sink.script([Answer::Status(503, Some(after()))]);
    let mut sender = Sender::new(door, Protocol::Http1);
    for number in 0..20 {
        let body = data::traces([number.to_string()], 0).encode_to_vec();
        assert!(sender.send(SignalKind::Traces, body).await.unwrap().is_success());
    }
    tokio::task::block_in_place(|| {
        eventually("what waited", || (sink.items(SignalKind::Traces) == 20).then_some(()));
    });
    let times: Vec<Instant> = sink.received().iter().map(|received| received.at).collect();
    drop(collector);
    times[1] - times[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn seconds_are_kept() {
    let peace = peace(|| "2".to_owned()).await;
    assert!(peace >= Duration::from_millis(1950), "asked again after {peace:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_is_kept() {
    // Dates have whole seconds: between two and three from now.
    let peace = peace(|| fmt_http_date(SystemTime::now() + Duration::from_secs(3))).await;
    assert!(peace >= Duration::from_millis(1950), "asked again after {peace:?}");
}
