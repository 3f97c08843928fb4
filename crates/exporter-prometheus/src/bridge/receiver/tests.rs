//! Samples in, requests out, and back.

use std::sync::Arc;

use corten_proto::otlp::common::{KeyValue, any_value::Value};
use corten_proto::otlp::metrics::{Metric, metric::Data, number_data_point};
use corten_signal::labels::{Labels, NAME};
use corten_signal::otlp::{Batch, Message, SignalKind, check};
use corten_signal::samples::{
    Buckets, Counts, Exemplar, Histogram, Metadata, MetricKind, ResetHint, RowExemplar, STALE, Sample, SampleValue,
    Samples, Span,
};
use proptest::prelude::*;
use tokio::time::Instant;

use super::translate::{Translated, Translator};
use crate::bridge::exporter::{Converter, Now, OtlpToSamplesArguments};

fn metadata(family: &str, kind: MetricKind) -> Option<Arc<Metadata>> {
    Some(Arc::new(Metadata { family: family.into(), kind, help: "help".into(), unit: "seconds".into() }))
}

/// A sample of job `j` at instance `host:80`, at 5 s.
fn sample(name: &str, more: &[(&str, &str)], value: f64, metadata: Option<Arc<Metadata>>) -> Sample {
    let own = [(NAME, name), ("job", "j"), ("instance", "host:80")];
    let labels = Labels::from_pairs(own.iter().chain(more).copied());
    Sample { labels, timestamp: 5000, start: 0, value: SampleValue::Float(value), metadata }
}

fn translate(rows: Vec<Sample>) -> Translated {
    Translator::default().translate(&Samples::new(rows))
}

fn text(pairs: &[KeyValue]) -> String {
    let value = |pair: &KeyValue| match pair.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| format!("{}={}", pair.key, value(pair))).collect::<Vec<_>>().join(",")
}

/// The only metric.
fn only(translated: Translated) -> Metric {
    assert_eq!(translated.points, 1);
    let mut all: Vec<_> =
        translated.request.resource_metrics.into_iter().flat_map(|entry| entry.scope_metrics).collect();
    assert_eq!((all.len(), all[0].metrics.len()), (1, 1));
    all.remove(0).metrics.remove(0)
}

#[test]
fn counters_are_sums_with_their_start() {
    let kind = metadata("a", MetricKind::Counter);
    let rows = vec![
        sample("a_total", &[("l", "v")], 3.0, kind.clone()),
        sample("a_created", &[("l", "v")], 1.5, kind.clone()),
    ];
    let metric = only(translate(rows));
    assert_eq!((metric.name.as_str(), metric.unit.as_str(), metric.description.as_str()), ("a_total", "s", "help"));
    assert_eq!(text(&metric.metadata), "prometheus.type=counter");
    let Some(Data::Sum(sum)) = metric.data else { panic!() };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    let point = &sum.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1_500_000_000, 5_000_000_000));
    assert_eq!(text(&point.attributes), "l=v");
    assert_eq!(point.value, Some(number_data_point::Value::AsDouble(3.0)));
    let started = Sample { start: 2000, ..sample("a_total", &[], 3.0, kind) };
    let Some(Data::Sum(sum)) = only(translate(vec![started])).data else { panic!() };
    assert_eq!(sum.data_points[0].start_time_unix_nano, 2_000_000_000);
}

#[test]
fn what_is_unknown_is_a_gauge() {
    for (name, kind, said) in
        [("a", None, "unknown"), ("up", None, "gauge"), ("b", metadata("b", MetricKind::Unknown), "unknown")]
    {
        let metric = only(translate(vec![sample(name, &[], 1.0, kind)]));
        assert!(matches!(metric.data, Some(Data::Gauge(_))));
        assert_eq!(text(&metric.metadata), format!("prometheus.type={said}"));
    }
}

fn histogram_rows(values: [f64; 5]) -> Vec<Sample> {
    let kind = metadata("h", MetricKind::Histogram);
    let row = |name: &str, more: &[(&str, &str)], value| sample(name, more, value, kind.clone());
    vec![
        row("h_bucket", &[("le", "+Inf")], values[0]),
        row("h_bucket", &[("le", "2.5")], values[1]),
        row("h_bucket", &[("le", "1")], values[2]),
        row("h_sum", &[], values[3]),
        row("h_count", &[], values[4]),
    ]
}

#[test]
fn a_histogram_is_put_together() {
    let ids = Labels::from_pairs([("trace_id", "0102030405060708090a0b0c0d0e0f10"), ("span_id", "zz"), ("x", "y")]);
    let exemplar = RowExemplar { row: 1, exemplar: Exemplar { labels: ids, value: 2.0, timestamp: 4000 } };
    let samples = Samples::with_exemplars(histogram_rows([6.0, 4.0, 1.0, 12.5, 6.0]), vec![exemplar]);
    let Some(Data::Histogram(histogram)) = only(Translator::default().translate(&samples)).data else { panic!() };
    let point = &histogram.data_points[0];
    assert_eq!((point.explicit_bounds.as_slice(), point.bucket_counts.as_slice()), (&[1.0, 2.5][..], &[1, 3, 2][..]));
    assert_eq!((point.count, point.sum, point.flags), (6, Some(12.5), 0));
    let exemplar = &point.exemplars[0];
    assert_eq!((exemplar.trace_id.len(), exemplar.trace_id[15], exemplar.time_unix_nano), (16, 16, 4_000_000_000));
    assert_eq!(text(&exemplar.filtered_attributes), "span_id=zz,x=y");
}

#[test]
fn ends_are_points_without_a_value() {
    let Some(Data::Histogram(histogram)) = only(translate(histogram_rows([STALE; 5]))).data else { panic!() };
    let point = &histogram.data_points[0];
    assert_eq!((point.flags, point.count, point.sum, point.bucket_counts.as_slice()), (1, 0, None, &[0, 0, 0][..]));
    let Some(Data::Gauge(gauge)) = only(translate(vec![sample("g", &[], STALE, None)])).data else { panic!() };
    assert_eq!((gauge.data_points[0].flags, gauge.data_points[0].value), (1, None));
    let native = sample("h", &[], STALE, metadata("h", MetricKind::Histogram));
    let Some(Data::ExponentialHistogram(histogram)) = only(translate(vec![native])).data else { panic!() };
    assert_eq!((histogram.data_points[0].flags, histogram.data_points[0].count), (1, 0));
}

#[test]
fn types_are_remembered_for_ends_that_do_not_say_them() {
    let mut translator = Translator::default();
    translator.translate(&Samples::new(vec![sample("a_total", &[], 1.0, metadata("a_total", MetricKind::Counter))]));
    let end = translator.translate(&Samples::new(vec![sample("a_total", &[], STALE, None)]));
    assert!(matches!(only(end).data, Some(Data::Sum(_))));
}

#[test]
fn a_histogram_without_a_count_is_left_out_and_counted() {
    let mut rows = histogram_rows([6.0, 4.0, 1.0, 12.5, 6.0]);
    rows.pop();
    rows.push(sample("h_bucket", &[], 1.0, metadata("h", MetricKind::Histogram)));
    let translated = translate(rows);
    assert_eq!((translated.points, translated.incomplete, translated.malformed), (0, 1, 1));
    assert!(translated.request.resource_metrics.is_empty());
}

#[test]
fn summaries_are_put_together() {
    let kind = metadata("s", MetricKind::Summary);
    let row = |name: &str, more: &[(&str, &str)], value| sample(name, more, value, kind.clone());
    let rows = vec![
        row("s", &[("quantile", "0.9")], 9.0),
        row("s", &[("quantile", "0.5")], 5.0),
        row("s_sum", &[], 100.0),
        row("s_count", &[], 10.0),
    ];
    let Some(Data::Summary(summary)) = only(translate(rows)).data else { panic!() };
    let point = &summary.data_points[0];
    let quantiles: Vec<_> = point.quantile_values.iter().map(|each| (each.quantile, each.value)).collect();
    assert_eq!((point.count, point.sum, quantiles), (10, 100.0, vec![(0.5, 5.0), (0.9, 9.0)]));
}

#[test]
fn infos_describe_resource_and_scope() {
    let scope = [("otel_scope_name", "lib"), ("otel_scope_version", "1")];
    let with = |more: &[(&'static str, &'static str)]| scope.iter().chain(more).copied().collect::<Vec<_>>();
    let translated = translate(vec![
        sample("m", &with(&[("l", "v")]), 1.0, None),
        sample("n", &[], 1.0, None),
        sample("target_info", &[("region", "eu")], 1.0, None),
        sample("otel_scope_info", &with(&[("team", "x")]), 1.0, None),
    ]);
    assert_eq!(translated.points, 2);
    let entry = &translated.request.resource_metrics[0];
    assert_eq!(
        text(&entry.resource.as_ref().unwrap().attributes),
        "service.name=j,service.instance.id=host:80,server.address=host,server.port=80,region=eu"
    );
    let scopes: Vec<_> = entry.scope_metrics.iter().map(|scope| scope.scope.clone().unwrap()).collect();
    assert_eq!((scopes[0].name.as_str(), scopes[0].version.as_str()), ("lib", "1"));
    assert_eq!(text(&scopes[0].attributes), "team=x");
    assert_eq!(scopes[1].name, "otelcol/prometheusreceiver");
    let alone = translate(vec![sample("target_info", &[("region", "eu")], 1.0, None)]);
    assert!(alone.request.resource_metrics.is_empty());
}

#[test]
fn what_target_info_told_is_remembered_until_it_ends() {
    let mut translator = Translator::default();
    let mut resource = |rows: Vec<Sample>| {
        let translated = translator.translate(&Samples::new(rows));
        text(&translated.request.resource_metrics[0].resource.as_ref().unwrap().attributes)
    };
    let (info, other) = (sample("target_info", &[("region", "eu")], 1.0, None), || sample("m", &[], 1.0, None));
    assert!(resource(vec![other(), info]).ends_with(",region=eu"));
    assert!(resource(vec![other()]).ends_with(",region=eu"));
    assert!(!resource(vec![sample("target_info", &[("region", "eu")], STALE, None), other()]).contains("region"));
}

fn native(schema: i32, spans: Vec<Span>, values: Vec<i64>, custom_values: Vec<f64>) -> Histogram {
    let mut count = 0;
    let total: i64 = values
        .iter()
        .map(|difference| {
            count += difference;
            count
        })
        .sum();
    let positive = Buckets { spans, values };
    let counts = Counts::Integer { count: total as u64, zero: 0, positive, negative: Buckets::default() };
    Histogram { schema, zero_threshold: 1e-128, sum: 3.5, counts, custom_values, reset_hint: ResetHint::Unknown }
}

fn histogram_sample(histogram: Histogram) -> Sample {
    let value = SampleValue::Histogram(Arc::new(histogram));
    Sample { value, ..sample("h", &[], 0.0, metadata("h", MetricKind::Histogram)) }
}

#[test]
fn native_histograms_are_exponential_or_have_given_buckets() {
    let spans = vec![Span { offset: 0, length: 2 }, Span { offset: 2, length: 1 }];
    let metric = only(translate(vec![histogram_sample(native(3, spans.clone(), vec![1, 1, 2], Vec::new()))]));
    let Some(Data::ExponentialHistogram(histogram)) = metric.data else { panic!() };
    let point = &histogram.data_points[0];
    let positive = point.positive.clone().unwrap();
    assert_eq!((point.scale, point.count, point.sum), (3, 7, Some(3.5)));
    assert_eq!((positive.offset, positive.bucket_counts), (-1, vec![1, 2, 0, 0, 4]));
    let custom = native(-53, vec![Span { offset: 1, length: 2 }], vec![2, 1], vec![0.1, 0.5, 1.0]);
    let Some(Data::Histogram(histogram)) = only(translate(vec![histogram_sample(custom)])).data else { panic!() };
    assert_eq!(histogram.data_points[0].bucket_counts, [0, 2, 3, 0]);
    let broken = native(3, spans, vec![1], Vec::new());
    assert_eq!(translate(vec![histogram_sample(broken)]).incomplete, 1);
}

#[test]
fn buckets_far_apart_cost_resolution_and_not_memory() {
    let spans = vec![Span { offset: -1_000_000_000, length: 1 }, Span { offset: 2_000_000_000, length: 1 }];
    let metric = only(translate(vec![histogram_sample(native(8, spans, vec![1, 0], Vec::new()))]));
    let Some(Data::ExponentialHistogram(histogram)) = metric.data else { panic!() };
    let positive = histogram.data_points[0].positive.clone().unwrap();
    assert!(positive.bucket_counts.len() <= 16_384);
    assert_eq!(positive.bucket_counts.iter().sum::<u64>(), 2);
}

/// Samples to OTLP and back.
fn round_trip(rows: &[Sample]) -> Vec<Sample> {
    let translated = Translator::default().translate(&Samples::new(rows.to_vec()));
    let bytes = Message::Metrics(translated.request).encode();
    assert_eq!(check(SignalKind::Metrics, &bytes).unwrap().items, translated.points);
    let batch = Batch::new(SignalKind::Metrics, bytes.into(), translated.points);
    let args = OtlpToSamplesArguments {
        include_target_info: false,
        add_metric_suffixes: false,
        honor_metadata: true,
        ..Default::default()
    };
    let now = Now { wall: 0, instant: Instant::now() };
    Converter::default().convert(&args, &batch, now).rows
}

fn by_labels(rows: &[Sample]) -> Vec<(String, i64, i64, SampleValue)> {
    let mut all: Vec<_> =
        rows.iter().map(|row| (row.labels.to_string(), row.timestamp, row.start, row.value.clone())).collect();
    all.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    all
}

/// A family of series that belong together, with values that make sense.
fn family() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![Just(STALE), any::<f64>().prop_filter("a number", |value| !value.is_nan())];
    let at = (1i64..1_000_000, 0i64..1000);
    let simple = (0usize..3, value, "[a-z]{0,3}", at.clone()).prop_map(|(kind, value, label, (time, start))| {
        let (name, kind, start) =
            [("c_total", MetricKind::Counter, start), ("g", MetricKind::Gauge, 0), ("u", MetricKind::Unknown, 0)][kind];
        vec![Sample { timestamp: time, start, ..sample(name, &[("l", &label)], value, metadata(name, kind)) }]
    });
    let counts = prop::collection::vec(0u32..1000, 1..6);
    let classic = (counts, at.clone(), any::<bool>()).prop_map(|(counts, (time, start), stale)| {
        let kind = metadata("h", MetricKind::Histogram);
        let value = |value: f64| if stale { STALE } else { value };
        let row = |name: &str, more: &[(&str, &str)], number: f64| Sample {
            timestamp: time,
            start,
            ..sample(name, more, value(number), kind.clone())
        };
        let all: u32 = counts.iter().sum();
        let mut rows = vec![row("h_count", &[], f64::from(all)), row("h_bucket", &[("le", "+Inf")], f64::from(all))];
        if !stale {
            rows.push(row("h_sum", &[], 1.5));
        }
        let mut below = 0;
        for (bound, count) in counts.iter().enumerate().take(counts.len() - 1) {
            below += count;
            rows.push(row("h_bucket", &[("le", &bound.to_string())], f64::from(below)));
        }
        rows
    });
    let native = (-4i32..=8, -50i32..50, prop::collection::vec(1i64..100, 1..12), at).prop_map(
        |(schema, offset, counts, (time, start))| {
            let mut before = 0;
            let differences = counts
                .iter()
                .map(|count| {
                    let difference = count - before;
                    before = *count;
                    difference
                })
                .collect();
            let spans = vec![Span { offset, length: u32::try_from(counts.len()).unwrap() }];
            let histogram = native(schema, spans, differences, Vec::new());
            vec![Sample { timestamp: time, start, ..histogram_sample(histogram) }]
        },
    );
    prop_oneof![simple, classic, native]
}

proptest! {
    /// Samples → OTLP → samples keeps series, times and values.
    #[test]
    fn the_way_there_and_back_changes_nothing(rows in family()) {
        prop_assert_eq!(by_labels(&round_trip(&rows)), by_labels(&rows));
    }

    /// Nothing that can be in a sample panics, and what comes out may travel.
    #[test]
    fn hostile_samples_do_not_panic(
        names in prop::collection::vec(("[a-z_]{0,8}(_total|_bucket|_sum|_count|_created)?", 0usize..8, any::<f64>(), any::<i64>()), 0..12),
        bounds in prop::collection::vec(".{0,4}", 12),
        offset in any::<i32>(), length in 0u32..4, schema in any::<i32>(), differences in prop::collection::vec(any::<i64>(), 0..4),
        custom in prop::collection::vec(any::<f64>(), 0..4),
    ) {
        let mut rows: Vec<Sample> = names.iter().zip(&bounds).map(|((name, kind, value, time), bound)| Sample {
            timestamp: *time,
            start: time.wrapping_mul(3),
            ..sample(name, &[("le", bound), ("quantile", bound)], *value, metadata("a", MetricKind::ALL[*kind]))
        }).collect();
        for schema in [schema, -53, 3] {
            let positive = Buckets { spans: vec![Span { offset, length }, Span { offset, length }], values: differences.clone() };
            let counts = Counts::Integer { count: u64::MAX, zero: 1, positive: positive.clone(), negative: positive };
            rows.push(histogram_sample(Histogram {
                schema, zero_threshold: f64::NAN, sum: f64::INFINITY, counts, custom_values: custom.clone(), reset_hint: ResetHint::Gauge,
            }));
        }
        round_trip(&rows);
    }
}
