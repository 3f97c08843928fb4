//! What the door refuses, one fault at a time, and what it lets pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use corten_signal::otlp::{MAX_VALUE_DEPTH, Message, SignalKind, check, door};

/// A field of bytes.
fn len(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = varint(u64::from(number << 3 | 2));
    out.extend(varint(body.len() as u64));
    out.extend_from_slice(body);
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = vec![];
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn nest(path: &[u32], body: &[u8]) -> Vec<u8> {
    path.iter().rev().fold(body.to_vec(), |body, number| len(*number, &body))
}

/// A trace request with one span of these fields.
fn span(fields: &[u8]) -> Vec<u8> {
    nest(&[1, 2, 2], fields)
}

#[track_caller]
fn refused(kind: SignalKind, bytes: &[u8], expected: &str) {
    let error = check(kind, bytes).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.offset <= bytes.len());
    assert!(
        Message::decode(kind, bytes).is_err() || expected.contains("id has") || expected.contains("nested"),
        "{expected}"
    );
    assert!(door::accept(kind, Bytes::copy_from_slice(bytes)).is_err());
}

#[test]
fn nothing_is_an_empty_request() {
    for kind in SignalKind::ALL {
        let found = check(kind, b"").unwrap();
        assert_eq!((found.items, found.canonical), (0, true));
    }
}

#[test]
fn ids_have_their_length_or_none() {
    for bytes in [0, 16] {
        assert_eq!(check(SignalKind::Traces, &span(&len(1, &vec![1; bytes]))).unwrap().items, 1);
    }
    let trace = SignalKind::Traces;
    refused(trace, &span(&len(1, &[1; 15])), "Span.trace_id: the id has 15 bytes; it must have 16 or none");
    refused(trace, &span(&len(1, &[1; 32])), "id has 32 bytes");
    refused(trace, &span(&len(2, &[1; 16])), "Span.span_id: the id has 16 bytes; it must have 8 or none");
    refused(trace, &span(&len(4, &[1; 7])), "Span.parent_span_id: the id has 7");
    refused(trace, &span(&len(13, &len(1, &[1; 8]))), "Link.trace_id: the id has 8");
    refused(trace, &span(&len(13, &len(2, &[1; 4]))), "Link.span_id: the id has 4");
    refused(SignalKind::Logs, &span(&len(9, &[1; 8])), "LogRecord.trace_id: the id has 8");
    refused(SignalKind::Logs, &span(&len(10, &[1; 1])), "LogRecord.span_id: the id has 1");
    // Metric -> gauge -> point -> exemplar.
    let exemplar = |fields: &[u8]| nest(&[1, 2, 2, 5, 1, 5], fields);
    refused(SignalKind::Metrics, &exemplar(&len(5, &[1; 3])), "Exemplar.trace_id: the id has 3");
    refused(SignalKind::Metrics, &exemplar(&len(4, &[1; 3])), "Exemplar.span_id: the id has 3");
    refused(SignalKind::Profiles, &nest(&[1, 2, 2, 7], &[1; 3]), "Profile.profile_id: the id has 3");
    refused(SignalKind::Profiles, &nest(&[2, 4, 1], &[1; 3]), "Link.trace_id: the id has 3");
}

#[test]
fn text_is_utf8() {
    let bad = b"caf\xe9";
    refused(SignalKind::Traces, &span(&len(5, bad)), "Span.name: the text is not UTF-8");
    refused(SignalKind::Traces, &nest(&[1, 3], bad), "ResourceSpans.schema_url");
    refused(SignalKind::Traces, &nest(&[1, 1, 1, 1], bad), "KeyValue.key");
    let attribute = [len(1, b"key"), nest(&[2, 1], bad)].concat();
    refused(SignalKind::Traces, &span(&len(9, &attribute)), "AnyValue.string_value");
    refused(SignalKind::Traces, &span(&len(5, &[bad.as_slice(), &[b'x'; 300]].concat())), "Span.name");
    refused(SignalKind::Profiles, &nest(&[2, 5], bad), "ProfilesDictionary.string_table");
    check(SignalKind::Traces, &span(&len(5, "café".as_bytes()))).unwrap();
    check(SignalKind::Traces, &span(&len(5, "é".repeat(200).as_bytes()))).unwrap();
    // Bytes are not text.
    check(SignalKind::Traces, &span(&len(9, &nest(&[2, 7], bad)))).unwrap();
}

#[test]
fn known_fields_have_their_wire_type() {
    refused(SignalKind::Traces, &span(&[5 << 3, 1]), "Span.name: wire type 0 where 2 is expected");
    refused(SignalKind::Traces, &span(&len(7, &[0; 8])), "Span.start_time_unix_nano: wire type 2 where 1 is expected");
    refused(SignalKind::Traces, &[8, 1], "ExportTraceServiceRequest.resource_spans: wire type 0");
    refused(SignalKind::Traces, &span(&[9 << 3 | 3, 9 << 3 | 4]), "Span.attributes: wire type 3");
}

#[test]
fn nothing_is_cut_short() {
    let whole = span(&[len(5, b"name"), vec![7 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8], vec![6 << 3, 2]].concat());
    check(SignalKind::Traces, &whole).unwrap();
    for end in 1..whole.len() {
        assert!(check(SignalKind::Traces, &whole[..end]).is_err());
    }
    refused(SignalKind::Traces, &span(&[7 << 3 | 1, 1, 2]), "Span.start_time_unix_nano: the data ends within");
    refused(SignalKind::Traces, &span(&[5 << 3 | 2, 4, b'x']), "Span.name: the data ends within");
    refused(SignalKind::Traces, &span(&[0x85, 1, 1, 2]), "Span.flags: the data ends within");
    // A length that would overflow.
    let huge = [vec![5 << 3 | 2], varint(u64::MAX)].concat();
    refused(SignalKind::Traces, &span(&huge), "Span.name: the data ends within");
}

#[test]
fn tags_and_numbers_are_well_formed() {
    refused(SignalKind::Traces, &span(&[0, 1]), "not a valid field tag");
    refused(SignalKind::Traces, &span(&[5 << 3 | 6, 1]), "not a valid field tag");
    refused(SignalKind::Traces, &[0xff; 4], "not a valid field tag");
    let eleven = [vec![6 << 3], vec![0x80; 10], vec![1]].concat();
    refused(SignalKind::Traces, &span(&eleven), "does not fit in 64 bits");
    let above = [vec![6 << 3], vec![0xff; 9], vec![2]].concat();
    refused(SignalKind::Traces, &span(&above), "does not fit in 64 bits");
    let most = [vec![6 << 3], vec![0xff; 9], vec![1]].concat();
    check(SignalKind::Traces, &span(&most)).unwrap();
}

#[test]
fn unknown_fields_pass_and_are_counted() {
    let group = [varint(30 << 3 | 3), vec![8, 1], len(2, b"x"), varint(30 << 3 | 4)].concat();
    let known = span(&len(5, b"name"));
    let unknown = [len(1000, &[0xff]), varint(20 << 3 | 5), vec![1, 2, 3, 4], group].concat();
    let found = check(SignalKind::Traces, &[known, unknown.clone()].concat()).unwrap();
    assert_eq!((found.items, found.unknown_fields, found.unknown_bytes), (1, 3, unknown.len()));
    let open = [varint(30 << 3 | 3), vec![8, 1]].concat();
    refused(SignalKind::Traces, &open, "a group does not end");
    refused(SignalKind::Traces, &varint(30 << 3 | 4), "a group does not end");
    let crossed = [varint(30 << 3 | 3), varint(29 << 3 | 4)].concat();
    refused(SignalKind::Traces, &crossed, "a group does not end");
}

#[test]
fn numbers_may_be_packed_or_not() {
    let point = |fields: &[u8]| nest(&[1, 2, 2, 9, 1], fields);
    let eight = [vec![6 << 3 | 1], vec![0; 8]].concat();
    for fields in [len(6, &[0; 16]), len(6, &[]), [eight.clone(), eight].concat()] {
        let found = check(SignalKind::Metrics, &point(&fields)).unwrap();
        assert_eq!((found.items, found.canonical), (1, true));
    }
    refused(SignalKind::Metrics, &point(&len(6, &[0; 9])), "HistogramDataPoint.bucket_counts: packed numbers");
    let buckets = |fields: &[u8]| nest(&[1, 2, 2, 10, 1, 8], fields);
    check(SignalKind::Metrics, &buckets(&len(2, &[1, 0x80, 1]))).unwrap();
    check(SignalKind::Metrics, &buckets(&[16, 1, 16, 2])).unwrap();
    refused(SignalKind::Metrics, &buckets(&len(2, &[1, 0x80])), "Buckets.bucket_counts: packed numbers");
}

#[test]
fn nesting_ends_where_libraries_stop() {
    let value = |depth: usize, path: &[u32]| {
        let body = (1..depth).fold(len(1, b"x"), |inner, _| nest(path, &inner));
        span(&len(9, &[len(1, b"key"), len(2, &body)].concat()))
    };
    // Lists take two messages a level, maps three; protobuf libraries stop at 100 messages.
    for (path, deepest) in [(&[5, 1][..], 48), (&[6, 1, 2], 32)] {
        let accepted = value(deepest, path);
        check(SignalKind::Traces, &accepted).unwrap();
        Message::decode(SignalKind::Traces, accepted.as_slice()).unwrap();
        refused(SignalKind::Traces, &value(deepest + 2, path), "nested more than");
        assert!(deepest < MAX_VALUE_DEPTH as usize);
    }
    // A body nested forty thousand deep, which a careless reader would follow to the end of its stack.
    let bomb = (0..20_000).fold(vec![], |inner: Vec<u8>, _| nest(&[5, 1], &inner));
    refused(SignalKind::Traces, &span(&len(9, &len(2, &bomb))), "nested more than");
}

#[test]
fn a_field_written_twice_is_encoded_anew() {
    let name = |text: &str| len(5, text.as_bytes());
    let unknown = len(1000, b"x");
    let twice = span(&[name("first"), unknown.clone(), name("last")].concat());
    let found = check(SignalKind::Traces, &twice).unwrap();
    assert!(!found.canonical);
    let accepted = door::accept(SignalKind::Traces, twice.into()).unwrap();
    assert!(accepted.rewritten());
    assert_eq!(accepted.items(), 1);
    assert_eq!(*accepted.bytes(), span(&[name("last"), unknown].concat()), "unknown fields stay");
    // A metric with two types: the last one counts.
    let gauge = nest(&[5, 1], &[8 << 3, 1]);
    let sum = nest(&[7, 1], &[8 << 3, 2]);
    let metric = nest(&[1, 2, 2], &[gauge, sum.clone()].concat());
    assert_eq!(check(SignalKind::Metrics, &metric).unwrap().items, 2);
    let accepted = door::accept(SignalKind::Metrics, metric.into()).unwrap();
    assert_eq!((accepted.items(), accepted.bytes()), (1, &Bytes::from(nest(&[1, 2, 2], &sum))));
    // The two resources of one entry are merged.
    let resource = |key: &[u8]| nest(&[1, 1, 1], key);
    let entry = len(1, &[resource(b"a"), resource(b"b")].concat());
    let accepted = door::accept(SignalKind::Traces, entry.into()).unwrap();
    assert_eq!(*accepted.bytes(), len(1, &len(1, &[nest(&[1, 1], b"a"), nest(&[1, 1], b"b")].concat())));
}

#[test]
fn bytes_that_are_canonical_are_not_touched() {
    let bytes = Bytes::from([span(&len(5, b"a")), span(&len(5, b"b"))].concat());
    let accepted = door::accept(SignalKind::Traces, bytes.clone()).unwrap();
    assert!(!accepted.rewritten());
    assert_eq!((accepted.bytes().as_ptr(), accepted.items()), (bytes.as_ptr(), 2));
    let batch = accepted.into_batch();
    assert_eq!((batch.items(), batch.request_count(), batch.to_bytes()), (2, 1, bytes));
}
