//! Jaeger: built with Go, asked over its query API.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::golang;
use super::program::{Program, free_addresses, http};
use crate::{process, test, workspace};

const MODULE: &str = "github.com/jaegertracing/jaeger";
/// The last release whose `all-in-one` is one program with flags.
const VERSION: &str = "v1.76.0";
/// Rounds of the demo service: two traces each, one over gRPC and one over HTTP.
const ROUNDS: usize = 3;

pub(super) fn run() -> Result<()> {
    test::toolchain::c_compiler()?;
    let jaeger = golang::build("jaeger", MODULE, VERSION, &["./cmd/all-in-one"])?;
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--locked", "--package", "corten-pipeline", "--package", "demo-service", "--bins"]);
    process::run(&mut cargo)?;
    let binaries = workspace::target()?.join("debug");
    let folder = workspace::target()?.join("peers");
    let [otlp, query, admin, grpc, http_in, own, ..] = free_addresses::<6>()?;
    let mut jaeger = Program::start("jaeger", &mut command(&jaeger, otlp, query, admin), &folder.join("jaeger.log"))?;
    jaeger.until("it answers queries", || http(query, "GET", "/api/services", "").ok())?;
    let mut corten = Program::start(
        "corten",
        &mut collector(&binaries, &folder, [otlp, grpc, http_in, own])?,
        &folder.join("corten.log"),
    )?;
    corten.until("it is ready", || http(own, "GET", "/-/ready", "").ok())?;

    let sent = known_trace()?;
    http(http_in, "POST", "/v1/traces", &sent.to_string())?;
    let trace = jaeger.until("it has the trace", || complete_trace(query))?;
    compare(&sent, &trace)?;

    let spans = demo(&binaries, grpc, http_in)?;
    let found = jaeger.until("it has the demo's spans", || {
        let found = spans_of(query, "shop-web").ok()? + spans_of(query, "shop-api").ok()?;
        (found >= spans).then_some(found)
    })?;
    ensure!(found == spans, "the demo service sent {spans} spans, and Jaeger has {found}");
    println!("peer | Jaeger has the demo service's {spans} spans, each once");
    corten.stop()?;
    jaeger.stop()?;
    println!("peer | everything that was sent is in Jaeger as it was sent");
    Ok(())
}

/// Everything on loopback, and nothing listens that is not needed.
fn command(binary: &Path, otlp: SocketAddr, query: SocketAddr, admin: SocketAddr) -> Command {
    let mut command = Command::new(binary);
    command.env("SPAN_STORAGE_TYPE", "memory");
    for (flag, value) in [
        ("--collector.otlp.enabled", "true".to_owned()),
        ("--collector.otlp.grpc.host-port", otlp.to_string()),
        ("--collector.otlp.http.host-port", "127.0.0.1:0".to_owned()),
        ("--collector.grpc-server.host-port", "127.0.0.1:0".to_owned()),
        ("--collector.http-server.host-port", "127.0.0.1:0".to_owned()),
        ("--query.http-server.host-port", query.to_string()),
        ("--query.grpc-server.host-port", "127.0.0.1:0".to_owned()),
        ("--admin.http.host-port", admin.to_string()),
    ] {
        command.arg(format!("{flag}={value}"));
    }
    command
}

/// The trace part of a common file; the demo's other signals go to the log.
fn collector(binaries: &Path, folder: &Path, [otlp, grpc, http, own]: [SocketAddr; 4]) -> Result<Command> {
    let text = format!(
        r#"otelcol.receiver.otlp "default" {{
  grpc {{
    endpoint = "{grpc}"
  }}
  http {{
    endpoint = "{http}"
  }}
  output {{
    traces  = [otelcol.exporter.otlp.jaeger.input]
    metrics = [otelcol.exporter.debug.rest.input]
    logs    = [otelcol.exporter.debug.rest.input]
  }}
}}

otelcol.exporter.otlp "jaeger" {{
  client {{
    endpoint = "{otlp}"
    tls {{
      insecure = true
    }}
  }}
}}

otelcol.exporter.debug "rest" {{ }}
"#
    );
    let file = folder.join("jaeger.alloy");
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new(binaries.join("corten"));
    command.arg("run").arg(&file).arg(format!("--server.http.listen-addr={own}"));
    command.arg(format!("--storage.path={}", folder.join("corten-data").display()));
    Ok(command)
}

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const SERVER: &str = "eee19b7ec3c1b174";
const CLIENT: &str = "eee19b7ec3c1b175";

/// Two spans with every kind of value, as OTLP's JSON.
fn known_trace() -> Result<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    // Jaeger keeps microseconds, so that finer times would not come back.
    let at = |micros: u64| ((now.as_micros() as u64 + micros) * 1000).to_string();
    Ok(json!({ "resourceSpans": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "corten-peer" } },
            { "key": "host.name", "value": { "stringValue": "häuschen" } },
        ] },
        "scopeSpans": [{
            "scope": { "name": "peer", "version": "1.2.3" },
            "spans": [
                {
                    "traceId": TRACE, "spanId": SERVER, "name": "POST /orders", "kind": 2,
                    "startTimeUnixNano": at(0), "endTimeUnixNano": at(1500),
                    "attributes": [
                        { "key": "http.request.method", "value": { "stringValue": "POST" } },
                        { "key": "order.items", "value": { "intValue": "-3" } },
                        { "key": "order.number", "value": { "intValue": "9007199254740993" } },
                        { "key": "order.total", "value": { "doubleValue": 12.5 } },
                        { "key": "order.paid", "value": { "boolValue": true } },
                    ],
                    "events": [{
                        "timeUnixNano": at(700), "name": "paid",
                        "attributes": [{ "key": "by", "value": { "stringValue": "card" } }],
                    }],
                    "status": { "code": 2, "message": "out of stock" },
                },
                {
                    "traceId": TRACE, "spanId": CLIENT, "parentSpanId": SERVER, "name": "SELECT", "kind": 3,
                    "startTimeUnixNano": at(100), "endTimeUnixNano": at(600),
                    "attributes": [{ "key": "db.system", "value": { "stringValue": "sqlite" } }],
                },
            ],
        }],
    }] }))
}

/// The known trace, once both spans are there.
fn complete_trace(query: SocketAddr) -> Option<Value> {
    let text = http(query, "GET", &format!("/api/traces/{TRACE}"), "").ok()?;
    let trace = serde_json::from_str::<Value>(&text).ok()?["data"][0].take();
    (workspace::list(&trace, "spans").len() >= 2).then_some(trace)
}

/// Every field that was sent must be what Jaeger has.
fn compare(sent: &Value, trace: &Value) -> Result<()> {
    let resource = &sent["resourceSpans"][0];
    let spans = workspace::list(&resource["scopeSpans"][0], "spans");
    let found = workspace::list(trace, "spans");
    ensure!(found.len() == spans.len(), "{} spans were sent, and Jaeger has {}", spans.len(), found.len());
    let mut checked = 0;
    let mut same = |what: String, sent: &Value, has: &Value| -> Result<()> {
        ensure!(sent == has, "{what}: {sent} was sent, and Jaeger has {has}");
        checked += 1;
        Ok(())
    };
    for span in spans {
        let id = span["spanId"].as_str().context("an id")?;
        let has = found.iter().find(|has| has["spanID"] == *id);
        let has = has.with_context(|| format!("Jaeger does not have the span {id}"))?;
        same(format!("{id}: trace id"), &span["traceId"], &has["traceID"])?;
        same(format!("{id}: name"), &span["name"], &has["operationName"])?;
        let start = micros(&span["startTimeUnixNano"])?;
        same(format!("{id}: start"), &start.into(), &has["startTime"])?;
        same(format!("{id}: duration"), &(micros(&span["endTimeUnixNano"])? - start).into(), &has["duration"])?;
        let parent = workspace::list(has, "references").iter().find(|reference| reference["refType"] == "CHILD_OF");
        let parent = parent.map_or(Value::Null, |parent| parent["spanID"].clone());
        same(format!("{id}: parent"), &span["parentSpanId"], &parent)?;
        for attribute in workspace::list(span, "attributes") {
            same(format!("{id}: {}", attribute["key"]), &plain(attribute), tag(has, &attribute["key"]))?;
        }
        let kind = if span["kind"] == 2 { "server" } else { "client" };
        same(format!("{id}: kind"), &kind.into(), tag(has, &"span.kind".into()))?;
        same(format!("{id}: scope"), &"peer".into(), tag(has, &"otel.scope.name".into()))?;
        if span["status"]["code"] == 2 {
            same(format!("{id}: status"), &"ERROR".into(), tag(has, &"otel.status_code".into()))?;
            same(format!("{id}: status"), &span["status"]["message"], tag(has, &"otel.status_description".into()))?;
        }
        for (event, log) in workspace::list(span, "events").iter().zip(workspace::list(has, "logs")) {
            same(format!("{id}: event time"), &micros(&event["timeUnixNano"])?.into(), &log["timestamp"])?;
            let field = |key: &str| workspace::list(log, "fields").iter().find(|field| field["key"] == key);
            same(format!("{id}: event"), &event["name"], field("event").map_or(&Value::Null, |field| &field["value"]))?;
            same(format!("{id}: event"), &"card".into(), field("by").map_or(&Value::Null, |field| &field["value"]))?;
        }
        let process = &trace["processes"][has["processID"].as_str().context("a process")?];
        same(format!("{id}: service"), &"corten-peer".into(), &process["serviceName"])?;
        same(format!("{id}: host"), &"häuschen".into(), tag(process, &"host.name".into()))?;
    }
    println!("peer | trace {TRACE}: {} spans and {checked} fields are in Jaeger as they were sent", spans.len());
    Ok(())
}

fn micros(nanos: &Value) -> Result<u64> {
    let nanos: u64 = nanos.as_str().context("a time")?.parse()?;
    Ok(nanos / 1000)
}

/// An attribute's value as Jaeger writes it.
fn plain(attribute: &Value) -> Value {
    let value = &attribute["value"];
    // Integers are text in OTLP's JSON; in Jaeger's they are numbers, unless JavaScript would lose digits.
    let integer = value["intValue"].as_str().map(|text| match text.parse::<i64>() {
        Ok(number) if number.unsigned_abs() < 1 << 53 => number.into(),
        _ => text.into(),
    });
    let others = || ["stringValue", "doubleValue", "boolValue"].iter().find_map(|kind| value.get(*kind).cloned());
    integer.or_else(others).unwrap_or_default()
}

fn tag<'a>(span: &'a Value, key: &Value) -> &'a Value {
    let tag = workspace::list(span, "tags").iter().find(|tag| tag["key"] == *key);
    tag.map_or(&Value::Null, |tag| &tag["value"])
}

/// Lets the demo service send; how many spans it sent.
fn demo(binaries: &Path, grpc: SocketAddr, http: SocketAddr) -> Result<usize> {
    let mut command = Command::new(binaries.join("demo-service"));
    command.args(["--rounds", &ROUNDS.to_string(), "--pause", "10"]);
    command.args(["--grpc", &format!("http://{grpc}"), "--http", &format!("http://{http}")]);
    println!("$ {}", process::line(&command));
    let output = command.output().context("starting the demo service")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the demo service ended with {}", output.status);
    let count = text
        .lines()
        .find_map(|line| line.strip_prefix("sent "))
        .and_then(|line| line.split_whitespace().find_map(|word| word.strip_prefix("spans="))?.parse().ok());
    let count = count.context("the demo service does not say what it sent")?;
    ensure!(count >= 2 * ROUNDS, "the demo service sent {count} spans only");
    Ok(count)
}

/// How many spans Jaeger has of a service.
fn spans_of(query: SocketAddr, service: &str) -> Result<usize> {
    let lookback = Duration::from_secs(3600).as_secs();
    let path = format!("/api/traces?service={service}&limit=1000&lookback={lookback}s");
    let found: Value = serde_json::from_str(&http(query, "GET", &path, "")?)?;
    Ok(workspace::list(&found, "data").iter().map(|trace| workspace::list(trace, "spans").len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_compared_as_jaeger_writes_them() {
        let sent = known_trace().unwrap();
        let spans = &sent["resourceSpans"][0]["scopeSpans"][0]["spans"];
        let values: Vec<Value> = workspace::list(&spans[0], "attributes").iter().map(plain).collect();
        assert_eq!(values, [json!("POST"), json!(-3), json!("9007199254740993"), json!(12.5), json!(true)]);
        assert!(compare(&sent, &json!({ "spans": [] })).is_err());
    }
}
