//! The collector of a NixOS test: OTLP/JSON by curl, spans found in the journal, metrics found by grep, and what was
//! counted found at the end of remote write. Nothing of the file is cut.

use std::process::Command;

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Cut, Sink, cut, eventually, free_address};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

/// `curl` as the test scripts of that collector call it: its exit code and what it printed.
fn curl(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("curl").args(["--silent", "--show-error"]).args(arguments).output().expect("curl");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_checks_of_a_nixos_test_pass() {
    let registry = corten_pipeline::registry().expect("a registry");
    let Cut { text, removed } = cut(include_str!("configs/nixos-test.alloy"), &registry);
    assert!(removed.is_empty(), "all of the file exists: {removed:?}");

    let door = free_address();
    let remote = free_address();
    let mimir = free_address();
    let text = text
        .replace("127.0.0.1:4318", &door.to_string())
        .replace("127.0.0.1:14318", &remote.to_string())
        .replace("127.0.0.1:9009", &mimir.to_string())
        .replace(r#"metrics_flush_interval = "15s""#, r#"metrics_flush_interval = "1s""#);
    let collector = Collector::start_with(BINARY, &text, &["--stability.level=experimental"]);
    let url = format!("http://{door}/v1/traces");
    let json = "Content-Type: application/json";

    // With the remote sink down: an empty request succeeds, in the words that a script may compare.
    assert_eq!(curl(&["-f", "-X", "POST", "-H", json, "-d", "{}", &url]), (Some(0), r#"{"partialSuccess":{}}"#.into()));
    let with_type =
        curl(&["-X", "POST", "-H", json, "-d", "{}", "-o", "/dev/null", "-w", "%{http_code} %{content_type}", &url]);
    assert_eq!(with_type.1, "200 application/json");
    let (_, body) = curl(&[&format!("http://{}/metrics", collector.http())]);
    assert!(body.contains("otlp"), "grep -q otlp succeeds");

    // A span with a number for its int, text for its nanoseconds, hex ids and a kind; an unknown key does not matter.
    let span = r#"{"resourceSpans":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"nixos-tests"}},
        {"key":"test.suite","value":{"stringValue":"sway-integration"}}]},
      "scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331",
        "name":"pipeline-test","kind":1,"startTimeUnixNano":"1750000000000000000","endTimeUnixNano":"1750000000100000000",
        "status":{"code":1},"somethingNew":{"a":[1]},
        "attributes":[{"key":"test.name","value":{"stringValue":"my_custom_test"}},
          {"key":"vm.memory_mb","value":{"intValue":2048}}]}]}]}]}"#;
    assert_eq!(curl(&["-f", "-X", "POST", "-H", json, "-d", span, &url]).0, Some(0));
    let printed = eventually("the span in the log", || {
        let output = collector.output();
        output.contains("pipeline-test").then_some(output)
    });
    for word in ["nixos-tests", "0af7651916cd43dd8448eb211c80319c", "my_custom_test", "2048"] {
        assert!(printed.contains(word), "{word} can be found in the log:\n{printed}");
    }

    // What is wrong is said to be wrong, also without -f.
    let status = |arguments: &[&str]| {
        let format = ["-o", "/dev/null", "-w", "%{http_code}"];
        curl(&[arguments, &format, &[url.as_str()]].concat()).1
    };
    let unexpanded = span.replace("0af7651916cd43dd8448eb211c80319c", "$(openssl rand -hex 16)");
    assert_eq!(status(&["-X", "POST", "-H", json, "-d", &unexpanded]), "400");
    assert_eq!(status(&[]), "405", "GET");
    assert_eq!(status(&["-X", "POST", "-H", "Content-Type: text/plain", "-d", "{}"]), "415");

    // The remote sink was down all the time; what it missed comes when it is there.
    let remote = Sink::start_at(remote);
    eventually("the span at the remote sink", || (remote.items(SignalKind::Traces) == 1).then_some(()));
    assert_eq!(remote.span_names().get("pipeline-test"), Some(&1));

    // So does what was counted of it, under the names that a query asks for.
    let mimir = Sink::start_at(mimir);
    let written = |name: &str, labels: &[(&str, &str)], value: f64| {
        let requests = mimir.received();
        let series = requests.iter().flat_map(|request| request.write().series);
        series.into_iter().find(|series| {
            let has = |(label, wanted): &(&str, &str)| series.labels.get(*label).is_some_and(|is| is == wanted);
            series.name() == name
                && labels.iter().all(has)
                && series.samples.iter().any(|(_, sample, _)| *sample == value)
        })
    };
    let test = ("test_name", "my_custom_test");
    let calls = [test, ("span_name", "pipeline-test"), ("service_name", "nixos-tests"), ("job", "nixos-tests")];
    eventually("the call", || written("test_calls_total", &calls, 1.0));
    for (le, count) in [("0.1", 1.0), ("0.5", 1.0), ("+Inf", 1.0)] {
        eventually("the duration", || written("test_duration_seconds_bucket", &[test, ("le", le)], count));
    }
    eventually("the sum of durations", || written("test_duration_seconds_sum", &[test], 0.1));
    eventually("the resource", || written("target_info", &[("test_suite", "sway-integration")], 1.0));
}
