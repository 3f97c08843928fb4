//! `corten beyla`: observes services as environment variables say, in place of the `beyla` program of a unit.
//!
//! The variables become a configuration, which runs like any other; `--print-config` shows it, to be kept as a file.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the command, and what the variables make |
//! | `component.rs` | the block `beyla.ebpf` |
//! | `exporter.rs` | where OTLP goes |

mod component;
mod exporter;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use clap::{Arg, ArgAction, ArgMatches, Command};
use corten_syntax::quote;

use super::{Failure, complain, print};
use crate::run::{Extra, Options, Source};

/// The address of the HTTP server.
const LISTEN: &str = "127.0.0.1:12346";
/// The component that the variables make.
const COMPONENT: &str = "beyla.ebpf.environment";

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
             BEYLA_PROMETHEUS_PORT        serve metrics on this port of 127.0.0.1, or on ADDRESS:PORT\n\
             BEYLA_PROMETHEUS_PATH        at this path; /metrics if it is not set\n\
             BEYLA_METRICS_FEATURES       application, application_span, application_service_graph, ...\n\
             BEYLA_TRACE_PRINTER          text or json: print spans\n\
             OTEL_EXPORTER_OTLP_ENDPOINT  where spans and metrics go; http://127.0.0.1:4318 if neither it, nor one of a\n\
             \u{20}                            signal, nor BEYLA_PROMETHEUS_PORT is set\n\n\
             Each other argument of beyla.ebpf that Beyla has a variable for is taken from that. \
             `corten doctor ebpf` says what this machine allows.",
        )
        .arg(
            Arg::new("listen")
                .long("server.http.listen-addr")
                .value_name("ADDRESS")
                .default_value(LISTEN)
                .help("Address of the HTTP server"),
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
    let source = Source::Made { name: "environment", text: made.config };
    let listen = matches.get_one::<String>("listen").map_or_else(|| LISTEN.to_owned(), Clone::clone);
    crate::run::run(Options { listen, extra: made.extra, ..Options::new(source) })
}

/// What the variables make.
#[derive(Debug)]
struct Made {
    config: String,
    extra: Option<Extra>,
    notes: Vec<String>,
}

/// Reads variables.
#[derive(Clone, Copy)]
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// A variable as it is named.
    fn get(self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    /// One of Beyla's, by any of its names; the newer one counts more.
    fn own(self, name: &str) -> Option<String> {
        ["OTEL_EBPF_", "BEYLA_", "BEYLA_OTEL_"].iter().find_map(|begin| self.get(&format!("{begin}{name}")))
    }

    fn is_true(self, name: &str) -> bool {
        self.own(name).is_some_and(|value| is_true(&value))
    }
}

impl Made {
    fn from(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let variables = Variables(get);
        let extra = extra(variables)?;
        let mut notes = Vec::new();
        let exporters = exporter::exporters(variables, extra.is_some(), &mut notes)?;
        let mut config = String::from("// Made of environment variables by `corten beyla`.\n\n");
        let level = level(variables.own("LOG_LEVEL").as_deref());
        let _ = write!(config, "logging {{\n  level = {}\n}}\n\n", quote(&level));
        component::write(&mut config, variables, &exporters)?;
        exporters.iter().for_each(|exporter| config.push_str(&exporter.block));
        if variables.own("CONFIG_PATH").is_some() {
            notes.push(
                "BEYLA_CONFIG_PATH is not read: `corten beyla --print-config` shows what the variables make, to go on from"
                    .to_owned(),
            );
        }
        for name in ["METRICS_INTERVAL", "KUBE_METADATA_ENABLE", "NETWORK_METRICS"] {
            if variables.own(name).is_some_and(|value| value != "false") {
                notes.push(format!("BEYLA_{name} has no effect"));
            }
        }
        // As a person would keep it.
        let config = corten_syntax::format(&config).unwrap_or(config);
        Ok(Self { config, extra, notes })
    }
}

/// Where Prometheus finds the metrics.
fn extra(variables: Variables<'_>) -> Result<Option<Extra>, Failure> {
    let Some(port) = variables.own("PROMETHEUS_PORT").filter(|port| port != "0") else { return Ok(None) };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let listen = match port.rsplit_once(':') {
        None if is_port(&port) => format!("127.0.0.1:{port}"),
        Some((_, end)) if is_port(end) => port,
        _ => return Err(Failure::new(format!("BEYLA_PROMETHEUS_PORT: {port:?} is not a port"))),
    };
    let path = variables.own("PROMETHEUS_PATH").unwrap_or_else(|| "/metrics".to_owned());
    if !path.starts_with('/') {
        return Err(Failure::new(format!("BEYLA_PROMETHEUS_PATH: {path:?} does not begin with a slash")));
    }
    Ok(Some(Extra { listen, path, component: COMPONENT, about: "requests of services" }))
}

fn level(level: Option<&str>) -> String {
    match level.unwrap_or("info").to_lowercase().as_str() {
        level @ ("debug" | "warn" | "error") => level.to_owned(),
        _ => "info".to_owned(),
    }
}

fn is_true(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "true" | "1" | "t")
}
