//! Spans in, metrics out.

use std::sync::Arc;
use std::time::Duration;

use corten_component::node::{Phase, control};
use corten_component::{BuildContext, Component, Consume as _, Receipt, RunContext, Signal as _};
use corten_proto::otlp::trace::span::SpanKind;
use corten_signal::otlp::{Batch, SignalKind};
use proptest::prelude::*;
use tokio::time::Instant;

use super::state::{Now, State, Taken};
use super::*;
use crate::testing::*;

fn named(name: &str) -> Dimension {
    Dimension { name: name.to_owned(), ..Dimension::default() }
}

fn arguments() -> SpanMetricsArguments {
    let histogram = HistogramArguments { explicit: Some(ExplicitArguments::default()), ..Default::default() };
    SpanMetricsArguments { histogram, namespace: String::new(), ..SpanMetricsArguments::default() }
}

struct Bench {
    args: SpanMetricsArguments,
    state: State,
    begin: Instant,
    second: u64,
}

impl Bench {
    fn new(args: SpanMetricsArguments) -> Self {
        Self { state: State::new(&args).unwrap(), args, begin: Instant::now(), second: 0 }
    }

    fn now(&self) -> Now {
        Now { wall: self.second * 1_000_000_000, instant: self.begin + Duration::from_secs(self.second) }
    }

    fn at(&mut self, second: u64) -> &mut Self {
        self.second = second;
        self
    }

    fn take(&mut self, batch: &Batch) -> Taken {
        self.state.take(&self.args, batch, self.now())
    }

    fn flush(&mut self) -> Vec<Batch> {
        self.state.flush(&self.args, self.now(), false)
    }

    fn points(&mut self) -> Vec<Point> {
        points(&self.flush())
    }
}

fn ping() -> corten_proto::otlp::trace::Span {
    span("/ping", SpanKind::Server, 5)
}

fn service(name: &str, spans: Vec<corten_proto::otlp::trace::Span>) -> Batch {
    request(vec![resource(&[("service.name", name)], spans)])
}

const PING: &str = "service.name=a,span.name=/ping,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET";

#[test]
fn calls_begin_at_zero_and_durations_are_there_at_once() {
    let mut bench = Bench::new(SpanMetricsArguments { namespace: "traces.span.metrics".into(), ..arguments() });
    bench.at(10).take(&service("a", vec![ping(), ping(), failed(span("/ping", SpanKind::Server, 20_000))]));
    let first = bench.at(20).points();
    let calls: Vec<_> = first.iter().filter(|point| point.metric == "traces.span.metrics.calls").collect();
    assert_eq!(calls.iter().map(|point| point.value).collect::<Vec<_>>(), [0, 0]);
    assert_eq!(calls[0].attributes, PING);
    assert!(calls[1].attributes.ends_with("status.code=STATUS_CODE_ERROR"));
    let durations: Vec<_> = first.iter().filter(|point| point.metric == "traces.span.metrics.duration [ms]").collect();
    assert_eq!((durations[0].value, durations[0].sum), (2, 10.0));
    assert_eq!(durations[0].bounds[..3], [2.0, 4.0, 6.0]);
    assert_eq!(durations[0].buckets[..4], [0, 0, 2, 0]);
    assert_eq!((durations[1].value, durations[1].buckets.last()), (1, Some(&1)));
    assert!(first.iter().all(|point| point.start == 10_000_000_000 && point.time == 20_000_000_000));
    assert!(first.iter().all(|point| point.resource == "service.name=a" && point.temporality == 2));
    let second = bench.at(30).points();
    assert_eq!(second.iter().map(|point| point.value).collect::<Vec<_>>(), [2, 1, 2, 1]);
    assert!(second.iter().all(|point| point.start == 10_000_000_000 && point.time == 30_000_000_000));
}

#[test]
fn dimensions_come_from_span_resource_and_default() {
    let dimension = vec![
        named("region"),
        Dimension { default: Some("unknown".into()), ..named("test.name") },
        named("nowhere"),
        Dimension { glob: "http.*".into(), ..Dimension::default() },
    ];
    let exclude_dimensions = vec!["span.kind".into(), "status.code".into(), "no.such".into()];
    let mut bench = Bench::new(SpanMetricsArguments { dimension, exclude_dimensions, ..arguments() });
    let resource_pairs = [("service.name", "a"), ("region", "eu"), ("http.z", "res"), ("http.method", "res")];
    let own = with(ping(), &[("region", "us"), ("http.method", "GET"), ("http.a.b", "deep"), ("test.name", "t")]);
    bench.take(&request(vec![resource(&resource_pairs, vec![own, ping()])]));
    let points = bench.points();
    assert_eq!(points[0].attributes, "service.name=a,span.name=/ping,region=us,test.name=t,http.method=GET,http.z=res");
    assert_eq!(
        points[1].attributes,
        "service.name=a,span.name=/ping,region=eu,test.name=unknown,http.method=res,http.z=res"
    );
}

#[test]
fn calls_and_durations_may_differ_in_dimensions() {
    let mut args = SpanMetricsArguments { calls_dimension: vec![named("user")], ..arguments() };
    args.histogram.dimension = vec![named("zone")];
    args.histogram.unit = "s".into();
    let mut bench = Bench::new(args);
    bench.take(&service("a", vec![with(ping(), &[("user", "x"), ("zone", "1")]), with(ping(), &[("user", "y")])]));
    bench.flush();
    let all = values(&bench.flush());
    let get = |metric: &str, more: &str| all.get(&(metric.to_owned(), format!("{PING}{more}"))).copied();
    assert_eq!([get("calls", ",user=x"), get("calls", ",user=y")], [Some(1), Some(1)]);
    assert_eq!([get("duration [s]", ",zone=1"), get("duration [s]", "")], [Some(1), Some(1)]);
    assert_eq!(all.len(), 4);
}

#[test]
fn events_are_counted_by_their_attributes() {
    let events = EventsArguments { enabled: true, dimension: vec![named("exception.type"), named("region")] };
    let mut bench = Bench::new(SpanMetricsArguments { events, ..arguments() });
    let mut noisy = with(ping(), &[("exception.type", "of the span")]);
    noisy.events = vec![event(&[("exception.type", "of the event")])];
    let mut plain = ping();
    plain.events = vec![event(&[("exception.type", "io")]), event(&[("exception.type", "io"), ("region", "event")])];
    bench.take(&request(vec![resource(&[("service.name", "a"), ("region", "eu")], vec![noisy, plain])]));
    bench.flush();
    let all = values(&bench.flush());
    let get = |more: &str| all.get(&("events".to_owned(), format!("{PING},{more}"))).copied();
    // What the span says comes before what the event says, and that before the resource.
    assert_eq!(get("exception.type=of the span,region=eu"), Some(1));
    assert_eq!(get("exception.type=io,region=eu"), Some(1));
    assert_eq!(get("exception.type=io,region=event"), Some(1));
}

#[test]
fn delta_points_follow_each_other_without_a_gap() {
    let args = SpanMetricsArguments { aggregation_temporality: "DELTA".into(), ..arguments() };
    let mut bench = Bench::new(args);
    let mut spans = Vec::new();
    for second in [10, 20, 30] {
        bench.at(second).take(&service("a", vec![ping()]));
        let points = bench.at(second + 5).points();
        assert!(points.iter().all(|point| point.value == 1 && point.temporality == 1), "{points:?}");
        spans.push((points[0].start / 1_000_000_000, points[0].time / 1_000_000_000));
    }
    assert_eq!(spans, [(10, 15), (15, 25), (25, 35)]);
    assert!(bench.flush().is_empty(), "nothing new");
    assert_eq!(bench.state.size(), (0, 0));
}

#[test]
fn only_so_many_times_of_delta_series_are_kept() {
    let args =
        SpanMetricsArguments { aggregation_temporality: "DELTA".into(), metric_timestamp_cache_size: 1, ..arguments() };
    let mut bench = Bench::new(args);
    for (second, name) in [(10, "a"), (20, "b")] {
        bench.at(second).take(&service(name, vec![ping()]));
        bench.flush();
    }
    bench.at(30).take(&service("a", vec![ping()]));
    assert_eq!(bench.at(31).points()[0].start, 30_000_000_000, "the time of `a` was forgotten for that of `b`");
}

#[test]
fn more_series_than_allowed_are_counted_as_one() {
    let args = SpanMetricsArguments { aggregation_cardinality_limit: 2, ..arguments() };
    let mut bench = Bench::new(args);
    let spans = || (0..5).map(|number| span(&format!("operation{number}"), SpanKind::Server, 1)).collect::<Vec<_>>();
    let both = request(vec![resource(&[("service.name", "a")], spans()), resource(&[("service.name", "b")], spans())]);
    let taken = bench.take(&both);
    assert_eq!(taken, Taken { unnamed: 0, overflows: 6 });
    bench.take(&both);
    bench.flush();
    let points = bench.points();
    for service in ["service.name=a", "service.name=b"] {
        for metric in ["calls", "duration [ms]"] {
            let own: Vec<_> =
                points.iter().filter(|point| point.resource == service && point.metric == metric).collect();
            assert_eq!(own.iter().map(|point| point.value).collect::<Vec<_>>(), [2, 2, 6]);
            assert_eq!(own[2].attributes, "otel.metric.overflow=true");
        }
    }
}

#[test]
fn memory_is_bounded_and_nothing_is_lost_from_the_sums() {
    let args = arguments();
    let mut bench = Bench::new(args.clone());
    bench.state = State::new(&args).unwrap().with_limit(20_000);
    for number in 0..1000 {
        let one = span(&format!("operation{}", number % 500), SpanKind::Server, 1);
        bench.take(&service(&format!("service{}", number % 200), vec![one]));
    }
    assert!(bench.state.size().1 < 25_000, "{:?}", bench.state.size());
    bench.flush();
    let points = bench.points();
    let calls: u64 = points.iter().filter(|point| point.metric == "calls").map(|point| point.value).sum();
    assert_eq!(calls, 1000);
    // Resources that had no room are one, without attributes.
    assert!(points.iter().any(|point| point.resource.is_empty() && point.attributes == "otel.metric.overflow=true"));
}

#[test]
fn resources_are_forgotten_oldest_first_after_they_were_sent() {
    let mut bench = Bench::new(SpanMetricsArguments { resource_metrics_cache_size: 2, ..arguments() });
    let services = |batches: &[Batch]| {
        let mut names: Vec<_> = points(batches).into_iter().map(|point| point.resource).collect();
        names.dedup();
        names.len()
    };
    for name in ["a", "b", "c"] {
        bench.take(&service(name, vec![ping()]));
    }
    assert_eq!(services(&bench.flush()), 3);
    bench.take(&service("b", vec![ping()]));
    let second = bench.points();
    assert!(second.iter().all(|point| point.resource != "service.name=a"));
    // What was kept counts on.
    assert!(second.iter().any(|point| point.resource == "service.name=b" && point.value == 2));
}

#[test]
fn what_is_not_seen_for_long_is_forgotten() {
    let args = SpanMetricsArguments { series_expiration: Duration::from_secs(10), ..arguments() };
    let mut bench = Bench::new(args);
    bench.at(0).take(&service("a", vec![ping(), span("/old", SpanKind::Server, 1)]));
    bench.at(8).take(&service("a", vec![ping()]));
    assert_eq!(bench.at(10).points().len(), 4);
    assert_eq!(bench.at(11).points().len(), 2);
    let args = SpanMetricsArguments { metrics_expiration: Duration::from_secs(10), ..arguments() };
    let mut bench = Bench::new(args);
    bench.at(0).take(&service("a", vec![ping()]));
    bench.at(5).take(&service("b", vec![ping()]));
    assert_eq!(bench.at(10).points().len(), 4);
    assert_eq!(bench.at(11).points().len(), 2);
    assert_eq!(bench.at(100).points().len(), 2);
    assert!(bench.flush().is_empty());
}

#[test]
fn examples_are_of_this_interval_and_of_limited_number() {
    let exemplars = ExemplarsArguments { enabled: true, max_per_data_point: 2 };
    let mut bench = Bench::new(SpanMetricsArguments { exemplars, ..arguments() });
    let untraced = corten_proto::otlp::trace::Span { trace_id: Vec::new(), ..ping() };
    bench.take(&service("a", vec![untraced, ping(), ping(), ping()]));
    for point in bench.at(7).points() {
        assert_eq!(point.exemplars.len(), 2);
        assert_eq!(point.exemplars[0].trace_id, [1; 16]);
        assert_eq!(point.exemplars[0].span_id, [2; 8]);
        assert_eq!(point.exemplars[0].time_unix_nano, 7_000_000_000);
    }
    assert!(bench.points().iter().all(|point| point.exemplars.is_empty()));
}

#[test]
fn chosen_attributes_tell_resources_apart() {
    let args = SpanMetricsArguments { resource_metrics_key_attributes: vec!["service.name".into()], ..arguments() };
    for (args, resources) in [(args, 1), (arguments(), 2)] {
        let mut bench = Bench::new(args);
        for pod in ["1", "2"] {
            bench.take(&request(vec![resource(&[("service.name", "a"), ("pod", pod)], vec![ping()])]));
        }
        // The same in another order.
        bench.take(&request(vec![resource(&[("pod", "2"), ("service.name", "a")], vec![ping()])]));
        assert_eq!(bench.points().len(), 2 * resources);
    }
}

#[test]
fn scopes_are_shown_where_asked_for() {
    let args = SpanMetricsArguments { include_instrumentation_scope: vec!["lib".into()], ..arguments() };
    let mut bench = Bench::new(args);
    bench.take(&service("a", vec![ping()]));
    let attributes = &bench.points()[0].attributes;
    assert!(attributes.ends_with("span.instrumentation.scope.name=lib,span.instrumentation.scope.version=1"));
}

#[test]
fn sampled_spans_count_for_those_that_were_left_out() {
    let mut bench = Bench::new(arguments());
    let sampled = corten_proto::otlp::trace::Span { trace_state: "ot=th:c".into(), ..ping() };
    bench.take(&service("a", vec![sampled, ping()]));
    bench.flush();
    assert!(bench.points().iter().all(|point| point.value == 5));
}

#[test]
fn durations_are_never_negative_and_may_be_exponential() {
    let mut args = arguments();
    args.histogram.explicit = None;
    args.histogram.exponential = Some(ExponentialArguments { max_size: 10 });
    let mut bench = Bench::new(args);
    let backwards = corten_proto::otlp::trace::Span { start_time_unix_nano: 5, end_time_unix_nano: 4, ..ping() };
    bench.take(&service("a", vec![backwards, ping(), span("/ping", SpanKind::Server, 500)]));
    let points = bench.points();
    assert_eq!((points[1].value, points[1].sum, points[1].buckets.len()), (3, 505.0, 7));
}

#[test]
fn spans_of_nobody_are_left_out() {
    let mut bench = Bench::new(arguments());
    let nobody = request(vec![resource(&[("service", "a")], vec![ping(), ping()])]);
    assert_eq!(bench.take(&nobody), Taken { unnamed: 2, overflows: 0 });
    assert!(bench.flush().is_empty());
}

#[test]
fn a_disabled_histogram_is_not_sent() {
    let mut args = arguments();
    args.histogram.disable = true;
    args.include_collector_instance_id = true;
    let mut bench = Bench::new(args);
    bench.take(&service("a", vec![ping()]));
    let points = bench.points();
    assert_eq!(points.len(), 1);
    assert!(points[0].attributes.contains("collector.instance.id="));
}

proptest! {
    /// Whatever the limits, every span is counted once in calls and once in durations.
    #[test]
    fn every_span_is_counted_once(
        names in prop::collection::vec((0u8..6, 0u8..4, 0u64..100_000), 1..60),
        limit in 0usize..4,
        memory in 0usize..6000,
        delta in any::<bool>(),
    ) {
        let mut args = SpanMetricsArguments { aggregation_cardinality_limit: limit, ..arguments() };
        if delta {
            args.aggregation_temporality = "DELTA".into();
        }
        let mut bench = Bench::new(args.clone());
        bench.state = State::new(&args).unwrap().with_limit(memory);
        for (name, owner, milliseconds) in &names {
            let one = span(&format!("s{name}"), SpanKind::Client, *milliseconds);
            bench.take(&service(&format!("o{owner}"), vec![one]));
        }
        if !delta {
            bench.flush();
        }
        let points = bench.points();
        let sum = |metric: &str| points.iter().filter(|p| p.metric == metric).map(|p| p.value).sum::<u64>();
        prop_assert_eq!(sum("calls"), names.len() as u64);
        prop_assert_eq!(sum("duration [ms]"), names.len() as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_sends_by_its_clock_and_at_its_end() {
    let sink = Arc::new(Sink::default());
    let (node, _registry) = node("otelcol.connector.spanmetrics.test");
    let every = Duration::from_secs(15);
    let args = Arc::new(SpanMetricsArguments { output: output(&sink), metrics_flush_interval: every, ..arguments() });
    let mut cx = BuildContext::new(&node);
    let (instance, exports) = SpanMetrics::build(Arc::clone(&args), &mut cx).await.unwrap();
    cx.into_pending().installs.into_iter().for_each(|install| install());
    node.gates().iter().for_each(|gate| gate.open());
    let (control, state) = control(&node, args.clone());
    let task = tokio::spawn(instance.run((), RunContext::new(state)));
    tokio::task::yield_now().await;
    let input = exports.input;
    let settled = Arc::new(std::sync::Mutex::new(None));
    let seen = Arc::clone(&settled);
    let mut batch = service("a", vec![ping()]);
    batch.replace_receipt(Receipt::new(move |outcome| *seen.lock().unwrap() = Some(outcome))).release();
    input.consume(batch).await.unwrap();
    assert!(settled.lock().unwrap().unwrap().is_safe());
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(points(&sink.taken()).len(), 2);
    // Arguments that do not change the series are taken while it runs.
    let other = Arc::new(Sink::default());
    let later = SpanMetricsArguments { output: output(&other), ..(*args).clone() };
    assert!(SpanMetrics::absorbs(&args, &later));
    assert!(!SpanMetrics::absorbs(&args, &SpanMetricsArguments { namespace: "x".into(), ..(*args).clone() }));
    control.arguments.send_replace(Arc::new(later));
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(points(&other.taken())[0].value, 1, "counted before the change");
    input.consume(service("b", vec![ping()])).await.unwrap();
    control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + Duration::from_secs(5) });
    task.await.unwrap().1.unwrap();
    let last = points(&other.taken()).split_off(2);
    assert!(last.iter().all(|point| point.value == 1), "no zero where there is no next time: {last:?}");
    let refused = input.consume(Batch::new(SignalKind::Logs, bytes_of_nothing(), 0)).await;
    assert!(refused.is_err_and(|refusal| !refusal.is_retryable()));
}

fn bytes_of_nothing() -> prost::bytes::Bytes {
    prost::bytes::Bytes::new()
}

#[tokio::test]
async fn what_a_batch_in_front_keeps_on_disk_it_keeps_until_it_is_counted() {
    let (node, _registry) = node("otelcol.connector.spanmetrics.test");
    let args = Arc::new(SpanMetricsArguments { output: output_on_disk("metrics"), ..arguments() });
    let mut cx = BuildContext::new(&node);
    let (_instance, exports) = SpanMetrics::build(args, &mut cx).await.unwrap();
    cx.into_pending().installs.into_iter().for_each(|install| install());
    node.gates().iter().for_each(|gate| gate.open());
    keeps_until_counted(&exports.input, service("a", vec![ping()]), "metrics").await;
}
