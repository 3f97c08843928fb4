//! Random OTLP requests, and what they hold item by item.

use corten_proto::otlp::collector::*;
use corten_proto::otlp::common::*;
use corten_proto::otlp::logs::*;
use corten_proto::otlp::metrics::*;
use corten_proto::otlp::profiles::*;
use corten_proto::otlp::resource::*;
use corten_proto::otlp::trace::*;
use corten_signal::otlp::{Message, SignalKind};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.]{0,12}", "[ -~]{120,140}", any::<String>()]
}

fn id(len: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => Just(vec![]), 4 => vec(any::<u8>(), len)]
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e300)]
        .prop_map(|number| if number.is_nan() { f64::NAN } else { number })
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    use any_value::Value::*;
    let leaf = prop_oneof![
        text().prop_map(StringValue),
        any::<bool>().prop_map(BoolValue),
        any::<i64>().prop_map(IntValue),
        double().prop_map(DoubleValue),
        vec(any::<u8>(), 0..9).prop_map(BytesValue),
        any::<i32>().prop_map(StringValueStrindex),
    ];
    let leaf = option::weighted(0.95, leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| AnyValue { value: Some(ArrayValue(array(values))) }),
            vec((text(), inner), 0..3).prop_map(|pairs| {
                let values = pairs
                    .into_iter()
                    .map(|(key, value)| KeyValue { key, value: Some(value), key_strindex: 0 })
                    .collect();
                AnyValue { value: Some(KvlistValue(KeyValueList { values })) }
            }),
        ]
    })
}

fn array(values: Vec<AnyValue>) -> corten_proto::otlp::common::ArrayValue {
    corten_proto::otlp::common::ArrayValue { values }
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let one = (text(), option::weighted(0.9, any_value()), prop_oneof![9 => Just(0), 1 => any::<i32>()]);
    vec(one.prop_map(|(key, value, key_strindex)| KeyValue { key, value, key_strindex }), 0..4)
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    let entity = (text(), text(), vec(text(), 0..3)).prop_map(|(schema_url, r#type, id_keys)| EntityRef {
        schema_url,
        r#type,
        description_keys: id_keys.clone(),
        id_keys,
    });
    let resource = (attributes(), any::<u32>(), vec(entity, 0..2)).prop_map(
        |(attributes, dropped_attributes_count, entity_refs)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs,
        },
    );
    option::of(resource)
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    let scope = (text(), text(), attributes(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    );
    option::of(scope)
}

fn span() -> impl Strategy<Value = Span> {
    let event = (any::<u64>(), text(), attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| span::Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    );
    let link = (id(16), id(8), text(), attributes(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, flags)| span::Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count: flags >> 1,
            flags,
        },
    );
    let status = option::of((text(), 0..4i32).prop_map(|(message, code)| Status { message, code }));
    (
        (id(16), id(8), id(8), text(), text()),
        (-1..9i32, any::<u64>(), any::<u64>(), any::<u32>()),
        (attributes(), vec(event, 0..3), vec(link, 0..3), status),
    )
        .prop_map(|(ids, numbers, lists)| Span {
            trace_id: ids.0,
            span_id: ids.1,
            parent_span_id: ids.2,
            trace_state: ids.3,
            name: ids.4,
            kind: numbers.0,
            start_time_unix_nano: numbers.1,
            end_time_unix_nano: numbers.2,
            flags: numbers.3,
            dropped_attributes_count: numbers.3 / 3,
            dropped_events_count: numbers.3 / 5,
            dropped_links_count: numbers.3 / 7,
            attributes: lists.0,
            events: lists.1,
            links: lists.2,
            status: lists.3,
        })
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    use exemplar::Value::*;
    let value = option::of(prop_oneof![double().prop_map(AsDouble), any::<i64>().prop_map(AsInt)]);
    let one = (attributes(), any::<u64>(), id(8), id(16), value).prop_map(
        |(filtered_attributes, time_unix_nano, span_id, trace_id, value)| Exemplar {
            filtered_attributes,
            time_unix_nano,
            span_id,
            trace_id,
            value,
        },
    );
    vec(one, 0..3)
}

fn number_points() -> impl Strategy<Value = Vec<NumberDataPoint>> {
    use number_data_point::Value::*;
    let value = option::of(prop_oneof![double().prop_map(AsDouble), any::<i64>().prop_map(AsInt)]);
    let one = (attributes(), any::<u64>(), any::<u64>(), exemplars(), any::<u32>(), value).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, exemplars, flags, value)| NumberDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            exemplars,
            flags,
            value,
        },
    );
    vec(one, 0..4)
}

fn histogram_points() -> impl Strategy<Value = Vec<HistogramDataPoint>> {
    let one = (
        (attributes(), any::<u64>(), any::<u64>(), any::<u64>(), exemplars(), any::<u32>()),
        (option::of(double()), option::of(double()), vec(any::<u64>(), 0..5), vec(double(), 0..4)),
    );
    let one = one.prop_map(|(common, own)| HistogramDataPoint {
        attributes: common.0,
        start_time_unix_nano: common.1,
        time_unix_nano: common.2,
        count: common.3,
        exemplars: common.4,
        flags: common.5,
        sum: own.0,
        min: own.1,
        max: own.1,
        bucket_counts: own.2,
        explicit_bounds: own.3,
    });
    vec(one, 0..4)
}

fn exponential_points() -> impl Strategy<Value = Vec<ExponentialHistogramDataPoint>> {
    use exponential_histogram_data_point::Buckets;
    let buckets = || {
        let one = (any::<i32>(), vec(any::<u64>(), 0..5));
        option::of(one.prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }))
    };
    let one = (
        (attributes(), any::<u64>(), any::<u64>(), any::<u64>(), exemplars(), any::<u32>()),
        (option::of(double()), any::<i32>(), any::<u64>(), buckets(), buckets(), double()),
    );
    let one = one.prop_map(|(common, own)| ExponentialHistogramDataPoint {
        attributes: common.0,
        start_time_unix_nano: common.1,
        time_unix_nano: common.2,
        count: common.3,
        exemplars: common.4,
        flags: common.5,
        sum: own.0,
        min: own.0,
        max: own.0,
        scale: own.1,
        zero_count: own.2,
        positive: own.3,
        negative: own.4,
        zero_threshold: own.5,
    });
    vec(one, 0..4)
}

fn summary_points() -> impl Strategy<Value = Vec<SummaryDataPoint>> {
    use summary_data_point::ValueAtQuantile;
    let quantile = (double(), double()).prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    let one = (attributes(), any::<u64>(), any::<u64>(), double(), vec(quantile, 0..4), any::<u32>()).prop_map(
        |(attributes, time, count, sum, quantile_values, flags)| SummaryDataPoint {
            attributes,
            start_time_unix_nano: time / 2,
            time_unix_nano: time,
            count,
            sum,
            quantile_values,
            flags,
        },
    );
    vec(one, 0..4)
}

fn metric() -> impl Strategy<Value = Metric> {
    use metric::Data;
    let data = prop_oneof![
        number_points().prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (number_points(), 0..3i32, any::<bool>()).prop_map(|(data_points, aggregation_temporality, is_monotonic)| {
            Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
        }),
        (histogram_points(), 0..3i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        (exponential_points(), 0..3i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        summary_points().prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    (text(), text(), text(), attributes(), option::weighted(0.95, data))
        .prop_map(|(name, description, unit, metadata, data)| Metric { name, description, unit, metadata, data })
}

fn log_record() -> impl Strategy<Value = LogRecord> {
    (
        (any::<u64>(), any::<u64>(), -1..26i32, text(), text()),
        (option::of(any_value()), attributes(), any::<u32>(), id(16), id(8)),
    )
        .prop_map(|(head, rest)| LogRecord {
            time_unix_nano: head.0,
            observed_time_unix_nano: head.1,
            severity_number: head.2,
            severity_text: head.3,
            event_name: head.4,
            body: rest.0,
            attributes: rest.1,
            dropped_attributes_count: rest.2 / 2,
            flags: rest.2,
            trace_id: rest.3,
            span_id: rest.4,
        })
}

fn profile() -> impl Strategy<Value = Profile> {
    let sample = (any::<i32>(), vec(any::<i32>(), 0..3), vec(any::<i64>(), 0..3), vec(any::<u64>(), 0..3)).prop_map(
        |(stack_index, attribute_indices, values, timestamps_unix_nano)| Sample {
            stack_index,
            link_index: stack_index / 2,
            attribute_indices,
            values,
            timestamps_unix_nano,
        },
    );
    let value_type = || {
        let one = (any::<i32>(), any::<i32>());
        option::of(one.prop_map(|(type_strindex, unit_strindex)| ValueType { type_strindex, unit_strindex }))
    };
    (value_type(), vec(sample, 0..4), any::<u64>(), any::<i64>(), id(16), text(), vec(any::<u8>(), 0..9)).prop_map(
        |(sample_type, samples, time_unix_nano, period, profile_id, original_payload_format, original_payload)| {
            Profile {
                sample_type,
                period_type: sample_type,
                samples,
                time_unix_nano,
                duration_nano: time_unix_nano / 3,
                period,
                profile_id,
                dropped_attributes_count: time_unix_nano as u32,
                original_payload_format,
                original_payload,
                attribute_indices: vec![1, -1],
            }
        },
    )
}

fn dictionary() -> impl Strategy<Value = Option<ProfilesDictionary>> {
    let dictionary = (any::<u64>(), any::<i32>(), vec(text(), 0..3), any_value(), id(16), id(8)).prop_map(
        |(long, index, string_table, value, trace_id, span_id)| ProfilesDictionary {
            mapping_table: vec![Mapping {
                memory_start: long,
                memory_limit: long / 2,
                file_offset: long / 3,
                filename_strindex: index,
                attribute_indices: vec![index],
            }],
            location_table: vec![Location {
                mapping_index: index,
                address: long,
                lines: vec![Line { function_index: index, line: long as i64, column: 1 }],
                attribute_indices: vec![],
            }],
            function_table: vec![Function {
                name_strindex: index,
                system_name_strindex: 1,
                filename_strindex: 2,
                start_line: long as i64,
            }],
            link_table: vec![Link { trace_id, span_id }],
            string_table,
            attribute_table: vec![KeyValueAndUnit { key_strindex: index, value: Some(value), unit_strindex: 3 }],
            stack_table: vec![Stack { location_indices: vec![0, index] }],
        },
    );
    option::of(dictionary)
}

/// A request of a signal.
pub(crate) fn request(kind: SignalKind) -> BoxedStrategy<Message> {
    macro_rules! request {
        ($item:expr, $scope:ident { $items:ident }, $resource:ident { $scopes:ident }) => {
            vec(
                (resource(), text(), vec((scope(), text(), vec($item, 0..4)), 0..3)).prop_map(
                    |(resource, schema_url, scopes)| {
                        let scope = |(scope, schema_url, $items)| $scope { scope, $items, schema_url };
                        $resource { resource, $scopes: scopes.into_iter().map(scope).collect(), schema_url }
                    },
                ),
                0..4,
            )
        };
    }
    match kind {
        SignalKind::Traces => request!(span(), ScopeSpans { spans }, ResourceSpans { scope_spans })
            .prop_map(|resource_spans| Message::Traces(ExportTraceServiceRequest { resource_spans }))
            .boxed(),
        SignalKind::Metrics => request!(metric(), ScopeMetrics { metrics }, ResourceMetrics { scope_metrics })
            .prop_map(|resource_metrics| Message::Metrics(ExportMetricsServiceRequest { resource_metrics }))
            .boxed(),
        SignalKind::Logs => request!(log_record(), ScopeLogs { log_records }, ResourceLogs { scope_logs })
            .prop_map(|resource_logs| Message::Logs(ExportLogsServiceRequest { resource_logs }))
            .boxed(),
        SignalKind::Profiles => {
            (request!(profile(), ScopeProfiles { profiles }, ResourceProfiles { scope_profiles }), dictionary())
                .prop_map(|(resource_profiles, dictionary)| {
                    Message::Profiles(ExportProfilesServiceRequest { resource_profiles, dictionary })
                })
                .boxed()
        }
    }
}

/// A request of any signal.
pub(crate) fn any_request() -> impl Strategy<Value = Message> {
    prop::sample::select(SignalKind::ALL.to_vec()).prop_flat_map(request)
}

/// Every item with all that encloses it, encoded, in order.
pub(crate) fn items(message: &Message) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    macro_rules! walk {
        ($resources:expr, $scopes:ident, $items:ident, |$around:ident, $item:ident| $each:expr) => {
            for resource in $resources {
                let mut around_resource = resource.clone();
                around_resource.$scopes.clear();
                for scope in &resource.$scopes {
                    let mut around_scope = scope.clone();
                    around_scope.$items.clear();
                    let $around = [around_resource.encode_to_vec(), around_scope.encode_to_vec()].concat();
                    for $item in &scope.$items {
                        $each;
                    }
                }
            }
        };
    }
    match message {
        Message::Traces(request) => walk!(&request.resource_spans, scope_spans, spans, |around, span| {
            found.push([around.clone(), span.encode_to_vec()].concat())
        }),
        Message::Logs(request) => walk!(&request.resource_logs, scope_logs, log_records, |around, record| {
            found.push([around.clone(), record.encode_to_vec()].concat())
        }),
        Message::Metrics(request) => walk!(&request.resource_metrics, scope_metrics, metrics, |around, metric| {
            for point in points(metric) {
                found.push([around.clone(), point].concat());
            }
        }),
        Message::Profiles(request) => {
            let dictionary = request.dictionary.as_ref().map(|dictionary| dictionary.encode_to_vec());
            walk!(&request.resource_profiles, scope_profiles, profiles, |around, profile| {
                let mut around_profile = profile.clone();
                around_profile.samples.clear();
                for sample in &profile.samples {
                    let dictionary = dictionary.clone().unwrap_or_default();
                    let parts = [dictionary, around.clone(), around_profile.encode_to_vec(), sample.encode_to_vec()];
                    found.push(parts.concat());
                }
            });
        }
    }
    found
}

/// The points of a metric, each as the metric with that point alone.
fn points(metric: &Metric) -> Vec<Vec<u8>> {
    use metric::Data;
    macro_rules! each {
        ($data:expr, $variant:ident) => {{
            let mut alone = $data.clone();
            let points = std::mem::take(&mut alone.data_points);
            let one = |point| {
                let mut alone = alone.clone();
                alone.data_points = vec![point];
                Metric { data: Some(Data::$variant(alone)), ..metric.clone() }.encode_to_vec()
            };
            points.into_iter().map(one).collect()
        }};
    }
    match &metric.data {
        None => vec![],
        Some(Data::Gauge(data)) => each!(data, Gauge),
        Some(Data::Sum(data)) => each!(data, Sum),
        Some(Data::Histogram(data)) => each!(data, Histogram),
        Some(Data::ExponentialHistogram(data)) => each!(data, ExponentialHistogram),
        Some(Data::Summary(data)) => each!(data, Summary),
    }
}
