//! Variables to configurations.

use super::*;

fn made(variables: &[(&str, &str)]) -> Result<Made, Failure> {
    Made::from(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn the_variables_of_a_unit_make_a_configuration() {
    let made = made(&[("BEYLA_OPEN_PORT", "4320,8080"), ("BEYLA_SERVICE_NAME", "workstation-services")]).unwrap();
    for line in [
        "\t\t\tname       = \"workstation-services\"",
        "\t\t\topen_ports = \"4320,8080\"",
        "\t\ttraces  = [otelcol.exporter.otlphttp.traces.input]",
        "\t\tendpoint = \"http://127.0.0.1:4318\"",
    ] {
        assert!(made.config.lines().any(|seen| seen == line), "{line} in\n{}", made.config);
    }
    assert_eq!(made.notes.len(), 1);
}

#[test]
fn newer_names_count_more_and_endpoints_are_chosen_by_protocol() {
    let made = made(&[
        ("BEYLA_OPEN_PORT", "1"),
        ("OTEL_EBPF_OPEN_PORT", "2"),
        ("OTEL_SERVICE_NAME", "a\"b"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://m.example/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-a=1, x-b=2"),
        ("OTEL_EBPF_INSECURE_SKIP_VERIFY", "true"),
    ])
    .unwrap();
    for line in [
        "\t\t\tname       = \"a\\\"b\"",
        "\t\t\topen_ports = \"2\"",
        "otelcol.exporter.otlp \"traces\" {",
        "\t\tendpoint = \"collector:4317\"",
        "otelcol.exporter.otlphttp \"metrics\" {",
        "\tmetrics_endpoint = \"https://m.example/v1/metrics\"",
        "\t\t\t\"x-b\" = \"2\",",
    ] {
        assert!(made.config.lines().any(|seen| seen == line), "{line} in\n{}", made.config);
    }
    assert!(made.config.contains("insecure_skip_verify = true"));
}

#[test]
fn nonsense_is_named() {
    let message = |variables: &[(&str, &str)]| made(variables).unwrap_err().message;
    assert!(message(&[]).contains("no variable says what to observe"));
    assert!(message(&[("BEYLA_TARGET_PID", "x")]).contains("BEYLA_TARGET_PID"));
    let protocol = [("BEYLA_OPEN_PORT", "1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke")];
    assert!(message(&protocol).contains("smoke"));
    assert!(message(&[("BEYLA_OPEN_PORT", "1"), ("BEYLA_PROMETHEUS_PORT", "x")]).contains("not a port"));
}

#[test]
fn the_configuration_is_one() {
    let made = made(&[("BEYLA_OPEN_PORT", "80"), ("OTEL_TRACES_SAMPLER", "always_on")]).unwrap();
    let formatted = corten_syntax::format(&made.config).expect("a configuration");
    assert_eq!(formatted, made.config);
}

#[test]
fn metrics_are_served_where_beyla_serves_them() {
    let base = [("BEYLA_OPEN_PORT", "1"), ("BEYLA_PROMETHEUS_PORT", "9400")];
    let one = made(&base).unwrap();
    let extra = one.extra.unwrap();
    assert_eq!((extra.listen.as_str(), extra.path.as_str()), ("127.0.0.1:9400", "/metrics"));
    assert!(!one.config.contains("otelcol.exporter") && !one.config.contains("output"), "{}", one.config);
    let two = made(&[base[0], ("OTEL_EBPF_PROMETHEUS_PORT", "0.0.0.0:9401"), ("BEYLA_PROMETHEUS_PATH", "/m")]).unwrap();
    let extra = two.extra.unwrap();
    assert_eq!((extra.listen.as_str(), extra.path.as_str()), ("0.0.0.0:9401", "/m"));
    assert!(made(&[base[0], base[1], ("BEYLA_PROMETHEUS_PATH", "m")]).is_err());
    assert!(made(&[base[0], ("BEYLA_PROMETHEUS_PORT", "0")]).unwrap().extra.is_none());
}

#[test]
fn only_signals_with_an_endpoint_are_sent() {
    let one = made(&[("BEYLA_OPEN_PORT", "1"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:14317")]).unwrap();
    assert!(one.config.contains("otelcol.exporter.otlp \"traces\"") && !one.config.contains("\"metrics\""));
    let metrics = [("BEYLA_OPEN_PORT", "1"), ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/v1/metrics")];
    let one = made(&metrics).unwrap();
    assert!(!one.config.contains("\"traces\"") && one.config.contains("metrics_endpoint"), "{}", one.config);
}

#[test]
fn every_variable_becomes_its_argument() {
    let made = made(&[
        ("BEYLA_AUTO_TARGET_EXE", "*/shop"),
        ("BEYLA_OTEL_METRICS_FEATURES", "application,application_service_graph"),
        ("BEYLA_OTEL_TRACES_INSTRUMENTATIONS", "http"),
        ("BEYLA_PROMETHEUS_EXTRA_RESOURCE_ATTRIBUTES", "deployment.environment"),
        ("BEYLA_PROMETHEUS_ALLOW_SERVICE_GRAPH_SELF_REFERENCES", "true"),
        ("BEYLA_METRICS_TTL", "1m"),
        ("BEYLA_METRIC_SPAN_NAMES_LIMIT", "7"),
        ("BEYLA_HOSTNAME", "h"),
        ("OTEL_EBPF_HOST_ID", "i"),
        ("BEYLA_BPF_HTTP_REQUEST_TIMEOUT", "30s"),
        ("BEYLA_BPF_DISABLE_BLACK_BOX_CP", "1"),
        ("BEYLA_EXCLUDE_OTEL_INSTRUMENTED_SERVICES_SPAN_METRICS", "true"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
    ])
    .unwrap();
    let squeezed: Vec<String> =
        made.config.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "exe_path = \"*/shop\"",
        "features = [\"application\", \"application_service_graph\"]",
        "instrumentations = [\"http\"]",
        "extra_resource_labels = [\"deployment.environment\"]",
        "allow_service_graph_self_references = true",
        "ttl = \"1m\"",
        "metric_span_names_limit = 7",
        "override_hostname = \"h\"",
        "override = \"i\"",
        "http_request_timeout = \"30s\"",
        "disable_black_box_cp = true",
        "exclude_otel_instrumented_services_span_metrics = true",
        "name = \"traceidratio\"",
    ] {
        assert!(squeezed.iter().any(|seen| seen == line), "{line} in\n{}", made.config);
    }
}
