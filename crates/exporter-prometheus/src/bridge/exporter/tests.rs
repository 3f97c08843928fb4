//! Requests in, samples out.

use std::time::Duration;

use corten_signal::otlp::{Batch, SignalKind, door};
use corten_signal::samples::{Counts, MetricKind, SampleValue, Samples};
use proptest::prelude::*;
use tokio::time::Instant;

use super::convert::{Converted, Converter, Now};
use super::points::Drops;
use super::*;

/// Nothing but the series of points themselves.
fn plain() -> OtlpToSamplesArguments {
    OtlpToSamplesArguments { include_target_info: false, add_metric_suffixes: false, ..Default::default() }
}

fn batch(json: &str) -> Batch {
    door::accept_json(SignalKind::Metrics, json.as_bytes()).unwrap().into_batch()
}

/// A request of one metric without a resource.
fn metric(json: &str) -> Batch {
    batch(&format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{json}]}}]}}]}}"#))
}

fn now() -> Now {
    Now { wall: 7, instant: Instant::now() }
}

fn lines(converted: Converted) -> Vec<String> {
    let samples = Samples::with_exemplars(converted.rows, converted.exemplars);
    let line = |(row, exemplars): (&corten_signal::samples::Sample, &[corten_signal::samples::RowExemplar])| {
        let value = match &row.value {
            value if value.is_stale() => "stale".to_owned(),
            SampleValue::Float(value) => value.to_string(),
            SampleValue::Histogram(histogram) => format!("histogram {}", histogram.count()),
        };
        let exemplars: String =
            exemplars.iter().map(|each| format!(" # {} {}", each.exemplar.labels, each.exemplar.value)).collect();
        format!("{} {value}{exemplars}", row.labels)
    };
    samples.iter().map(line).collect()
}

fn converted(args: &OtlpToSamplesArguments, batch: &Batch) -> Vec<String> {
    lines(Converter::default().convert(args, batch, now()))
}

const HISTOGRAM: &str = r#"{"name":"test_metric_seconds","histogram":{"aggregationTemporality":2,"dataPoints":[{
    "startTimeUnixNano":"1000000010","timeUnixNano":"1000000010","count":333,"sum":100,
    "bucketCounts":[0,111,0,222],"explicitBounds":[0.25,0.5,0.75,1.0],"exemplars":[
    {"timeUnixNano":"1000000001","asDouble":0.3,"spanId":"aaaaaaaaaaaaaaaa","traceId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"timeUnixNano":"1000000000","asDouble":0.3,"spanId":"dddddddddddddddd","traceId":"dddddddddddddddddddddddddddddddd"},
    {"timeUnixNano":"1000000003","asDouble":1.5},
    {"timeUnixNano":"1000000002","asDouble":0.5,"traceId":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]}]}}"#;

#[test]
fn histograms_become_series_with_their_exemplars() {
    assert_eq!(
        converted(&plain(), &metric(HISTOGRAM)),
        [
            r#"test_metric_seconds_sum 100"#,
            r#"test_metric_seconds_count 333"#,
            r#"test_metric_seconds_bucket{le="0.25"} 0"#,
            r#"test_metric_seconds_bucket{le="0.5"} 111 # {span_id="aaaaaaaaaaaaaaaa", trace_id="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} 0.3"#,
            r#"test_metric_seconds_bucket{le="0.75"} 111 # {trace_id="bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"} 0.5"#,
            r#"test_metric_seconds_bucket{le="1"} 333"#,
            r#"test_metric_seconds_bucket{le="+Inf"} 333 # {} 1.5"#,
        ]
    );
}

#[test]
fn bounds_out_of_order_are_put_in_order() {
    let json = HISTOGRAM.replace("[0.25,0.5,0.75,1.0]", "[0.5,1.0,0.25,0.75]");
    let lines = converted(&plain(), &metric(&json));
    let values: Vec<_> = lines[2..].iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(values, ["0", "0", "222", "333", "333"]);
}

#[test]
fn sums_are_counters_or_gauges() {
    let sum = |monotonic, temporality| {
        format!(
            r#"{{"name":"m","unit":"s","sum":{{"aggregationTemporality":{temporality},"isMonotonic":{monotonic},"dataPoints":[
            {{"timeUnixNano":"2000000000","startTimeUnixNano":"1000000000","asInt":"15","exemplars":[{{"asInt":"3","timeUnixNano":"5"}}]}}]}}}}"#
        )
    };
    let args = OtlpToSamplesArguments { add_metric_suffixes: true, honor_metadata: true, ..plain() };
    let counter = Converter::default().convert(&args, &metric(&sum(true, 2)), now());
    let metadata = counter.rows[0].metadata.clone().unwrap();
    assert_eq!((metadata.kind, &*metadata.family, &*metadata.unit), (MetricKind::Counter, "m_seconds_total", "s"));
    assert_eq!((counter.rows[0].start, counter.rows[0].timestamp), (1000, 2000));
    assert_eq!(lines(counter), ["m_seconds_total 15 # {} 3"]);
    let gauge = Converter::default().convert(&args, &metric(&sum(false, 2)), now());
    assert_eq!((gauge.rows[0].metadata.as_ref().unwrap().kind, gauge.rows[0].start), (MetricKind::Gauge, 0));
    assert_eq!(lines(gauge), ["m_seconds 15"]);
    for (monotonic, temporality) in [(false, 1), (true, 0)] {
        let dropped = Converter::default().convert(&args, &metric(&sum(monotonic, temporality)), now());
        assert!(dropped.rows.is_empty());
        assert_eq!(dropped.drops, Drops { temporality: 1, ..Drops::default() });
    }
}

const RESOURCE: &str = r#"{"resourceMetrics":[{"resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"myservice"}},
    {"key":"service.namespace","value":{"stringValue":"myns"}},
    {"key":"service.instance.id","value":{"stringValue":"instance"}},
    {"key":"raw","value":{"stringValue":"test"}},{"key":"foo.one","value":{"intValue":"1"}}]},
    "scopeMetrics":[{"scope":{"name":"a-name","version":"a-version","attributes":[
      {"key":"something.extra","value":{"stringValue":"zzz"}}]},
    "metrics":[{"name":"m","gauge":{"dataPoints":[{"asDouble":1234.56,"attributes":[
      {"key":"raw","value":{"stringValue":"own"}},{"key":"__name__","value":{"stringValue":"evil"}}]}]}}]}]}]}"#;

#[test]
fn resources_and_scopes_become_labels_and_infos() {
    let args = OtlpToSamplesArguments { include_target_info: true, include_scope_info: true, ..plain() };
    assert_eq!(
        converted(&args, &batch(RESOURCE)),
        [
            r#"target_info{foo_one="1", instance="instance", job="myns/myservice", raw="test"} 1"#,
            r#"otel_scope_info{instance="instance", job="myns/myservice", otel_scope_name="a-name", otel_scope_version="a-version", something_extra="zzz"} 1"#,
            r#"m{instance="instance", job="myns/myservice", raw="own"} 1234.56"#,
        ]
    );
    let args = OtlpToSamplesArguments {
        include_target_info: true,
        keep_identifying_resource_attributes: true,
        include_scope_labels: Some(true),
        ..plain()
    };
    let lines = converted(&args, &batch(RESOURCE));
    assert!(lines[0].contains(r#"service_instance_id="instance", service_name="myservice", service_namespace="myns""#));
    assert!(lines[1].contains(r#"otel_scope_name="a-name", otel_scope_version="a-version""#));
    let args = OtlpToSamplesArguments { resource_to_telemetry_conversion: true, ..plain() };
    assert_eq!(
        converted(&args, &batch(RESOURCE)),
        [
            r#"m{foo_one="1", instance="instance", job="myns/myservice", raw="test", service_instance_id="instance", service_name="myservice", service_namespace="myns"} 1234.56"#
        ]
    );
}

#[test]
fn summaries_have_quantiles() {
    let json = r#"{"name":"m","summary":{"dataPoints":[{"timeUnixNano":"1000000000","count":"333","sum":100,
        "quantileValues":[{"quantile":0,"value":100},{"quantile":0.5,"value":400},{"quantile":1,"value":500}]}]}}"#;
    assert_eq!(
        converted(&plain(), &metric(json)),
        ["m_sum 100", "m_count 333", r#"m{quantile="0"} 100"#, r#"m{quantile="0.5"} 400"#, r#"m{quantile="1"} 500"#]
    );
}

#[test]
fn exponential_histograms_become_native_ones() {
    let json = r#"{"name":"m","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{
        "timeUnixNano":"1000000000","scale":0,"count":"11","sum":158.63,"positive":{"offset":-1,"bucketCounts":["2","1","3","2","0","0","3"]},
        "exemplars":[{"timeUnixNano":"1000000001","asDouble":3.0},{"timeUnixNano":"1000000003","asDouble":1.0},{"timeUnixNano":"1000000002","asDouble":1.5}]}]}}"#;
    let converted = Converter::default().convert(&plain(), &metric(json), now());
    let SampleValue::Histogram(histogram) = &converted.rows[0].value else { panic!() };
    assert_eq!((histogram.schema, histogram.sum, histogram.zero_threshold), (0, 158.63, 1e-128));
    let Counts::Integer { count: 11, zero: 0, positive, negative } = &histogram.counts else { panic!() };
    assert_eq!(positive.values, [2, -1, 2, -1, -2, 0, 3]);
    assert!(positive.is_consistent() && negative.values.is_empty());
    // The third exemplar is older than the second.
    assert_eq!(converted.exemplars.iter().map(|each| each.exemplar.value).collect::<Vec<_>>(), [3.0, 1.0]);
    let coarse = Converter::default().convert(&plain(), &metric(&json.replace(r#""scale":0"#, r#""scale":-5"#)), now());
    assert_eq!((coarse.rows.len(), coarse.drops.shape), (0, 1));
}

#[test]
fn histograms_may_become_native_ones_with_custom_buckets() {
    let args = OtlpToSamplesArguments { convert_classic_histograms_to_nhcb: true, ..plain() };
    let json = HISTOGRAM.replace("[0,111,0,222]", "[0,111,0,200,22]");
    let converted = Converter::default().convert(&args, &metric(&json), now());
    let SampleValue::Histogram(histogram) = &converted.rows[0].value else { panic!() };
    assert_eq!((histogram.schema, histogram.custom_values.as_slice()), (-53, &[0.25, 0.5, 0.75, 1.0][..]));
    assert_eq!(histogram.count(), 333.0);
    let wrong = Converter::default().convert(&args, &metric(HISTOGRAM), now());
    assert_eq!((wrong.rows.len(), wrong.drops.shape), (0, 1), "a count for the last bucket is missing");
}

fn counter(temporality: u8, start: u64, time: u64, value: f64, flags: u32) -> Batch {
    let [start, time] = [start, time].map(|seconds| seconds * 1_000_000_000);
    metric(&format!(
        r#"{{"name":"m","sum":{{"aggregationTemporality":{temporality},"isMonotonic":true,"dataPoints":[
        {{"startTimeUnixNano":"{start}","timeUnixNano":"{time}","asDouble":{value},"flags":{flags}}}]}}}}"#
    ))
}

#[test]
fn old_points_are_left_out_and_ends_are_marked() {
    let mut converter = Converter::default();
    let mut take = |batch: &Batch| {
        let converted = converter.convert(&plain(), batch, now());
        (converted.drops.old, lines(converted))
    };
    assert_eq!(take(&counter(2, 0, 10, 1.0, 0)).1, ["m 1"]);
    assert_eq!(take(&counter(2, 0, 9, 2.0, 0)), (1, vec![]));
    assert_eq!(take(&counter(2, 0, 10, 3.0, 0)).1, ["m 3"], "the same time is not older");
    assert_eq!(take(&counter(2, 0, 11, 0.0, 1)).1, ["m stale"]);
    assert_eq!(
        take(&metric(&HISTOGRAM.replace(r#""count":333,"sum":100,"#, r#""flags":1,"#)))
            .1
            .iter()
            .filter(|line| line.contains("stale"))
            .count(),
        6,
        "all but the sum, which never was"
    );
}

#[test]
fn differences_are_added_up() {
    let mut converter = Converter::default();
    let mut take = |batch: &Batch| {
        let converted = converter.convert(&plain(), batch, now());
        let start = converted.rows.first().map(|row| row.start);
        (start, converted.drops.old, lines(converted))
    };
    assert_eq!(take(&counter(1, 5, 10, 1.0, 0)), (Some(5000), 0, vec!["m 1".to_owned()]));
    assert_eq!(take(&counter(1, 10, 20, 2.5, 0)), (Some(5000), 0, vec!["m 3.5".to_owned()]));
    assert_eq!(take(&counter(1, 10, 20, 2.5, 0)), (None, 1, vec![]), "sent twice");
    assert_eq!(take(&counter(1, 1, 30, 2.5, 0)), (None, 1, vec![]), "from before the sum");
    assert_eq!(take(&counter(1, 20, 40, 0.0, 1)).2, ["m stale"]);
    assert_eq!(take(&counter(1, 40, 50, 1.0, 0)), (Some(40_000), 0, vec!["m 1".to_owned()]), "a new sum");
}

#[test]
fn differences_of_histograms_are_added_up() {
    let delta = |time: u64, bounds: &str| {
        metric(&format!(
            r#"{{"name":"m","histogram":{{"aggregationTemporality":1,"dataPoints":[{{"startTimeUnixNano":"{}","timeUnixNano":"{time}",
            "count":"6","sum":2,"bucketCounts":["1","2","3"],"explicitBounds":{bounds}}}]}}}}"#,
            time - 1
        ))
    };
    let mut converter = Converter::default();
    let mut take = |batch: &Batch| lines(converter.convert(&plain(), batch, now()));
    take(&delta(10, "[1,2]"));
    assert_eq!(
        take(&delta(20, "[1,2]")),
        ["m_sum 4", "m_count 12", r#"m_bucket{le="1"} 2"#, r#"m_bucket{le="2"} 6"#, r#"m_bucket{le="+Inf"} 12"#]
    );
    assert_eq!(take(&delta(30, "[1,3]"))[1], "m_count 6", "other buckets, another sum");
    let exponential = |time: u64, scale: i32| {
        metric(&format!(
            r#"{{"name":"e","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{"timeUnixNano":"{time}",
            "count":"4","sum":2,"zeroCount":"1","scale":{scale},"positive":{{"offset":0,"bucketCounts":["1","2"]}}}}]}}}}"#
        ))
    };
    converter.convert(&plain(), &exponential(10, 3), now());
    let sum = converter.convert(&plain(), &exponential(20, 2), now());
    let SampleValue::Histogram(histogram) = &sum.rows[0].value else { panic!() };
    let Counts::Integer { count: 8, zero: 2, positive, .. } = &histogram.counts else { panic!("{histogram:?}") };
    assert_eq!((histogram.schema, histogram.sum), (2, 4.0));
    assert_eq!(positive.iter().map(|(index, _)| index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(positive.values, [4, -2]);
}

#[test]
fn a_zero_begins_a_counter_once_for_each_start() {
    let args = OtlpToSamplesArguments { start_timestamp_zero_ingestion: true, ..plain() };
    let mut converter = Converter::default();
    let mut take = |batch: &Batch| {
        let rows = converter.convert(&args, batch, now()).rows;
        rows.iter().map(|row| (row.timestamp, row.value == SampleValue::Float(0.0))).collect::<Vec<_>>()
    };
    assert_eq!(take(&counter(2, 50, 100, 15.0, 0)), [(50_000, true), (100_000, false)]);
    assert_eq!(take(&counter(2, 50, 200, 20.0, 0)), [(200_000, false)]);
    assert_eq!(take(&counter(2, 250, 300, 1.0, 0)), [(250_000, true), (300_000, false)]);
    assert_eq!(take(&counter(2, 0, 400, 1.0, 0)), [(400_000, false)]);
}

#[test]
fn what_is_remembered_is_bounded_and_forgotten() {
    let mut converter = Converter::with_limit(150);
    let many = |temporality: u8| {
        let points: Vec<_> = (0..50)
            .map(|n| {
                format!(
                    r#"{{"timeUnixNano":"1","asInt":"1","attributes":[{{"key":"n","value":{{"intValue":"{n}"}}}}]}}"#
                )
            })
            .collect();
        let points = points.join(",");
        metric(&format!(
            r#"{{"name":"m","sum":{{"aggregationTemporality":{temporality},"isMonotonic":true,"dataPoints":[{points}]}}}}"#
        ))
    };
    let all = converter.convert(&plain(), &many(2), now());
    assert_eq!((all.rows.len(), all.drops), (50, Drops::default()), "cumulative points pass");
    assert!(converter.size().1 <= 150);
    let deltas = converter.convert(&plain(), &many(1), now());
    assert_eq!(deltas.rows.len() as u64 + deltas.drops.full, 50);
    assert!(deltas.drops.full > 40);
    converter.forget(Instant::now() + Duration::from_secs(301));
    assert_eq!(converter.size(), (0, 0));
}

#[test]
fn labels_of_a_series_are_shared() {
    let mut converter = Converter::default();
    converter.convert(&plain(), &metric(HISTOGRAM), now());
    let before = converter.size();
    converter.convert(&plain(), &metric(HISTOGRAM), now());
    assert_eq!(converter.size(), before);
}

proptest! {
    /// Bytes that passed the door as metrics never panic, whatever the arguments.
    #[test]
    fn hostile_requests_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), nhcb in any::<bool>()) {
        let args = OtlpToSamplesArguments {
            convert_classic_histograms_to_nhcb: nhcb,
            start_timestamp_zero_ingestion: true,
            resource_to_telemetry_conversion: true,
            ..Default::default()
        };
        // Also bytes that did not pass.
        let batch = Batch::new(SignalKind::Metrics, bytes.into(), 1);
        Converter::default().convert(&args, &batch, now());
    }

    /// Numbers at their limits neither.
    #[test]
    fn extreme_histograms_do_not_panic(
        scale in any::<i32>(), offset in any::<i32>(), counts in prop::collection::vec(any::<u64>(), 0..20),
        temporality in 1u8..3, bounds in prop::collection::vec(any::<f64>(), 0..6),
    ) {
        use corten_proto::otlp::metrics::*;
        let buckets = exponential_histogram_data_point::Buckets { offset, bucket_counts: counts.clone() };
        let exponential = ExponentialHistogramDataPoint {
            scale, count: u64::MAX, positive: Some(buckets.clone()), negative: Some(buckets), time_unix_nano: u64::MAX,
            start_time_unix_nano: u64::MAX, ..Default::default()
        };
        let explicit = HistogramDataPoint { bucket_counts: counts, explicit_bounds: bounds, ..Default::default() };
        let metric = |data| Metric { name: "m".into(), data: Some(data), ..Default::default() };
        let metrics = vec![
            metric(metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential.clone(), exponential], aggregation_temporality: temporality.into(),
            })),
            metric(metric::Data::Histogram(Histogram {
                data_points: vec![explicit], aggregation_temporality: temporality.into(),
            })),
        ];
        let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
        let request = corten_proto::otlp::collector::ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { scope_metrics, ..Default::default() }],
        };
        let bytes = corten_signal::otlp::Message::Metrics(request).encode();
        let batch = Batch::new(SignalKind::Metrics, bytes.into(), 2);
        for nhcb in [true, false] {
            let args = OtlpToSamplesArguments {
                convert_classic_histograms_to_nhcb: nhcb, start_timestamp_zero_ingestion: true, ..plain()
            };
            let rows = Converter::default().convert(&args, &batch, now()).rows;
            for row in rows {
                if let SampleValue::Histogram(histogram) = &row.value
                    && let Counts::Integer { positive, .. } = &histogram.counts {
                    prop_assert!(positive.spans.iter().map(|span| span.length as usize).sum::<usize>() == positive.values.len());
                }
            }
        }
    }
}

#[test]
fn arguments_have_alloys_defaults() {
    let args = OtlpToSamplesArguments::default();
    assert!(args.include_target_info && args.add_metric_suffixes && !args.include_scope_info && !args.honor_metadata);
    assert_eq!(args.gc_frequency, Duration::from_secs(300));
}
