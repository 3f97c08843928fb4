//! The tables, message by message.

use super::enums::{SEVERITY, SPAN_KIND, STATUS_CODE, TEMPORALITY};
use super::{Field, Presence, Role, Type, camel, camel_len, messages, text};

messages! {
    TRACES = Container "ExportTraceServiceRequest" {
        1 "resource_spans" Repeated Message(&RESOURCE_SPANS),
    }
    METRICS = Container "ExportMetricsServiceRequest" {
        1 "resource_metrics" Repeated Message(&RESOURCE_METRICS),
    }
    LOGS = Container "ExportLogsServiceRequest" {
        1 "resource_logs" Repeated Message(&RESOURCE_LOGS),
    }
    PROFILES = Container "ExportProfilesServiceRequest" {
        1 "resource_profiles" Repeated Message(&RESOURCE_PROFILES),
        2 "dictionary" Explicit Message(&PROFILES_DICTIONARY),
    }

    ANY_VALUE = Plain "AnyValue" {
        1 "string_value" Oneof String,
        2 "bool_value" Oneof Bool,
        3 "int_value" Oneof Int64,
        4 "double_value" Oneof Double,
        5 "array_value" Oneof Message(&ARRAY_VALUE),
        6 "kvlist_value" Oneof Message(&KEY_VALUE_LIST),
        7 "bytes_value" Oneof Bytes,
        8 "string_value_strindex" Oneof Int32,
    }
    ARRAY_VALUE = Plain "ArrayValue" {
        1 "values" Repeated Message(&ANY_VALUE),
    }
    KEY_VALUE_LIST = Plain "KeyValueList" {
        1 "values" Repeated Message(&KEY_VALUE),
    }
    KEY_VALUE = Plain "KeyValue" {
        1 "key" Implicit String,
        2 "value" Explicit Message(&ANY_VALUE),
        3 "key_strindex" Implicit Int32,
    }
    SCOPE = Plain "InstrumentationScope" {
        1 "name" Implicit String,
        2 "version" Implicit String,
        3 "attributes" Repeated Message(&KEY_VALUE),
        4 "dropped_attributes_count" Implicit Uint32,
    }
    ENTITY_REF = Plain "EntityRef" {
        1 "schema_url" Implicit String,
        2 "type" Implicit String,
        3 "id_keys" Repeated String,
        4 "description_keys" Repeated String,
    }
    RESOURCE = Plain "Resource" {
        1 "attributes" Repeated Message(&KEY_VALUE),
        2 "dropped_attributes_count" Implicit Uint32,
        3 "entity_refs" Repeated Message(&ENTITY_REF),
    }

    RESOURCE_SPANS = Container "ResourceSpans" {
        1 "resource" Explicit Message(&RESOURCE),
        2 "scope_spans" Repeated Message(&SCOPE_SPANS),
        3 "schema_url" Implicit String,
    }
    SCOPE_SPANS = Container "ScopeSpans" {
        1 "scope" Explicit Message(&SCOPE),
        2 "spans" Repeated Message(&SPAN),
        3 "schema_url" Implicit String,
    }
    SPAN = Item "Span" {
        1 "trace_id" Implicit Id(16),
        2 "span_id" Implicit Id(8),
        3 "trace_state" Implicit String,
        4 "parent_span_id" Implicit Id(8),
        5 "name" Implicit String,
        6 "kind" Implicit Enum(&SPAN_KIND),
        7 "start_time_unix_nano" Implicit Fixed64,
        8 "end_time_unix_nano" Implicit Fixed64,
        9 "attributes" Repeated Message(&KEY_VALUE),
        10 "dropped_attributes_count" Implicit Uint32,
        11 "events" Repeated Message(&EVENT),
        12 "dropped_events_count" Implicit Uint32,
        13 "links" Repeated Message(&LINK),
        14 "dropped_links_count" Implicit Uint32,
        15 "status" Explicit Message(&STATUS),
        16 "flags" Implicit Fixed32,
    }
    EVENT = Plain "Event" {
        1 "time_unix_nano" Implicit Fixed64,
        2 "name" Implicit String,
        3 "attributes" Repeated Message(&KEY_VALUE),
        4 "dropped_attributes_count" Implicit Uint32,
    }
    LINK = Plain "Link" {
        1 "trace_id" Implicit Id(16),
        2 "span_id" Implicit Id(8),
        3 "trace_state" Implicit String,
        4 "attributes" Repeated Message(&KEY_VALUE),
        5 "dropped_attributes_count" Implicit Uint32,
        6 "flags" Implicit Fixed32,
    }
    STATUS = Plain "Status" {
        2 "message" Implicit String,
        3 "code" Implicit Enum(&STATUS_CODE),
    }

    RESOURCE_METRICS = Container "ResourceMetrics" {
        1 "resource" Explicit Message(&RESOURCE),
        2 "scope_metrics" Repeated Message(&SCOPE_METRICS),
        3 "schema_url" Implicit String,
    }
    SCOPE_METRICS = Container "ScopeMetrics" {
        1 "scope" Explicit Message(&SCOPE),
        2 "metrics" Repeated Message(&METRIC),
        3 "schema_url" Implicit String,
    }
    METRIC = Container "Metric" {
        1 "name" Implicit String,
        2 "description" Implicit String,
        3 "unit" Implicit String,
        5 "gauge" Oneof Message(&GAUGE),
        7 "sum" Oneof Message(&SUM),
        9 "histogram" Oneof Message(&HISTOGRAM),
        10 "exponential_histogram" Oneof Message(&EXPONENTIAL_HISTOGRAM),
        11 "summary" Oneof Message(&SUMMARY),
        12 "metadata" Repeated Message(&KEY_VALUE),
    }
    GAUGE = Container "Gauge" {
        1 "data_points" Repeated Message(&NUMBER_POINT),
    }
    SUM = Container "Sum" {
        1 "data_points" Repeated Message(&NUMBER_POINT),
        2 "aggregation_temporality" Implicit Enum(&TEMPORALITY),
        3 "is_monotonic" Implicit Bool,
    }
    HISTOGRAM = Container "Histogram" {
        1 "data_points" Repeated Message(&HISTOGRAM_POINT),
        2 "aggregation_temporality" Implicit Enum(&TEMPORALITY),
    }
    EXPONENTIAL_HISTOGRAM = Container "ExponentialHistogram" {
        1 "data_points" Repeated Message(&EXPONENTIAL_POINT),
        2 "aggregation_temporality" Implicit Enum(&TEMPORALITY),
    }
    SUMMARY = Container "Summary" {
        1 "data_points" Repeated Message(&SUMMARY_POINT),
    }
    NUMBER_POINT = Item "NumberDataPoint" {
        2 "start_time_unix_nano" Implicit Fixed64,
        3 "time_unix_nano" Implicit Fixed64,
        4 "as_double" Oneof Double,
        5 "exemplars" Repeated Message(&EXEMPLAR),
        6 "as_int" Oneof Sfixed64,
        7 "attributes" Repeated Message(&KEY_VALUE),
        8 "flags" Implicit Uint32,
    }
    HISTOGRAM_POINT = Item "HistogramDataPoint" {
        2 "start_time_unix_nano" Implicit Fixed64,
        3 "time_unix_nano" Implicit Fixed64,
        4 "count" Implicit Fixed64,
        5 "sum" Explicit Double,
        6 "bucket_counts" Repeated Fixed64,
        7 "explicit_bounds" Repeated Double,
        8 "exemplars" Repeated Message(&EXEMPLAR),
        9 "attributes" Repeated Message(&KEY_VALUE),
        10 "flags" Implicit Uint32,
        11 "min" Explicit Double,
        12 "max" Explicit Double,
    }
    EXPONENTIAL_POINT = Item "ExponentialHistogramDataPoint" {
        1 "attributes" Repeated Message(&KEY_VALUE),
        2 "start_time_unix_nano" Implicit Fixed64,
        3 "time_unix_nano" Implicit Fixed64,
        4 "count" Implicit Fixed64,
        5 "sum" Explicit Double,
        6 "scale" Implicit Sint32,
        7 "zero_count" Implicit Fixed64,
        8 "positive" Explicit Message(&BUCKETS),
        9 "negative" Explicit Message(&BUCKETS),
        10 "flags" Implicit Uint32,
        11 "exemplars" Repeated Message(&EXEMPLAR),
        12 "min" Explicit Double,
        13 "max" Explicit Double,
        14 "zero_threshold" Implicit Double,
    }
    BUCKETS = Plain "Buckets" {
        1 "offset" Implicit Sint32,
        2 "bucket_counts" Repeated Uint64,
    }
    SUMMARY_POINT = Item "SummaryDataPoint" {
        2 "start_time_unix_nano" Implicit Fixed64,
        3 "time_unix_nano" Implicit Fixed64,
        4 "count" Implicit Fixed64,
        5 "sum" Implicit Double,
        6 "quantile_values" Repeated Message(&VALUE_AT_QUANTILE),
        7 "attributes" Repeated Message(&KEY_VALUE),
        8 "flags" Implicit Uint32,
    }
    VALUE_AT_QUANTILE = Plain "ValueAtQuantile" {
        1 "quantile" Implicit Double,
        2 "value" Implicit Double,
    }
    EXEMPLAR = Plain "Exemplar" {
        2 "time_unix_nano" Implicit Fixed64,
        3 "as_double" Oneof Double,
        4 "span_id" Implicit Id(8),
        5 "trace_id" Implicit Id(16),
        6 "as_int" Oneof Sfixed64,
        7 "filtered_attributes" Repeated Message(&KEY_VALUE),
    }

    RESOURCE_LOGS = Container "ResourceLogs" {
        1 "resource" Explicit Message(&RESOURCE),
        2 "scope_logs" Repeated Message(&SCOPE_LOGS),
        3 "schema_url" Implicit String,
    }
    SCOPE_LOGS = Container "ScopeLogs" {
        1 "scope" Explicit Message(&SCOPE),
        2 "log_records" Repeated Message(&LOG_RECORD),
        3 "schema_url" Implicit String,
    }
    LOG_RECORD = Item "LogRecord" {
        1 "time_unix_nano" Implicit Fixed64,
        2 "severity_number" Implicit Enum(&SEVERITY),
        3 "severity_text" Implicit String,
        5 "body" Explicit Message(&ANY_VALUE),
        6 "attributes" Repeated Message(&KEY_VALUE),
        7 "dropped_attributes_count" Implicit Uint32,
        8 "flags" Implicit Fixed32,
        9 "trace_id" Implicit Id(16),
        10 "span_id" Implicit Id(8),
        11 "observed_time_unix_nano" Implicit Fixed64,
        12 "event_name" Implicit String,
    }

    RESOURCE_PROFILES = Container "ResourceProfiles" {
        1 "resource" Explicit Message(&RESOURCE),
        2 "scope_profiles" Repeated Message(&SCOPE_PROFILES),
        3 "schema_url" Implicit String,
    }
    SCOPE_PROFILES = Container "ScopeProfiles" {
        1 "scope" Explicit Message(&SCOPE),
        2 "profiles" Repeated Message(&PROFILE),
        3 "schema_url" Implicit String,
    }
    PROFILE = Container "Profile" {
        1 "sample_type" Explicit Message(&VALUE_TYPE),
        2 "samples" Repeated Message(&SAMPLE),
        3 "time_unix_nano" Implicit Fixed64,
        4 "duration_nano" Implicit Uint64,
        5 "period_type" Explicit Message(&VALUE_TYPE),
        6 "period" Implicit Int64,
        7 "profile_id" Implicit Id(16),
        8 "dropped_attributes_count" Implicit Uint32,
        9 "original_payload_format" Implicit String,
        10 "original_payload" Implicit Bytes,
        11 "attribute_indices" Repeated Int32,
    }
    SAMPLE = Item "Sample" {
        1 "stack_index" Implicit Int32,
        2 "attribute_indices" Repeated Int32,
        3 "link_index" Implicit Int32,
        4 "values" Repeated Int64,
        5 "timestamps_unix_nano" Repeated Fixed64,
    }
    VALUE_TYPE = Plain "ValueType" {
        1 "type_strindex" Implicit Int32,
        2 "unit_strindex" Implicit Int32,
    }
    PROFILES_DICTIONARY = Plain "ProfilesDictionary" {
        1 "mapping_table" Repeated Message(&MAPPING),
        2 "location_table" Repeated Message(&LOCATION),
        3 "function_table" Repeated Message(&FUNCTION),
        4 "link_table" Repeated Message(&PROFILE_LINK),
        5 "string_table" Repeated String,
        6 "attribute_table" Repeated Message(&KEY_VALUE_AND_UNIT),
        7 "stack_table" Repeated Message(&STACK),
    }
    MAPPING = Plain "Mapping" {
        1 "memory_start" Implicit Uint64,
        2 "memory_limit" Implicit Uint64,
        3 "file_offset" Implicit Uint64,
        4 "filename_strindex" Implicit Int32,
        5 "attribute_indices" Repeated Int32,
    }
    LOCATION = Plain "Location" {
        1 "mapping_index" Implicit Int32,
        2 "address" Implicit Uint64,
        3 "lines" Repeated Message(&LINE),
        4 "attribute_indices" Repeated Int32,
    }
    LINE = Plain "Line" {
        1 "function_index" Implicit Int32,
        2 "line" Implicit Int64,
        3 "column" Implicit Int64,
    }
    FUNCTION = Plain "Function" {
        1 "name_strindex" Implicit Int32,
        2 "system_name_strindex" Implicit Int32,
        3 "filename_strindex" Implicit Int32,
        4 "start_line" Implicit Int64,
    }
    PROFILE_LINK = Plain "Link" {
        1 "trace_id" Implicit Id(16),
        2 "span_id" Implicit Id(8),
    }
    KEY_VALUE_AND_UNIT = Plain "KeyValueAndUnit" {
        1 "key_strindex" Implicit Int32,
        2 "value" Explicit Message(&ANY_VALUE),
        3 "unit_strindex" Implicit Int32,
    }
    STACK = Plain "Stack" {
        1 "location_indices" Repeated Int32,
    }
}
