//! OTLP/JSON as senders write it, well and badly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corten_proto::otlp::common::any_value::Value;
use corten_proto::otlp::trace::Span;
use corten_signal::otlp::{BodyFormat, Message, PartialSuccess, SignalKind, door, json};

#[track_caller]
fn traces(text: &str) -> Vec<Span> {
    let accepted = door::accept_json(SignalKind::Traces, text.as_bytes()).unwrap();
    let Message::Traces(request) = Message::decode(SignalKind::Traces, accepted.bytes().clone()).unwrap() else {
        panic!()
    };
    request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn with_span(fields: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{}},{{{fields}}}]}}]}}]}}"#)
}

#[track_caller]
fn span(fields: &str) -> Span {
    traces(&with_span(fields)).remove(1)
}

#[track_caller]
fn refused(fields: &str, expected: &str) {
    let error = door::accept_json(SignalKind::Traces, with_span(fields).as_bytes()).unwrap_err();
    let expected = format!("resourceSpans[0].scopeSpans[0].spans[1]{expected}");
    assert!(error.to_string().starts_with(&expected), "{error}\n{expected}");
}

const SHELL_SPAN: &str = r#"{
    "resourceSpans": [{
        "resource": {
            "attributes": [
                {"key": "service.name", "value": {"stringValue": "nixos-tests"}},
                {"key": "test.suite", "value": {"stringValue": "sway-integration"}}
            ]
        },
        "scopeSpans": [{
            "spans": [{
                "traceId": "TRACE",
                "spanId": "00f067aa0ba902b7",
                "name": "test.my_custom_test",
                "kind": 1,
                "startTimeUnixNano": "1700000000000000000",
                "endTimeUnixNano": 1700000000000000001,
                "status": {"code": 1},
                "attributes": [
                    {"key": "test.name", "value": {"stringValue": "my_custom_test"}},
                    {"key": "vm.memory_mb", "value": {"intValue": 2048}}
                ]
            }]
        }]
    }]
}"#;

#[test]
fn a_span_from_a_shell_script() {
    let spans = traces(&SHELL_SPAN.replace("TRACE", "4bf92f3577b34da6a3ce929d0e0e4736"));
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((span.trace_id.len(), span.trace_id[0], span.trace_id[15]), (16, 0x4b, 0x36));
    assert_eq!(
        (span.name.as_str(), span.kind, span.start_time_unix_nano),
        ("test.my_custom_test", 1, 1_700_000_000_000_000_000)
    );
    assert_eq!(span.end_time_unix_nano, 1_700_000_000_000_000_001, "a number above 2^53 is not rounded");
    assert_eq!(span.attributes[1].value.as_ref().unwrap().value, Some(Value::IntValue(2048)));
}

#[test]
fn a_shell_script_that_forgot_to_substitute() {
    let text = SHELL_SPAN.replace("TRACE", "$(openssl rand -hex 16)");
    let error = door::accept_json(SignalKind::Traces, text.as_bytes()).unwrap_err();
    assert_eq!(error.path, "resourceSpans[0].scopeSpans[0].spans[0].traceId");
    assert_eq!(error.message, r#""$(openssl rand -hex 16)" is not an id of 32 hexadecimal digits"#);
    assert!(text[error.offset..].starts_with("\"$(openssl"));
}

#[test]
fn an_empty_object_is_an_empty_request() {
    for kind in SignalKind::ALL {
        for text in ["{}", " {\n} ", r#"{"resourceSpans":[]}"#, r#"{"resourceSpans":null}"#] {
            let accepted = door::accept_json(kind, text.as_bytes()).unwrap();
            assert_eq!((accepted.items(), accepted.bytes().len()), (0, 0));
        }
    }
}

#[test]
fn both_spellings_and_unknown_names() {
    let span = span(
        r#""start_time_unix_nano":"7","parentSpanId":"","future":{"a":[1,{"b":null}],"c":"\u00e9"},"trace_state":"x","Name":"no""#,
    );
    assert_eq!((span.start_time_unix_nano, span.trace_state.as_str(), span.name.as_str()), (7, "x", ""));
}

#[test]
fn numbers_in_all_their_forms() {
    for (text, expected) in [
        ("5", 5),
        ("\"5\"", 5),
        ("5.0", 5),
        ("5e0", 5),
        ("\"18446744073709551615\"", u64::MAX),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(span(&format!(r#""startTimeUnixNano":{text}"#)).start_time_unix_nano, expected);
    }
    for (text, message) in [
        ("-1", "-1 is not between 0 and 18446744073709551615"),
        ("1.5", "\"1.5\" is not an integer"),
        ("\"\"", "\"\" is not an integer"),
        ("\" 5\"", "\" 5\" is not an integer"),
        ("18446744073709551616", "18446744073709551616 is not between"),
        ("true", "expected an integer, found a truth value"),
        ("{}", "expected an integer, found an object"),
        ("01", "this is not a number that JSON allows"),
        ("\"1e400\"", "\"1e400\" is not an integer"),
    ] {
        refused(&format!(r#""startTimeUnixNano":{text}"#), &format!(".startTimeUnixNano: {message}"));
    }
    let attribute = |value: &str| {
        span(&format!(r#""attributes":[{{"key":"k","value":{value}}}]"#)).attributes.remove(0).value.unwrap().value
    };
    assert_eq!(attribute(r#"{"intValue":"-9223372036854775808"}"#), Some(Value::IntValue(i64::MIN)));
    assert_eq!(attribute(r#"{"intValue":0}"#), Some(Value::IntValue(0)), "zero is a value");
    assert_eq!(attribute(r#"{"doubleValue":"-1.5e3"}"#), Some(Value::DoubleValue(-1500.0)));
    assert_eq!(attribute(r#"{"doubleValue":2}"#), Some(Value::DoubleValue(2.0)));
    assert_eq!(attribute(r#"{"doubleValue":"-Infinity"}"#), Some(Value::DoubleValue(f64::NEG_INFINITY)));
    assert!(matches!(attribute(r#"{"doubleValue":"NaN"}"#), Some(Value::DoubleValue(number)) if number.is_nan()));
    assert_eq!(attribute(r#"{"boolValue":false}"#), Some(Value::BoolValue(false)));
    assert_eq!(attribute(r#"{"stringValue":""}"#), Some(Value::StringValue(String::new())));
    assert_eq!(attribute(r#"{"bytesValue":"/+8"}"#), Some(Value::BytesValue(vec![0xff, 0xef])));
    assert_eq!(attribute(r#"{"bytesValue":"_-8="}"#), Some(Value::BytesValue(vec![0xff, 0xef])));
    assert_eq!(attribute("{}"), None);
    refused(
        r#""attributes":[{"value":{"doubleValue":1e999}}]"#,
        ".attributes[0].value.doubleValue: \"1e999\" is not a number that a double can hold",
    );
    refused(r#""attributes":[{"value":{"bytesValue":"*"}}]"#, ".attributes[0].value.bytesValue: this is not base64");
    refused(r#""attributes":[{"value":"text"}]"#, ".attributes[0].value: expected an object, found a string");
    refused(
        r#""attributes":[{"value":{"stringValue":5}}]"#,
        ".attributes[0].value.stringValue: expected a string, found a number",
    );
    refused(r#""attributes":{}"#, ".attributes: expected an array, found an object");
}

#[test]
fn names_of_enumerations() {
    for text in ["2", "\"2\"", "\"SPAN_KIND_SERVER\"", "2.0"] {
        assert_eq!(span(&format!(r#""kind":{text}"#)).kind, 2);
    }
    assert_eq!(span(r#""kind":77"#).kind, 77, "proto3 enumerations are open");
    assert_eq!(span(r#""status":{"code":"STATUS_CODE_ERROR"}"#).status.unwrap().code, 2);
    refused(r#""kind":"SERVER""#, ".kind: \"SERVER\" is not a SpanKind, such as \"SPAN_KIND_INTERNAL\"");
}

#[test]
fn ids_are_hexadecimal() {
    assert_eq!(span(r#""spanId":"00F067aa0ba902B7""#).span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert!(span(r#""traceId":"""#).trace_id.is_empty());
    assert!(span(r#""traceId":null"#).trace_id.is_empty());
    refused(r#""spanId":"00f067aa0ba902b""#, ".spanId: \"00f067aa0ba902b\" is not an id of 16 hexadecimal digits");
    refused(r#""spanId":"S/kvNXezTaY=""#, ".spanId: \"S/kvNXezTaY=\" is not an id");
    refused(r#""traceId":"éééééééééééééééé""#, ".traceId: ");
    refused(r#""links":[{},{"traceId":"ab"}]"#, ".links[1].traceId: \"ab\" is not an id of 32");
    refused(r#""traceId":7"#, ".traceId: expected a string of hexadecimal digits, found a number");
}

#[test]
fn strings_with_escapes() {
    let text = r#""name":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 \ud800 é""#;
    assert_eq!(span(text).name, "a\"\\/\u{8}\u{c}\n\r\té😀 \u{fffd} é");
    refused(r#""name":"\x""#, ".name: this escape is not one that JSON has");
    refused(r#""name":"\u00g0""#, ".name: \\u must be followed by four");
    refused("\"name\":\"a\nb\"", ".name: a control character in a string must be escaped");
}

#[test]
fn what_stands_twice_counts_once() {
    let last = span(r#""name":"a","name":"b","kind":3,"kind":0,"status":{"code":2},"status":{"message":"m"}"#);
    assert_eq!((last.name.as_str(), last.kind), ("b", 0));
    assert_eq!(last.status.map(|status| (status.code, status.message)), Some((2, "m".to_owned())));
    let both = span(r#""events":[{"name":"a"}],"events":[{"name":"b"}]"#);
    assert_eq!(both.events.len(), 2);
    let value =
        span(r#""attributes":[{"key":"k","value":{"stringValue":"a","intValue":0}}]"#).attributes.remove(0).value;
    assert_eq!(value.unwrap().value, Some(Value::IntValue(0)));
}

#[test]
fn null_in_a_list_keeps_the_places() {
    let span = span(r#""attributes":[null,{"value":{"arrayValue":{"values":[{"intValue":1},null,{"intValue":3}]}}}]"#);
    let Some(Value::ArrayValue(list)) = span.attributes[0].value.clone().unwrap().value else { panic!() };
    assert_eq!(list.values.len(), 3);
    assert_eq!(list.values[1].value, None);
}

#[test]
fn documents_that_are_not_json() {
    let error = |text: &[u8]| json::decode(SignalKind::Traces, text).unwrap_err().to_string();
    assert_eq!(error(b""), "expected an object, found the end of the document (at byte 0)");
    assert_eq!(error(b"[]"), "expected an object, found an array (at byte 0)");
    assert_eq!(error(b"{} x"), "there is something after the end of the document (at byte 3)");
    assert_eq!(error(b"{\"a\":1,}"), "expected a name in quotes, found \"}\" (at byte 7)");
    assert_eq!(error(b"{'a':1}"), "expected a name in quotes, found \"'\" (at byte 1)");
    assert_eq!(error(b"{\"a\":nul}"), "expected a value, found null (at byte 5)");
    assert_eq!(error(b"{\"a\":\"x"), "the document ends within a string (at byte 7)");
    assert_eq!(error(b"{\"a\":\"\xff\"}"), "the text is not UTF-8 (at byte 6)");
    assert_eq!(
        error(br#"{"resourceSpans":[{]}"#),
        "resourceSpans[0]: expected a name in quotes, found \"]\" (at byte 19)"
    );
}

#[test]
fn nesting_ends_before_the_stack_does() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{{\"x\":{}1{}}}", open.repeat(depth), close.repeat(depth));
        json::decode(SignalKind::Traces, nested(127).as_bytes()).unwrap();
        let error = json::decode(SignalKind::Traces, nested(128).as_bytes()).unwrap_err();
        assert!(error.message.contains("nested more than 128 deep"), "{error}");
        json::decode(SignalKind::Traces, nested(1_000_000).as_bytes()).unwrap_err();
        let unclosed = format!("{{\"x\":{}", open.repeat(1_000_000));
        json::decode(SignalKind::Traces, unclosed.as_bytes()).unwrap_err();
        PartialSuccess::decode(SignalKind::Traces, BodyFormat::Json, unclosed.as_bytes());
    }
    let value = |depth: usize| {
        let value = format!("{}{{}}{}", "{\"arrayValue\":{\"values\":[".repeat(depth), "]}}".repeat(depth));
        with_span(&format!(r#""attributes":[{{"value":{value}}}]"#))
    };
    door::accept_json(SignalKind::Traces, value(30).as_bytes()).unwrap();
    door::accept_json(SignalKind::Traces, value(100_000).as_bytes()).unwrap_err();
}

#[test]
fn written_as_the_specification_says() {
    let text = SHELL_SPAN.replace("TRACE", "4BF92F3577B34DA6A3CE929D0E0E4736");
    let batch = door::accept_json(SignalKind::Traces, text.as_bytes()).unwrap().into_batch();
    let written = String::from_utf8(json::encode(SignalKind::Traces, batch.rope())).unwrap();
    assert_eq!(
        written,
        concat!(
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"nixos-tests"}},"#,
            r#"{"key":"test.suite","value":{"stringValue":"sway-integration"}}]},"scopeSpans":[{"spans":[{"#,
            r#""traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","name":"test.my_custom_test","kind":1,"#,
            r#""startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000000000001","status":{"code":1},"#,
            r#""attributes":[{"key":"test.name","value":{"stringValue":"my_custom_test"}},"#,
            r#"{"key":"vm.memory_mb","value":{"intValue":"2048"}}]}]}]}]}"#
        )
    );
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"count":"3","sum":0.5,"bucketCounts":["1","2"],"explicitBounds":[1e300],"flags":1,"min":"NaN"}],"aggregationTemporality":2}}]}]}]}"#;
    let batch = door::accept_json(SignalKind::Metrics, metrics.as_bytes()).unwrap().into_batch();
    assert_eq!(String::from_utf8(json::encode(SignalKind::Metrics, batch.rope())).unwrap(), metrics);
}
