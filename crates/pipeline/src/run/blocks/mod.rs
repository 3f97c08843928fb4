//! The blocks of the file that configure the process: `logging`, `tracing`, `http`, `livedebugging`, `remotecfg`.

pub(crate) mod http;
mod tracing;

use std::collections::BTreeMap;
use std::time::Duration;

use ::tracing::Level;
use corten_component::{Arguments, BuildError, Enumeration, Invalid};
use corten_engine::{HostBlock, HostKind};
use corten_syntax::Value;

use crate::http::{Debugging, Wanted};
use crate::logs::{Format, Logs, Settings};
use crate::traces::Traces;

/// How talkative the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
enum LogFormat {
    #[default]
    Logfmt,
    Json,
}

/// Corten's own log.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
struct Logging {
    /// The least severe level that is printed.
    level: LogLevel,
    /// `logfmt` or `json`.
    format: LogFormat,
    /// Where it goes; only standard error.
    destination: String,
    /// Receivers of log entries that get the lines too (not implemented).
    write_to: Vec<Value>,
}

impl Logging {
    fn validate(&self) -> Result<(), Invalid> {
        if !matches!(self.destination.as_str(), "" | "stderr") {
            return Err(Invalid::at(
                "destination",
                format!("destination {:?} is not implemented by Corten", self.destination),
            )
            .with_help("leave it out: the log goes to standard error, which systemd puts into the journal"));
        }
        if !self.write_to.is_empty() {
            return Err(Invalid::at("write_to", "write_to is not implemented by Corten")
                .with_help("read the journal of the service with loki.source.journal instead"));
        }
        Ok(())
    }

    fn settings(&self) -> Settings {
        Settings {
            level: match self.level {
                LogLevel::Debug => Level::DEBUG,
                LogLevel::Info => Level::INFO,
                LogLevel::Warn => Level::WARN,
                LogLevel::Error => Level::ERROR,
            },
            format: match self.format {
                LogFormat::Logfmt => Format::Logfmt,
                LogFormat::Json => Format::Json,
            },
        }
    }
}

/// All of them, for the engine.
pub(super) fn all(logs: Logs, traces: Traces, debugging: Debugging, wanted: Wanted) -> Vec<HostBlock> {
    vec![logging(logs), tracing::block(traces), http::block(wanted), livedebugging(debugging), remotecfg()]
}

fn logging(logs: Logs) -> HostBlock {
    HostBlock::new::<Logging>("logging", HostKind::Config, move |args| {
        logs.configure(args.map_or_else(Settings::default, |args| args.settings()));
        Ok(())
    })
}

/// Live debugging: whether what passes a component may be looked at over HTTP.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
struct LiveDebugging {
    /// Whether it may. Data is shown as it is, to whoever may use the HTTP server.
    enabled: bool,
}

fn livedebugging(debugging: Debugging) -> HostBlock {
    HostBlock::new::<LiveDebugging>("livedebugging", HostKind::Service, move |args| {
        debugging.enable(args.is_some_and(|args| args.enabled));
        Ok(())
    })
}

/// Configuration from a server (not implemented).
#[derive(Debug, Clone, PartialEq, Arguments)]
struct RemoteConfig {
    /// The server; empty is off.
    url: String,
    /// What this collector is called there.
    id: String,
    /// Its name for people.
    name: String,
    /// Its attributes.
    attributes: BTreeMap<String, String>,
    /// How often to ask.
    poll_frequency: Duration,
    /// How to connect.
    #[arg(flatten)]
    client: corten_net::args::HttpClient,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            id: String::new(),
            name: String::new(),
            attributes: BTreeMap::new(),
            poll_frequency: Duration::from_secs(60),
            client: corten_net::args::HttpClient::default(),
        }
    }
}

fn remotecfg() -> HostBlock {
    HostBlock::new::<RemoteConfig>("remotecfg", HostKind::Service, |_| Ok(())).checked::<RemoteConfig>(
        |args| match args.url.as_str() {
            "" => Ok(()),
            _ => Err(BuildError::at("url", "remotecfg is not implemented by Corten")
                .with_help("leave the block out, and use import.http or import.git to share modules between machines")),
        },
    )
}
