//! Clients with real SDKs send through the collector to two back ends, and both get what a back end gets from the
//! same client directly.

use std::path::PathBuf;
use std::process::Command;

use corten_e2e::{Telemetry, telemetry};
use corten_testkit::{Collector, Sink, eventually, free_address};

/// One back end by HTTP, one by gRPC.
fn configuration(grpc: &str, http: &str, by_http: &Sink, by_grpc: &Sink) -> String {
    format!(
        r#"
        otelcol.receiver.otlp "in" {{
          grpc {{ endpoint = "{grpc}" }}
          http {{ endpoint = "{http}" }}
          output {{
            traces  = [otelcol.processor.batch.all.input]
            metrics = [otelcol.processor.batch.all.input]
            logs    = [otelcol.processor.batch.all.input]
          }}
        }}
        otelcol.processor.batch "all" {{
          timeout = "100ms"
          output {{
            traces  = [otelcol.exporter.otlphttp.a.input, otelcol.exporter.otlp.b.input]
            metrics = [otelcol.exporter.otlphttp.a.input, otelcol.exporter.otlp.b.input]
            logs    = [otelcol.exporter.otlphttp.a.input, otelcol.exporter.otlp.b.input]
          }}
        }}
        otelcol.exporter.otlphttp "a" {{
          client {{ endpoint = "{}" }}
        }}
        otelcol.exporter.otlp "b" {{
          client {{
            endpoint = "{}"
            tls {{ insecure = true }}
          }}
        }}
        "#,
        by_http.url(),
        by_grpc.address(),
    )
}

/// Runs a client once straight to a back end and once through the collector, per protocol.
fn arrives_equal(protocols: &[&str], client: impl Fn(&str, &str) -> Command) {
    let send = |protocol: &str, endpoint: &str| {
        let mut command = client(protocol, endpoint);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    };
    for protocol in protocols {
        let direct = Sink::start();
        // Back ends here read protobuf; it must say the same as the client's JSON.
        let url = direct.url();
        let alike = match *protocol {
            "http/json" => "http/protobuf",
            "both" => &url,
            other => other,
        };
        send(alike, &url);
        let expected = telemetry(&direct);
        assert_complete(&expected);

        let (by_http, by_grpc) = (Sink::start(), Sink::start());
        let [grpc, http] = [(); 2].map(|()| free_address().to_string());
        let collector =
            Collector::start(env!("CARGO_BIN_EXE_corten-e2e"), &configuration(&grpc, &http, &by_http, &by_grpc));
        match *protocol {
            // This client speaks both at once.
            "both" => send(&format!("http://{grpc}"), &format!("http://{http}")),
            "grpc" => send(protocol, &format!("http://{grpc}")),
            _ => send(protocol, &format!("http://{http}")),
        }
        for (sink, name) in [(&by_http, "HTTP"), (&by_grpc, "gRPC")] {
            eventually(&format!("everything at the back end by {name}"), || {
                let counts = |all: &Telemetry| [all.spans.len(), all.metrics.len(), all.logs.len()];
                (counts(&telemetry(sink)) >= counts(&expected)).then_some(())
            });
        }
        // Nothing may follow: what was held leaves at the end.
        let exited = collector.stop();
        assert_eq!(exited.code, Some(0), "{}", exited.output);
        for (sink, name) in [(by_http, "HTTP"), (by_grpc, "gRPC")] {
            let found = telemetry(&sink);
            for (what, found, expected) in [
                ("spans", &found.spans, &expected.spans),
                ("metrics", &found.metrics, &expected.metrics),
                ("logs", &found.logs, &expected.logs),
            ] {
                assert_eq!(found, expected, "{what} sent by {protocol}, back end by {name}");
            }
        }
    }
}

/// The client did its part, and comparing compares something.
fn assert_complete(sent: &Telemetry) {
    assert!(
        sent.spans.len() >= 40 && sent.logs.len() >= 20 && sent.metrics.len() >= 2,
        "too little was sent: {sent:?}"
    );
    let nested = sent.spans.iter().filter(|span| span.contains("trace of "));
    assert_eq!(nested.count(), sent.spans.len(), "each span belongs to a trace");
}

/// Where `cargo xtask test` has put what a client needs: beside the folder that this test was built into.
fn prepared(language: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let target = test.ancestors().nth(3).expect("target/PROFILE/deps");
    target.join("clients").join(language)
}

fn source(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/clients")).join(path)
}

#[test]
fn rust() {
    arrives_equal(&["both"], |grpc, http| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rust-client"));
        command.args(["--grpc", grpc, "--http", http, "--rounds", "10", "--pause", "0"]);
        command
    });
}

#[test]
#[ignore = "needs the Python SDK; cargo xtask test prepares it"]
fn python() {
    arrives_equal(&["grpc", "http/protobuf"], |protocol, endpoint| {
        let mut command = Command::new(prepared("python").join("bin/python"));
        command.arg(source("python/client.py")).args([protocol, endpoint]);
        command
    });
}

#[test]
#[ignore = "needs the Go SDK; cargo xtask test prepares it"]
fn go() {
    arrives_equal(&["grpc", "http/protobuf"], |protocol, endpoint| {
        let mut command = Command::new(prepared("go").join("client"));
        command.args([protocol, endpoint]);
        command
    });
}

#[test]
#[ignore = "needs the Node.js SDK; cargo xtask test prepares it"]
fn node() {
    arrives_equal(&["grpc", "http/protobuf", "http/json"], |protocol, endpoint| {
        let mut command = Command::new("node");
        command.current_dir(prepared("node")).arg("client.mjs").args([protocol, endpoint]);
        command
    });
}

#[test]
#[ignore = "needs the Java SDK; cargo xtask test prepares it"]
fn java() {
    arrives_equal(&["grpc", "http/protobuf"], |protocol, endpoint| {
        let folder = prepared("java");
        let mut command = Command::new("java");
        command.arg("-cp").arg(format!("{0}/classes:{0}/lib/*", folder.display()));
        command.arg("Client").args([protocol, endpoint]);
        command
    });
}
