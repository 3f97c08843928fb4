//! What a newcomer reads when `corten run` starts without a file.

/// The embedded configuration.
pub(crate) const DEFAULT: &str = include_str!("../default.alloy");
/// What messages call it.
pub(crate) const DEFAULT_NAME: &str = "<default>";

/// How to send something, and where to look.
pub(super) fn text(summary: &str) -> String {
    format!(
        r#"Corten is ready for telemetry from this machine. What arrives is printed here; Ctrl-C ends.

  OTLP over gRPC   127.0.0.1:4317
  OTLP over HTTP   http://127.0.0.1:4318
  Summary page     {summary}

OpenTelemetry SDKs send here by default. Say so to one that does not:

  export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
  export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf

Or send a log line by hand:

  curl http://127.0.0.1:4318/v1/logs -H 'Content-Type: application/json' \
    -d '{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{{"stringValue":"hello"}}}}]}}]}}]}}'

"#
    )
}
