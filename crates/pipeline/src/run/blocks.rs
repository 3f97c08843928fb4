//! The blocks of the file that configure the process: `logging`, `tracing`, `http`, `livedebugging`, `remotecfg`.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::{Arguments, BuildError, Enumeration, Invalid};
use corten_engine::{HostBlock, HostKind};
use corten_syntax::{Secret, Value};
use tracing::Level;

use crate::http::{Protection, Wanted};
use crate::logs::{Format, Logs, Settings};

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
pub(super) fn all(logs: Logs, http: Wanted) -> Vec<HostBlock> {
    vec![logging(logs), tracing(), self::http(http), livedebugging(), remotecfg()]
}

fn logging(logs: Logs) -> HostBlock {
    HostBlock::new::<Logging>("logging", HostKind::Config, move |args| {
        logs.configure(args.map_or_else(Settings::default, |args| args.settings()));
        Ok(())
    })
}

/// Traces of Corten itself (not emitted).
#[derive(Debug, Clone, PartialEq, Arguments)]
struct Tracing {
    /// The share of traces that is kept, 0 to 1.
    sampling_fraction: f64,
    /// Consumers that get the spans.
    write_to: Vec<Value>,
    /// Whether outgoing requests carry the trace's id.
    send_traceparent: bool,
    /// Another way to sample.
    #[arg(block)]
    sampler: Sampler,
}

impl Default for Tracing {
    fn default() -> Self {
        Self { sampling_fraction: 0.1, write_to: Vec::new(), send_traceparent: false, sampler: Sampler::default() }
    }
}

/// Another way to sample.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
struct Sampler {
    /// Asks Jaeger.
    #[arg(block)]
    jaeger_remote: JaegerRemote,
}

/// Sampling decisions of a Jaeger collector.
#[derive(Debug, Clone, PartialEq, Arguments)]
struct JaegerRemote {
    /// Where to ask.
    url: String,
    /// How many operations have a rate of their own.
    max_operations: u64,
    /// How often to ask.
    refresh_interval: Duration,
}

impl Default for JaegerRemote {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:5778/sampling".to_owned(),
            max_operations: 256,
            refresh_interval: Duration::from_secs(60),
        }
    }
}

fn tracing() -> HostBlock {
    HostBlock::new::<Tracing>("tracing", HostKind::Config, |args| {
        if args.is_some_and(|args| !args.write_to.is_empty()) {
            tracing::warn!("the tracing block is accepted, but Corten does not emit traces of its own yet");
        }
        Ok(())
    })
}

/// Live debugging in the UI (accepted; there is none yet).
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
struct LiveDebugging {
    /// Whether it is on.
    enabled: bool,
}

fn livedebugging() -> HostBlock {
    HostBlock::new::<LiveDebugging>("livedebugging", HostKind::Service, |args| {
        if args.is_some_and(|args| args.enabled) {
            tracing::warn!("the livedebugging block is accepted, but Corten has no live debugging yet");
        }
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

fn http(wanted: Wanted) -> HostBlock {
    HostBlock::new::<Http>("http", HostKind::Service, move |args| {
        let protection = args.map(|args| Protection::new(&args)).transpose().map_err(|error| error.to_string())?;
        wanted.set(protection.unwrap_or_default());
        Ok(())
    })
    .checked::<Http>(|args| Protection::new(args).map(drop))
}

/// The HTTP server's protection.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub(crate) struct Http {
    /// Who may ask.
    #[arg(block)]
    pub(crate) auth: Option<Auth>,
    /// TLS for the server.
    #[arg(block)]
    pub(crate) tls: Option<Tls>,
}

/// Who may ask.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub(crate) struct Auth {
    /// A user and a password.
    #[arg(block)]
    pub(crate) basic: Option<Basic>,
    /// Which paths are protected; without it all are.
    #[arg(block)]
    pub(crate) filter: Option<Filter>,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub(crate) struct Basic {
    /// The user.
    #[arg(required)]
    pub(crate) username: String,
    /// The password.
    #[arg(required)]
    pub(crate) password: Secret,
}

/// Which paths are protected.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub(crate) struct Filter {
    /// Beginnings of paths.
    pub(crate) paths: Vec<String>,
    /// Whether those that match are protected (`true`) or the others.
    pub(crate) authenticate_matching_paths: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { paths: Vec::new(), authenticate_matching_paths: true }
    }
}

/// TLS for the server.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub(crate) struct Tls {
    /// The certificate and its chain, PEM.
    pub(crate) cert_pem: String,
    /// File with the same.
    pub(crate) cert_file: String,
    /// The private key, PEM.
    pub(crate) key_pem: Secret,
    /// File with the same.
    pub(crate) key_file: String,
    /// Authorities of client certificates, PEM.
    pub(crate) client_ca_pem: String,
    /// File with the same.
    pub(crate) client_ca_file: String,
    /// Whether clients show a certificate, in Go's words (`NoClientCert`, `RequireAndVerifyClientCert`, ...).
    pub(crate) client_auth_type: String,
    /// Names of cipher suites to allow.
    pub(crate) cipher_suites: Vec<String>,
    /// Names of curves to allow.
    pub(crate) curve_preferences: Vec<String>,
    /// The lowest version to accept.
    pub(crate) min_version: String,
    /// The highest version to offer.
    pub(crate) max_version: String,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert_pem: String::new(),
            cert_file: String::new(),
            key_pem: Secret::default(),
            key_file: String::new(),
            client_ca_pem: String::new(),
            client_ca_file: String::new(),
            client_auth_type: "NoClientCert".to_owned(),
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            min_version: String::new(),
            max_version: String::new(),
        }
    }
}

impl Tls {
    fn validate(&self) -> Result<(), Invalid> {
        let one = |file, has_file: bool, pem, has_pem: bool| match (has_file, has_pem) {
            (true, true) => Err(Invalid::at(pem, format!("{file} and {pem} cannot be used together"))),
            (false, false) => Err(Invalid::new(format!("one of {file} and {pem} is required"))),
            _ => Ok(()),
        };
        one("cert_file", !self.cert_file.is_empty(), "cert_pem", !self.cert_pem.is_empty())?;
        one("key_file", !self.key_file.is_empty(), "key_pem", !self.key_pem.is_empty())?;
        if !self.client_ca_file.is_empty() && !self.client_ca_pem.is_empty() {
            return Err(Invalid::at("client_ca_pem", "client_ca_file and client_ca_pem cannot be used together"));
        }
        let needs_ca = match self.client_auth_type.as_str() {
            "NoClientCert" => false,
            "RequireAndVerifyClientCert" | "VerifyClientCertIfGiven" => true,
            "RequestClientCert" | "RequireAnyClientCert" => {
                return Err(Invalid::at("client_auth_type", "certificates that nobody verifies protect nothing")
                    .with_help(
                        "use \"RequireAndVerifyClientCert\" or \"VerifyClientCertIfGiven\" with client_ca_file",
                    ));
            }
            other => {
                return Err(Invalid::at("client_auth_type", format!("unknown client_auth_type {other:?}"))
                    .with_help("use \"NoClientCert\", \"VerifyClientCertIfGiven\" or \"RequireAndVerifyClientCert\""));
            }
        };
        if needs_ca && self.client_ca_file.is_empty() && self.client_ca_pem.is_empty() {
            return Err(Invalid::at(
                "client_auth_type",
                "client certificates can only be verified with client_ca_file or client_ca_pem",
            ));
        }
        Ok(())
    }
}
