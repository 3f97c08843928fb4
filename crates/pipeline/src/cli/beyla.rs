//! `corten beyla`: observes services as environment variables say, in place of the `beyla` program of a unit.
//!
//! The variables become a configuration, which runs like any other; `--print-config` shows it, to be kept as a file.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, ArgMatches, Command};
use corten_syntax::quote;

use super::{Failure, complain, print};
use crate::run::{Options, Source};

/// Where OTLP goes if no variable says: Corten's own receiver on this machine.
const LOCAL: &str = "http://127.0.0.1:4318";
/// The address of the HTTP server, which also has the metrics of requests for Prometheus.
const LISTEN: &str = "127.0.0.1:12346";

pub(super) fn command() -> Command {
    Command::new("beyla")
        .about("Observe services with eBPF, as environment variables say")
        .long_about(
            "Observes HTTP and gRPC requests of services as they are. Reads the variables of Beyla (BEYLA_...) and their \
             newer names (OTEL_EBPF_...), and those of OpenTelemetry for where spans and metrics go:\n\n\
             BEYLA_OPEN_PORT              ports of services: 80,8000-8999\n\
             BEYLA_AUTO_TARGET_EXE        their programs, a glob\n\
             BEYLA_AUTO_TARGET_LANGUAGE   their languages, a glob\n\
             BEYLA_TARGET_PID             their process numbers\n\
             BEYLA_SERVICE_NAME           their name (or OTEL_SERVICE_NAME)\n\
             BEYLA_PROMETHEUS_PORT        serve metrics on this port of 127.0.0.1\n\
             BEYLA_TRACE_PRINTER          text or json: print spans\n\
             OTEL_EXPORTER_OTLP_ENDPOINT  where spans and metrics go; http://127.0.0.1:4318 if it is not set\n\n\
             `corten doctor ebpf` says what this machine allows.",
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print the configuration that the variables make, and end"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let made = Made::from(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    if matches.get_flag("print-config") {
        print(&made.config);
        return Ok(());
    }
    for note in &made.notes {
        complain(&format!("{note}\n"));
    }
    let options =
        Options { listen: made.listen, ..Options::new(Source::Made { name: "environment", text: made.config }) };
    crate::run::run(options)
}

/// What the variables make.
#[derive(Debug)]
struct Made {
    config: String,
    listen: String,
    notes: Vec<String>,
}

/// Reads a variable.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Made {
    fn from(variables: Variables<'_>) -> Result<Self, Failure> {
        let get = |name: &str| {
            let newer = variables(&format!("OTEL_EBPF_{name}"));
            newer.or_else(|| variables(&format!("BEYLA_{name}")))
        };
        let rule = rule(&get, variables)?;
        let mut config = String::from("// Made of environment variables by `corten beyla`.\n\n");
        let _ = write!(config, "logging {{\n  level = {}\n}}\n\n", quote(&level(get("LOG_LEVEL").as_deref())));
        config.push_str("beyla.ebpf \"environment\" {\n");
        if let Some(printer) = get("TRACE_PRINTER") {
            let _ = writeln!(config, "  trace_printer = {}", quote(&printer));
        }
        if is_true(get("ENFORCE_SYS_CAPS")) {
            config.push_str("  enforce_sys_caps = true\n");
        }
        config.push_str("\n  discovery {\n    instrument {\n");
        config.push_str(&rule);
        config.push_str("    }\n");
        if get("EXCLUDE_OTEL_INSTRUMENTED_SERVICES").is_some_and(|value| !is_true(Some(value))) {
            config.push_str("\n    exclude_otel_instrumented_services = false\n");
        }
        config.push_str("  }\n");
        sampler(&mut config, variables);
        features(&mut config, &get);
        config.push_str(
            "\n  output {\n    traces  = [otelcol.exporter.OTLP.traces.input]\n    metrics = [otelcol.exporter.OTLP.metrics.input]\n  }\n}\n",
        );
        let mut notes = Vec::new();
        let mut exporters = String::new();
        let mut kinds = Vec::new();
        for signal in ["traces", "metrics"] {
            let (kind, text) = exporter(signal, variables, &mut notes)?;
            kinds.push((signal, kind));
            exporters.push_str(&text);
        }
        for (signal, kind) in kinds {
            config = config.replace(&format!("OTLP.{signal}"), &format!("{kind}.{signal}"));
        }
        config.push_str(&exporters);
        let listen = match get("PROMETHEUS_PORT").filter(|port| port != "0") {
            Some(port) => {
                let port: u16 =
                    port.parse().map_err(|_| Failure::new(format!("BEYLA_PROMETHEUS_PORT: {port:?} is not a port")))?;
                notes.push(format!(
                    "metrics of requests are at http://127.0.0.1:{port}/api/v0/component/beyla.ebpf.environment/metrics"
                ));
                format!("127.0.0.1:{port}")
            }
            None => LISTEN.to_owned(),
        };
        // As a person would keep it.
        let config = corten_syntax::format(&config).unwrap_or(config);
        Ok(Self { config, listen, notes })
    }
}

/// The rule that chooses processes.
fn rule(get: &dyn Fn(&str) -> Option<String>, variables: Variables<'_>) -> Result<String, Failure> {
    let mut rule = String::new();
    let name = variables("OTEL_SERVICE_NAME").or_else(|| get("SERVICE_NAME"));
    let choices = [
        ("open_ports", get("OPEN_PORT")),
        ("exe_path", get("AUTO_TARGET_EXE").or_else(|| get("EXECUTABLE_PATH")).or_else(|| get("EXECUTABLE_NAME"))),
        ("languages", get("AUTO_TARGET_LANGUAGE")),
    ];
    let pids = get("TARGET_PID");
    if choices.iter().all(|(_, value)| value.is_none()) && pids.is_none() {
        return Err(Failure::new(
            "no variable says what to observe\nhelp: BEYLA_OPEN_PORT=8080 observes who listens on that port; \
             `corten beyla --help` has the others",
        ));
    }
    let texts = [("name", name), ("namespace", get("SERVICE_NAMESPACE"))];
    for (argument, value) in texts.into_iter().chain(choices) {
        if let Some(value) = value {
            let _ = writeln!(rule, "      {argument} = {}", quote(&value));
        }
    }
    if let Some(pids) = pids {
        let numbers: Result<Vec<u32>, _> = pids.split(',').map(|pid| pid.trim().parse::<u32>()).collect();
        let numbers =
            numbers.map_err(|_| Failure::new(format!("BEYLA_TARGET_PID: {pids:?} is no list of process numbers")))?;
        let _ = writeln!(rule, "      target_pids = {numbers:?}");
    }
    Ok(rule)
}

fn sampler(config: &mut String, variables: Variables<'_>) {
    let Some(name) = variables("OTEL_TRACES_SAMPLER") else { return };
    let _ = write!(config, "\n  traces {{\n    sampler {{\n      name = {}\n", quote(&name));
    if let Some(arg) = variables("OTEL_TRACES_SAMPLER_ARG") {
        let _ = writeln!(config, "      arg  = {}", quote(&arg));
    }
    config.push_str("    }\n  }\n");
}

fn features(config: &mut String, get: &dyn Fn(&str) -> Option<String>) {
    let Some(features) = get("METRICS_FEATURES").or_else(|| get("PROMETHEUS_FEATURES")) else { return };
    let names: Vec<String> = features.split(',').map(|name| quote(name.trim())).collect();
    let _ = write!(config, "\n  metrics {{\n    features = [{}]\n  }}\n", names.join(", "));
}

/// The exporter of a signal: its kind, and its block.
fn exporter(
    signal: &str,
    variables: Variables<'_>,
    notes: &mut Vec<String>,
) -> Result<(&'static str, String), Failure> {
    let upper = signal.to_uppercase();
    let of = |what: &str| {
        let own = variables(&format!("OTEL_EXPORTER_OTLP_{upper}_{what}"));
        own.or_else(|| variables(&format!("OTEL_EXPORTER_OTLP_{what}")))
    };
    let own = variables(&format!("OTEL_EXPORTER_OTLP_{upper}_ENDPOINT"));
    let endpoint = own.clone().or_else(|| variables("OTEL_EXPORTER_OTLP_ENDPOINT"));
    if endpoint.is_none() && signal == "traces" {
        notes.push(format!("OTEL_EXPORTER_OTLP_ENDPOINT is not set: spans and metrics go to {LOCAL}"));
    }
    let endpoint = endpoint.unwrap_or_else(|| LOCAL.to_owned());
    let protocol = of("PROTOCOL").unwrap_or_else(|| {
        if endpoint.trim_end_matches('/').ends_with(":4317") { "grpc" } else { "http/protobuf" }.to_owned()
    });
    let mut headers = String::new();
    for pair in of("HEADERS").unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::new("OTEL_EXPORTER_OTLP_HEADERS: a part of it is no name=value"))?;
        let _ = writeln!(headers, "      {} = {},", quote(name.trim()), quote(value.trim()));
    }
    let headers = if headers.is_empty() { headers } else { format!("    headers = {{\n{headers}    }}\n") };
    match protocol.as_str() {
        "grpc" => {
            let insecure =
                if endpoint.starts_with("https://") { "" } else { "    tls {\n      insecure = true\n    }\n" };
            let address = endpoint.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
            let text = format!(
                "\notelcol.exporter.otlp \"{signal}\" {{\n  client {{\n    endpoint = {}\n{headers}{insecure}  }}\n}}\n",
                quote(address)
            );
            Ok(("otlp", text))
        }
        "http/protobuf" | "http/json" => {
            // A signal's own endpoint is the whole URL, the common one is its base.
            let whole = own.map(|own| format!("  {signal}_endpoint = {}\n", quote(&own))).unwrap_or_default();
            let text = format!(
                "\notelcol.exporter.otlphttp \"{signal}\" {{\n{whole}  client {{\n    endpoint = {}\n{headers}  }}\n}}\n",
                quote(&endpoint)
            );
            Ok(("otlphttp", text))
        }
        other => Err(Failure::new(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL: {other:?} is not known\nhelp: grpc or http/protobuf"
        ))),
    }
}

fn level(level: Option<&str>) -> String {
    match level.unwrap_or("info").to_lowercase().as_str() {
        level @ ("debug" | "warn" | "error") => level.to_owned(),
        _ => "info".to_owned(),
    }
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| matches!(value.to_lowercase().as_str(), "true" | "1" | "t"))
}

#[cfg(test)]
mod tests {
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
            ("BEYLA_PROMETHEUS_PORT", "9400"),
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
        assert_eq!(made.listen, "127.0.0.1:9400");
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
}
