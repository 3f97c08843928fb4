//! Where OTLP goes, by OpenTelemetry's variables.

use std::fmt::Write as _;

use corten_syntax::quote;

use super::{Failure, Variables};

/// Where OTLP goes if no variable says: Corten's own receiver on this machine.
const LOCAL: &str = "http://127.0.0.1:4318";

/// The exporter of a signal.
pub(super) struct Exporter {
    /// `traces` or `metrics`.
    pub(super) signal: &'static str,
    /// What it is referred to by.
    pub(super) name: String,
    /// Its block.
    pub(super) block: String,
}

/// Those that are asked for. If none is, both signals go to this machine, unless metrics are served to be scraped.
pub(super) fn exporters(
    variables: Variables<'_>,
    is_scraped: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<Exporter>, Failure> {
    let signals = ["traces", "metrics"];
    let endpoint = |signal: &str| {
        let own = variables.get(&format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.to_uppercase()));
        own.map(|own| (own, true)).or_else(|| Some((variables.get("OTEL_EXPORTER_OTLP_ENDPOINT")?, false)))
    };
    let is_silent = signals.iter().all(|signal| endpoint(signal).is_none());
    if is_silent && !is_scraped {
        notes.push(format!("OTEL_EXPORTER_OTLP_ENDPOINT is not set: spans and metrics go to {LOCAL}"));
    }
    let local = (is_silent && !is_scraped).then(|| (LOCAL.to_owned(), false));
    let asked = signals.into_iter().filter_map(|signal| Some((signal, endpoint(signal).or_else(|| local.clone())?)));
    asked.map(|(signal, (endpoint, whole))| exporter(signal, &endpoint, whole, variables)).collect()
}

/// `whole`: the endpoint is the URL of the signal, and not the base of all.
fn exporter(signal: &'static str, endpoint: &str, whole: bool, variables: Variables<'_>) -> Result<Exporter, Failure> {
    let of = |what: &str| {
        let own = variables.get(&format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.to_uppercase()));
        own.or_else(|| variables.get(&format!("OTEL_EXPORTER_OTLP_{what}")))
    };
    let protocol = of("PROTOCOL").unwrap_or_else(|| guess(endpoint).to_owned());
    let mut headers = String::new();
    for pair in of("HEADERS").unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::new("OTEL_EXPORTER_OTLP_HEADERS: a part of it is no name=value"))?;
        let _ = writeln!(headers, "      {} = {},", quote(name.trim()), quote(value.trim()));
    }
    let headers = if headers.is_empty() { headers } else { format!("    headers = {{\n{headers}    }}\n") };
    let mut tls = String::new();
    if protocol == "grpc" && !endpoint.starts_with("https://") {
        tls.push_str("      insecure = true\n");
    }
    if variables.is_true("INSECURE_SKIP_VERIFY") {
        tls.push_str("      insecure_skip_verify = true\n");
    }
    if let Some(file) = of("CERTIFICATE") {
        let _ = writeln!(tls, "      ca_file = {}", quote(&file));
    }
    let tls = if tls.is_empty() { tls } else { format!("    tls {{\n{tls}    }}\n") };
    let (kind, arguments, address) = match protocol.as_str() {
        "grpc" => {
            let address = endpoint.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
            ("otlp", String::new(), address)
        }
        "http/protobuf" | "http/json" => {
            let url = if whole { format!("  {signal}_endpoint = {}\n", quote(endpoint)) } else { String::new() };
            ("otlphttp", url, endpoint)
        }
        other => {
            return Err(Failure::new(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL: {other:?} is not known\nhelp: grpc or http/protobuf"
            )));
        }
    };
    let block = format!(
        "\notelcol.exporter.{kind} \"{signal}\" {{\n{arguments}  client {{\n    endpoint = {}\n{headers}{tls}  }}\n}}\n",
        quote(address)
    );
    Ok(Exporter { signal, name: format!("otelcol.exporter.{kind}.{signal}"), block })
}

/// As Beyla does: ports that end so are gRPC's.
fn guess(endpoint: &str) -> &'static str {
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest).split('/').next().unwrap_or_default();
    if authority.ends_with("4317") { "grpc" } else { "http/protobuf" }
}
