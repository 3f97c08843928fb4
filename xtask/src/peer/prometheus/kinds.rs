//! Every kind of sample, in both versions of remote write: what Prometheus answers is what was sent.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::peer::program::{free_addresses, http};
use crate::workspace;

/// A version of remote write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    One,
    Two,
}

/// A classic histogram and a counter, with the times at which they began and an exemplar.
const EXPOSITION: &str = "\
# HELP peer_size_bytes How large.
# TYPE peer_size_bytes histogram
# UNIT peer_size_bytes bytes
peer_size_bytes_bucket{le=\"1.0\"} 2
peer_size_bytes_bucket{le=\"8.0\"} 5 # {trace_id=\"00aa\"} 7.5 @TIME@
peer_size_bytes_bucket{le=\"+Inf\"} 6
peer_size_bytes_sum 44.5
peer_size_bytes_count 6
# HELP peer_scraped A counter.
# TYPE peer_scraped counter
peer_scraped_total{a=\"\u{e4}\"} 17
# EOF
";

const TRACE: &str = "5b8efff798038103d269b633813fc60c";

pub(super) fn run(program: &Path, corten: &Path, protocol: Protocol) -> Result<()> {
    let folder = super::folder(if protocol == Protocol::Two { "kinds-2" } else { "kinds-1" })?;
    let [server, own, otlp, ..] = free_addresses::<3>()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let target = target(EXPOSITION.replace("@TIME@", &format!("{now}.125")))?;
    write_file(&folder, protocol, target, otlp, server)?;
    // Types and units come back as labels, since the API tells nothing else of what was written; a time of creation
    // comes back as a zero.
    let features = "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion,type-and-unit-labels";
    let mut prometheus = super::start(program, &folder, server, &[features])?;
    let collector = super::start_corten(corten, &folder, own)?;
    http(otlp, "POST", "/v1/metrics", &metrics(now).to_string())?;

    let find = |what: &str| -> Option<Value> {
        let data = super::query(server, &format!("/api/v1/query?query={}", encode(what))).ok()?;
        workspace::list(&data, "result").first().cloned()
    };
    let mut checked = 0;
    let mut same = |what: &str, expected: Value, found: &Value| -> Result<()> {
        ensure!(expected == *found, "{what}: {expected} was sent, and Prometheus has {found}");
        checked += 1;
        Ok(())
    };
    let counter = prometheus.until("it has the counter", || find("peer_requests_total[5m]"))?;
    let values: Vec<&str> = workspace::list(&counter, "values").iter().filter_map(|pair| pair[1].as_str()).collect();
    let two = protocol == Protocol::Two;
    // The zero is Prometheus's, made of the time of creation.
    same("a counter", if two { json!(["0", "42"]) } else { json!(["42"]) }, &json!(values))?;
    if two {
        same("its time of creation", json!(now - 60), &counter["values"][0][0])?;
        same("its type", "counter".into(), &counter["metric"]["__type__"])?;
    }
    same("its job", "peers/peer".into(), &counter["metric"]["job"])?;

    let native = prometheus.until("it has the histogram", || find("peer_latency_seconds"))?;
    let histogram = &native["histogram"][1];
    same("a native histogram's count", "9".into(), &histogram["count"])?;
    same("its sum", "12.5".into(), &histogram["sum"])?;
    // Schema 0, positive offset 1: the first bucket is (2, 4]; negative offset 0: [-2, -1).
    let expected =
        json!([[1, "-2", "-1", "1"], [3, "-1e-128", "1e-128", "2"], [0, "2", "4", "2"], [0, "8", "16", "4"]]);
    same("its buckets", expected, &histogram["buckets"])?;
    if two {
        same("its type", "histogram".into(), &native["metric"]["__type__"])?;
        same("its unit", "s".into(), &native["metric"]["__unit__"])?;
    }
    let exemplars = prometheus.until("it has the exemplar", || exemplars(server, "peer_requests_total", now))?;
    same("an exemplar", json!({ "trace_id": TRACE, "span_id": "eee19b7ec3c1b174" }), &exemplars[0]["labels"])?;
    same("its value", "3".into(), &exemplars[0]["value"])?;
    same("its time", json!(now), &exemplars[0]["timestamp"])?;

    let scraped = prometheus.until("it has what was scraped", || find("peer_scraped_total"))?;
    same("a label", "\u{e4}".into(), &scraped["metric"]["a"])?;
    same("a scraped counter", "17".into(), &scraped["value"][1])?;
    if two {
        let own = prometheus.until("it has the boundaries", || find("peer_size_bytes"))?;
        let buckets = json!([[3, "-Inf", "1", "2"], [0, "1", "8", "3"], [0, "8", "+Inf", "1"]]);
        same("buckets of its own", buckets, &own["histogram"][1]["buckets"])?;
        same("their sum", "44.5".into(), &own["histogram"][1]["sum"])?;
        same("their unit", "bytes".into(), &own["metric"]["__unit__"])?;
        let of = prometheus.until("it has their exemplar", || self::exemplars(server, "peer_size_bytes", now))?;
        same("their exemplar", json!({ "trace_id": "00aa" }), &of[0]["labels"])?;
        same("its time", json!(now as f64 + 0.125), &of[0]["timestamp"])?;
    } else {
        let classic = prometheus.until("it has the classic series", || find("peer_size_bytes_bucket{le=\"8.0\"}"))?;
        same("a classic bucket", "5".into(), &classic["value"][1])?;
    }
    collector.stop()?;
    prometheus.stop()?;
    let version = if two { "2.0" } else { "1.0" };
    println!("peer | remote write {version}: {checked} facts about samples are in Prometheus as they were sent");
    Ok(())
}

/// Metrics as OTLP's JSON.
fn metrics(now: u64) -> Value {
    let (start, time) = (format!("{}000000000", now - 60), format!("{now}000000000"));
    let exemplar = json!({ "timeUnixNano": time, "asInt": "3", "traceId": TRACE, "spanId": "eee19b7ec3c1b174" });
    let counter = json!({ "startTimeUnixNano": start, "timeUnixNano": time, "asInt": "42", "exemplars": [exemplar] });
    let histogram = json!({
        "startTimeUnixNano": start, "timeUnixNano": time, "count": "9", "sum": 12.5, "scale": 0,
        "zeroCount": "2",
        "positive": { "offset": 1, "bucketCounts": ["2", "0", "4"] },
        "negative": { "offset": 0, "bucketCounts": ["1"] },
    });
    json!({ "resourceMetrics": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "peer" } },
            { "key": "service.namespace", "value": { "stringValue": "peers" } },
        ] },
        "scopeMetrics": [{ "metrics": [
            { "name": "peer.requests", "description": "Requests.",
              "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [counter] } },
            { "name": "peer.latency", "unit": "s",
              "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": [histogram] } },
        ] }],
    }] })
}

fn exemplars(server: SocketAddr, series: &str, now: u64) -> Option<Vec<Value>> {
    let path = format!("/api/v1/query_exemplars?query={series}&start={}&end={}", now - 600, now + 600);
    let found = super::query(server, &path).ok()?;
    let found = workspace::list(found.get(0)?, "exemplars").to_vec();
    (!found.is_empty()).then_some(found)
}

/// For a query string.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn write_file(
    folder: &Path,
    protocol: Protocol,
    target: SocketAddr,
    otlp: SocketAddr,
    server: SocketAddr,
) -> Result<()> {
    let (message, converts) = match protocol {
        Protocol::One => ("prometheus.WriteRequest", false),
        Protocol::Two => ("io.prometheus.write.v2.Request", true),
    };
    let text = format!(
        r#"prometheus.scrape "peer" {{
  targets                            = [{{ __address__ = "{target}" }}]
  scrape_interval                    = "1s"
  scrape_timeout                     = "1s"
  honor_metadata                     = true
  convert_classic_histograms_to_nhcb = {converts}
  forward_to                         = [prometheus.remote_write.peer.receiver]
}}

otelcol.receiver.otlp "peer" {{
  http {{
    endpoint = "{otlp}"
  }}
  output {{
    metrics = [otelcol.exporter.prometheus.peer.input]
  }}
}}

otelcol.exporter.prometheus "peer" {{
  honor_metadata = true
  forward_to     = [prometheus.remote_write.peer.receiver]
}}

prometheus.remote_write "peer" {{
  endpoint {{
    url                    = "http://{server}/api/v1/write"
    protobuf_message       = "{message}"
    send_native_histograms = true

    queue_config {{
      batch_send_deadline = "200ms"
    }}
  }}
}}
"#
    );
    std::fs::write(folder.join("peer.alloy"), text).context("writing peer.alloy")
}

/// Something to scrape.
fn target(body: String) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut reader, mut stream) = (BufReader::new(&stream), &stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    Ok(address)
}
