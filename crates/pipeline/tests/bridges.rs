//! Between OTLP and Prometheus, through the real binary: spans become series, and what is scraped becomes OTLP.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use corten_proto::otlp::metrics::{Metric, NumberDataPoint, metric::Data, number_data_point::Value};
use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Protocol, Sender, Sink, data, eventually, free_address};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

/// All metrics of a name that a back end got.
fn metrics(sink: &Sink, name: &str) -> Vec<Metric> {
    let requests = sink.received();
    let metrics = requests.iter().filter(|request| request.kind() == Some(SignalKind::Metrics));
    let scopes = metrics.flat_map(|request| request.metrics().resource_metrics).flat_map(|entry| entry.scope_metrics);
    scopes.flat_map(|scope| scope.metrics).filter(|metric| metric.name == name).collect()
}

fn sums(metric: Metric) -> Vec<NumberDataPoint> {
    match metric.data {
        Some(Data::Sum(sum)) if sum.is_monotonic && sum.aggregation_temporality == 2 => sum.data_points,
        other => panic!("not a counter: {other:?}"),
    }
}

fn spans_to_series(door: SocketAddr, sink: &Sink, every: &str) -> String {
    format!(
        r#"
otelcol.receiver.otlp "default" {{
  http {{
    endpoint = "{door}"
  }}

  output {{
    traces = [otelcol.connector.spanmetrics.default.input, otelcol.connector.servicegraph.default.input]
  }}
}}

otelcol.connector.spanmetrics "default" {{
  namespace              = "test"
  metrics_flush_interval = "{every}"

  histogram {{
    unit = "s"
    explicit {{ }}
  }}

  output {{
    metrics = [otelcol.exporter.prometheus.default.input]
  }}
}}

otelcol.connector.servicegraph "default" {{
  metrics_flush_interval = "{every}"

  output {{
    metrics = [otelcol.exporter.prometheus.default.input]
  }}
}}

otelcol.exporter.prometheus "default" {{
  forward_to = [otelcol.receiver.prometheus.back.receiver]
}}

otelcol.receiver.prometheus "back" {{
  output {{
    metrics = [otelcol.exporter.otlphttp.sink.input]
  }}
}}

otelcol.exporter.otlphttp "sink" {{
  client {{
    endpoint = "{}"
  }}
}}
"#,
        sink.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_become_series_that_count_on_over_a_reload() {
    let (sink, door) = (Sink::start(), free_address());
    let collector = Collector::start(BINARY, &spans_to_series(door, &sink, "100ms"));
    let mut sender = Sender::new(door, Protocol::Http1);
    let body = data::traces(["ping".to_owned()], 0).encode_to_vec();
    let calls = |value: f64| {
        let mut points = metrics(&sink, "test_calls_total").into_iter().flat_map(sums);
        points.rfind(|point| point.value == Some(Value::AsDouble(value)))
    };
    assert!(sender.send(SignalKind::Traces, body.clone()).await.unwrap().is_success());
    let first = eventually("one call", || calls(1.0));
    assert!(calls(0.0).is_some(), "a counter begins at zero");
    let (status, answer) = collector.reload(&spans_to_series(door, &sink, "150ms"));
    assert_eq!(status, 200, "{answer}");
    assert!(sender.send(SignalKind::Traces, body).await.unwrap().is_success());
    let second = eventually("two calls", || calls(2.0));
    assert_eq!(first.start_time_unix_nano, second.start_time_unix_nano, "the same series goes on");
    assert_ne!(first.start_time_unix_nano, 0);
    let label = |point: &NumberDataPoint, name: &str| point.attributes.iter().any(|pair| pair.key == name);
    assert!(["span_name", "span_kind", "status_code", "service_name"].into_iter().all(|name| label(&second, name)));
    let durations = metrics(&sink, "test_duration_seconds");
    let Some(Data::Histogram(histogram)) = durations.into_iter().last().unwrap().data else { panic!() };
    assert_eq!(histogram.data_points[0].bucket_counts.len(), 17);
    assert_eq!(histogram.data_points[0].bucket_counts.iter().sum::<u64>(), histogram.data_points[0].count);
    assert!(metrics(&sink, "target_info").is_empty(), "it became the resource again");
}

const EXPOSITION: &str = "\
# TYPE http_requests_total counter
http_requests_total{code=\"200\"} 7
# TYPE latency_seconds histogram
latency_seconds_bucket{le=\"0.1\"} 1
latency_seconds_bucket{le=\"1\"} 3
latency_seconds_bucket{le=\"+Inf\"} 4
latency_seconds_sum 2.5
latency_seconds_count 4
# TYPE target_info gauge
target_info{region=\"eu\"} 1
";

/// Answers every request with the same metrics.
fn exposer() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            if head.count() > 0 {
                let len = EXPOSITION.len();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
                let _ = write!(&stream, "{head}\r\nContent-Length: {len}\r\n\r\n{EXPOSITION}");
            }
        }
    });
    address
}

#[test]
fn what_is_scraped_becomes_otlp() {
    let (sink, target) = (Sink::start(), exposer());
    let config = format!(
        r#"
prometheus.scrape "default" {{
  targets         = [{{ "__address__" = "{target}" }}]
  job_name        = "shop"
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [otelcol.receiver.prometheus.default.receiver]
}}

otelcol.receiver.prometheus "default" {{
  output {{
    metrics = [otelcol.exporter.otlphttp.sink.input]
  }}
}}

otelcol.exporter.otlphttp "sink" {{
  client {{
    endpoint = "{}"
  }}
}}
"#,
        sink.url()
    );
    let _collector = Collector::start(BINARY, &config);
    let counter = eventually("the counter", || metrics(&sink, "http_requests_total").into_iter().next());
    assert_eq!(sums(counter)[0].value, Some(Value::AsDouble(7.0)));
    let histogram = metrics(&sink, "latency_seconds").into_iter().next().unwrap();
    let Some(Data::Histogram(histogram)) = histogram.data else { panic!("not a histogram: {histogram:?}") };
    assert_eq!(histogram.data_points[0].bucket_counts, [1, 2, 1]);
    let up = eventually("up", || metrics(&sink, "up").into_iter().next());
    assert!(matches!(up.data, Some(Data::Gauge(_))));
    let request = sink.received().into_iter().find(|request| request.kind() == Some(SignalKind::Metrics)).unwrap();
    let resource = request.metrics().resource_metrics.remove(0).resource.unwrap();
    let names: Vec<_> = resource.attributes.iter().map(|pair| pair.key.as_str()).collect();
    assert!(
        ["service.name", "service.instance.id", "region"].into_iter().all(|name| names.contains(&name)),
        "{names:?}"
    );
}
