//! What arrives, in both versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use corten_signal::labels::Labels;
use corten_signal::samples::{
    Buckets, CUSTOM_BUCKETS, Counts, Exemplar, Histogram, Metadata, MetricKind, ResetHint, RowExemplar, STALE, Sample,
    SampleValue, Samples, Span,
};
use corten_testkit::{Answer, Sink, eventually};

use crate::bench::{Writer, endpoint, now, refused, requests, row, series};

const V2: &str = r#"protobuf_message = "io.prometheus.write.v2.Request""#;

fn histogram(schema: i32) -> SampleValue {
    let positive = Buckets { spans: vec![Span { offset: 1, length: 2 }], values: vec![2, -1] };
    let counts = Counts::Integer { count: 4, zero: 1, positive, negative: Buckets::default() };
    SampleValue::Histogram(Arc::new(Histogram {
        schema,
        zero_threshold: 0.001,
        sum: 3.5,
        counts,
        custom_values: if schema == CUSTOM_BUCKETS { vec![1.0] } else { Vec::new() },
        reset_hint: ResetHint::No,
    }))
}

fn batch(time: i64) -> Samples {
    let family = Arc::new(Metadata {
        family: "metric".into(),
        kind: MetricKind::Counter,
        help: "Things.".into(),
        unit: "seconds".into(),
    });
    let rows = vec![
        Sample { metadata: Some(Arc::clone(&family)), start: time - 1000, ..row("a", time, 1.5) },
        Sample { value: SampleValue::Float(STALE), ..row("b", time, 0.0) },
        Sample { value: histogram(3), start: time - 500, ..row("h", time, 0.0) },
    ];
    let exemplar = Exemplar { labels: Labels::from_pairs([("trace_id", "abc")]), value: 0.5, timestamp: time - 1 };
    Samples::with_exemplars(rows, vec![RowExemplar { row: 0, exemplar }])
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_1_carries_values_exemplars_histograms_and_markers() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let text = format!("external_labels = {{ host = \"w\" }}\n{}", endpoint(&sink, "send_native_histograms = true"));
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    writer.send_batch(batch(time)).await;
    let request = &requests(&sink, 3)[0];
    assert_eq!(request.path, "/api/v1/write");
    for (name, value) in [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
    assert!(request.header("user-agent").unwrap().starts_with("Corten/"));
    assert_eq!(request.header("retry-attempt"), None);
    let all = request.write().series;
    assert_eq!(all[0].labels, labels(&[("__name__", "metric"), ("host", "w"), ("series", "a")]));
    assert_eq!(all[0].samples, [(time, 1.5, 0)]);
    assert_eq!(all[0].exemplars, [(labels(&[("trace_id", "abc")]), 0.5, time - 1)]);
    assert_eq!(all[1].samples[0].1.to_bits(), STALE.to_bits());
    let native = &all[2].histograms[0];
    assert_eq!((native.schema, native.sum, native.count_int, native.timestamp), (3, 3.5, Some(4), time));
    assert_eq!((native.positive_deltas.as_slice(), native.start_timestamp), ([2, -1].as_slice(), 0));
    assert_eq!(writer.settled(&sink), [3, 3, 0, 0]);
    for (name, value) in [("samples_total", 2.0), ("histograms_total", 1.0), ("exemplars_total", 1.0)] {
        assert_eq!(writer.metric(&format!("prometheus_remote_storage_{name}"), &[]), value, "{name}");
    }
    assert_eq!(writer.metric("prometheus_remote_write_wal_samples_appended_total", &[]), 3.0);
    assert_eq!(writer.metric("prometheus_remote_storage_samples_pending", &[]), 0.0);
    assert_eq!(
        writer.metric("prometheus_remote_storage_queue_highest_sent_timestamp_seconds", &[]),
        (time / 1000) as f64
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_2_carries_metadata_and_times_of_creation_too() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let text = endpoint(&sink, &format!("{V2}\nsend_native_histograms = true"));
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    writer.send_batch(batch(time)).await;
    let request = &requests(&sink, 3)[0];
    assert_eq!(request.header("content-type"), Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"));
    assert_eq!(request.header("x-prometheus-remote-write-version"), Some("2.0.0"));
    let all = request.write().series;
    assert_eq!(all[0].labels, labels(&[("__name__", "metric"), ("series", "a")]));
    assert_eq!(all[0].samples, [(time, 1.5, time - 1000)]);
    assert_eq!(all[0].metadata, Some((1, "Things.".to_owned(), "seconds".to_owned())));
    assert_eq!(all[0].exemplars, [(labels(&[("trace_id", "abc")]), 0.5, time - 1)]);
    assert_eq!((all[1].samples[0].1.to_bits(), all[1].metadata.is_none()), (STALE.to_bits(), true));
    assert_eq!((all[2].histograms[0].start_timestamp, all[2].histograms[0].timestamp), (time - 500, time));
    assert_eq!(writer.settled(&sink), [3, 3, 0, 0]);
    assert_eq!(writer.metric("prometheus_remote_storage_metadata_total", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_endpoint_does_not_want_is_counted() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let rule = r#"write_relabel_config {
        source_labels = ["series"]
        regex = "b"
        action = "drop"
    }"#;
    let text = endpoint(&sink, &format!("send_exemplars = false\n{rule}"));
    let writer = Writer::start(directory.path(), &text).await;
    writer.send_batch(batch(now())).await;
    let all = series(&sink, 1);
    assert_eq!((all.len(), all[0].exemplars.len()), (1, 0));
    assert_eq!(writer.settled(&sink), [3, 1, 0, 2]);
    let dropped = |what: &str, reason: &str| {
        writer.metric(&format!("prometheus_remote_storage_{what}_dropped_total"), &[("reason", reason)])
    };
    assert_eq!(dropped("samples", "dropped_series"), 1.0);
    assert_eq!(dropped("histograms", "native_histograms_off"), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boundaries_of_their_own_need_version_2() {
    for (rest, wanted) in [("", [1, 0, 0, 1]), (V2, [1, 1, 0, 0])] {
        let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
        let text = endpoint(&sink, &format!("send_native_histograms = true\n{rest}"));
        let writer = Writer::start(directory.path(), &text).await;
        writer.send(vec![Sample { value: histogram(CUSTOM_BUCKETS), ..row("h", now(), 0.0) }]).await;
        assert_eq!(writer.settled(&sink), wanted, "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_its_series_is_left_out() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let writer = Writer::start(directory.path(), &endpoint(&sink, "")).await;
    let time = now();
    writer.send(vec![row("a", time, 1.0), row("a", time - 1, 2.0), row("b", time - 1, 3.0), row("a", time, 4.0)]).await;
    let values: Vec<f64> = series(&sink, 3).iter().map(|series| series.samples[0].1).collect();
    assert_eq!(values, [1.0, 3.0, 4.0]);
    assert_eq!(writer.metric("prometheus_remote_write_wal_out_of_order_samples_total", &[]), 1.0);
    assert_eq!(writer.metric("prometheus_remote_write_wal_storage_active_series", &[]), 2.0);
    assert_eq!(writer.settled(&sink), [3, 3, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_hold_as_many_samples_as_they_may() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let text = format!(
        "endpoint {{\n url = \"{}/api/v1/write\"\n queue_config {{\n max_samples_per_send = 100\n capacity = 250\n \
         batch_send_deadline = \"50ms\"\n }}\n}}",
        sink.url()
    );
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    writer.send((0..5050).map(|n| row(&format!("{n}"), time, f64::from(n))).collect()).await;
    let mut sizes: Vec<usize> = requests(&sink, 5050).iter().map(|request| request.write().rows()).collect();
    sizes.sort_unstable();
    assert_eq!((sizes[0], sizes.len()), (50, 51));
    assert!(sizes[1..].iter().all(|size| *size == 100));
    assert_eq!(writer.settled(&sink), [5050, 5050, 0, 0]);
    assert_eq!(writer.metric("prometheus_remote_storage_max_samples_per_send", &[]), 100.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_1_sends_metadata_on_its_own() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let text = endpoint(&sink, "metadata_config { send_interval = \"100ms\" }");
    let writer = Writer::start(directory.path(), &text).await;
    writer.send_batch(batch(now())).await;
    let told = eventually("metadata", || {
        sink.received().iter().map(|request| request.write().metadata).find(|metadata| !metadata.is_empty())
    });
    assert_eq!(told, [("metric".to_owned(), 1, "Things.".to_owned(), "seconds".to_owned())]);
    eventually("the counter", || (writer.metric("prometheus_remote_storage_metadata_total", &[]) > 0.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_version_2_gets_version_1() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    sink.script([Answer::Status(415, None)]);
    let text = endpoint(&sink, &format!("{V2}\nsend_native_histograms = true"));
    let writer = Writer::start(directory.path(), &text).await;
    let time = now();
    writer.send_batch(batch(time)).await;
    let received = requests(&sink, 6);
    assert_eq!((received[0].write().version, received[1].write().version), (2, 1));
    let (two, one) = (received[0].write().series, received[1].write().series);
    assert_eq!(two.len(), one.len());
    for (two, one) in two.iter().zip(&one) {
        assert_eq!((&two.labels, &two.exemplars), (&one.labels, &one.exemplars));
        assert_eq!(two.samples.len() + two.histograms.len(), one.samples.len() + one.histograms.len());
    }
    assert_eq!(one[2].histograms[0].start_timestamp, 0);
    writer.send(vec![row("a", time + 1, 2.0)]).await;
    assert_eq!(requests(&sink, 7)[2].write().version, 1, "and goes on so");
    assert_eq!(writer.settled(&sink), [4, 4, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_credentials_go_along() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let rest = "headers = { \"X-Scope-OrgID\" = \"team\" }\nbasic_auth {\n username = \"u\"\n password = \"p\"\n}";
    let signed = "sigv4 {\n region = \"eu-west-1\"\n access_key = \"AKID\"\n secret_key = \"canary\"\n}";
    let text = format!("{}{}", endpoint(&sink, rest), endpoint(&sink, signed));
    let writer = Writer::start(directory.path(), &text).await;
    writer.send(vec![row("a", now(), 1.0)]).await;
    let received = requests(&sink, 2);
    let of = |start: &str| {
        let found = received.iter().find(|r| r.header("authorization").is_some_and(|value| value.starts_with(start)));
        found.unwrap_or_else(|| panic!("{start}"))
    };
    assert_eq!(of("Basic ").header("x-scope-orgid"), Some("team"));
    assert_eq!(of("Basic ").header("authorization"), Some("Basic dTpw"));
    let scheme = "AWS4-HMAC-SHA256 Credential=AKID/";
    assert!(of(scheme).header("authorization").unwrap().contains("/eu-west-1/aps/aws4_request"));
    assert!(of(scheme).header("x-amz-date").is_some());
}

#[tokio::test]
async fn what_cannot_be_is_said_when_the_file_loads() {
    let wrong = |rest: &str| format!("endpoint {{\n url = \"http://localhost/\"\n{rest}\n}}");
    for (rest, part) in [
        ("google_iam { }", "google_iam is not implemented"),
        ("azuread {\n sdk { tenant_id = \"\" }\n}", "azuread is not implemented"),
        ("azuread { }", "must provide an Azure"),
        ("sigv4 { profile = \"x\" }", "profile of sigv4 is not implemented"),
        ("sigv4 { }\nbearer_token = \"x\"", "at most one of sigv4"),
        ("protobuf_message = \"x\"", "x"),
        ("queue_config { min_shards = 9\n max_shards = 3 }", "min_shards"),
        ("write_relabel_config { action = \"replace\" }", "target_label"),
    ] {
        let why = refused(&wrong(rest)).await;
        assert!(why.contains(part), "{rest}: {why}");
    }
    assert!(refused("endpoint { }").await.contains("url"));
    assert!(refused("wal { truncate_frequency = \"0s\" }").await.contains("truncate_frequency"));
}
