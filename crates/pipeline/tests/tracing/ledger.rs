//! What was asked, and whether exactly that was told.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use corten_proto::otlp::common::any_value::Value;
use corten_proto::otlp::trace::Span;
use corten_proto::otlp::trace::span::SpanKind;
use corten_testkit::Sink;

/// One request as its client saw it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) method: &'static str,
    pub(crate) status: u16,
    /// Bytes of both bodies.
    pub(crate) sent: u64,
    pub(crate) got: u64,
    /// Nanoseconds since 1970; 0 where the client does not say.
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// Nanoseconds that the server took its time on purpose.
    pub(crate) waited: u64,
    /// The trace and span in `traceparent`.
    pub(crate) parent: Option<(u128, u64)>,
}

/// One span.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) server: bool,
    pub(crate) method: String,
    /// Without the query; of a client's span without scheme and host.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) sent: u64,
    pub(crate) got: u64,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) parent: u64,
    pub(crate) call: String,
    pub(crate) code: String,
    /// How long after its end it was at the back end, nanoseconds.
    pub(crate) late: u64,
    pub(crate) assumed: bool,
}

/// All spans that a back end has.
pub(crate) fn seen(sink: &Sink) -> Vec<Seen> {
    let (instant, wall) = (Instant::now(), now());
    let mut all = Vec::new();
    for received in sink.received() {
        let at = wall.saturating_sub(instant.saturating_duration_since(received.at).as_nanos() as u64);
        for resource in received.traces().resource_spans {
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            all.extend(spans.map(|span| read(&span, at)));
        }
    }
    all
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

fn read(span: &Span, at: u64) -> Seen {
    let text = |name: &str| {
        let pair = span.attributes.iter().find(|pair| pair.key == name);
        match pair.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            _ => String::new(),
        }
    };
    let server = span.kind == i32::from(SpanKind::Server);
    let url = text("url.full");
    let path = url.splitn(4, '/').nth(3).map(|path| format!("/{path}"));
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    Seen {
        server,
        method: text("http.request.method"),
        path: if server { text("url.path") } else { path.unwrap_or_default() },
        status: text("http.response.status_code").parse().unwrap_or(0),
        sent: text("http.request.body.size").parse().unwrap_or(0),
        got: text("http.response.body.size").parse().unwrap_or(0),
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        trace: span.trace_id.iter().fold(0, |all, byte| all << 8 | u128::from(*byte)),
        span: number(&span.span_id),
        parent: number(&span.parent_span_id),
        call: text("rpc.method"),
        code: text("rpc.response.status_code"),
        late: at.saturating_sub(span.end_time_unix_nano),
        assumed: !text("corten.end").is_empty(),
    }
}

/// Compares; says what it found, and gives what is wrong.
pub(crate) fn compare<'a>(name: &str, asked: &[Asked], spans: impl Iterator<Item = &'a Seen>) -> Vec<String> {
    let mut by_path: HashMap<&str, Vec<&Seen>> = HashMap::new();
    for span in spans {
        by_path.entry(&span.path).or_default().push(span);
    }
    let mut problems = Vec::new();
    let (mut told, mut over, mut late, mut assumed) = (0, Vec::new(), 0, 0);
    for one in asked {
        let path = one.path.split('?').next().unwrap_or_default();
        let found = by_path.remove(path).unwrap_or_default();
        let [span] = found[..] else {
            problems.push(format!("{} spans of {} {}", found.len(), one.method, one.path));
            continue;
        };
        told += 1;
        late = late.max(span.late);
        assumed += usize::from(span.assumed);
        if one.began != 0 {
            over.push((one.ended - one.began) as i64 - (span.ended - span.began) as i64);
        }
        problems.extend(wrong(one, span).map(|what| format!("{what}: {one:?} {span:?}")));
    }
    problems.extend(by_path.into_values().flatten().map(|span| format!("nobody asked for {span:?}")));
    println!(
        "{name}: {} requests, {told} with one span, {} problems; {assumed} ends assumed; the client's time exceeds the \
         span's by {}; at the back end after {} ms at most",
        asked.len(),
        problems.len(),
        spread(&mut over),
        late / 1_000_000
    );
    problems
}

/// What is wrong with a span.
fn wrong(one: &Asked, span: &Seen) -> Option<&'static str> {
    const MILLISECOND: u64 = 1_000_000;
    // A span is told by calls that have ended, a client may be done before that; the machine may be busy.
    const SLACK: u64 = 1000 * MILLISECOND;
    let took = span.ended - span.began;
    if span.method != one.method {
        return Some("method");
    }
    if span.status != one.status {
        return Some("status");
    }
    if span.sent != one.sent {
        return Some("size of the request");
    }
    if span.got != one.got {
        return Some("size of the response");
    }
    if one.parent.is_some_and(|parent| parent != (span.trace, span.parent)) {
        return Some("parent");
    }
    if took + MILLISECOND < one.waited {
        return Some("too short");
    }
    if one.began != 0 && took > one.ended - one.began + SLACK {
        return Some("too long");
    }
    None
}

/// Median, 99 % and the most, in milliseconds.
pub(crate) fn spread(nanoseconds: &mut [i64]) -> String {
    nanoseconds.sort_unstable();
    let at = |part: f64| {
        let index = (nanoseconds.len() as f64 * part) as usize;
        nanoseconds.get(index.min(nanoseconds.len().saturating_sub(1))).map_or(0.0, |n| *n as f64 / 1e6)
    };
    format!("{:.3} ms (median), {:.3} (99 %), {:.3} (least), {:.3} (most)", at(0.5), at(0.99), at(0.0), at(1.0))
}

/// Ends the test if there is anything.
pub(crate) fn demand(problems: &[String]) {
    let first: Vec<&String> = problems.iter().take(8).collect();
    assert!(problems.is_empty(), "{} problems: {first:#?}", problems.len());
}
