//! `discovery.dns`: records of names.
//!
//! | file | what it holds |
//! |---|---|
//! | `message.rs` | [`message`]: questions and answers as bytes |
//! | `config.rs` | `/etc/resolv.conf`: servers, and names to try |
//! | `resolve.rs` | asking servers, over UDP and TCP |
//!
//! This is a resolver of its own, of a few hundred lines: what Prometheus does here (each lookup asks the servers of
//! `resolv.conf` in their order, nothing is cached) is a small part of what resolver libraries bring.

mod config;
pub mod message;
mod resolve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::{Counter, MetricDoc, Metrics as _, Scope};
use corten_component::{Arguments, BuildError, Health, Invalid, Metrics};
use corten_signal::labels::Labels;
use futures_util::future::join_all;

use crate::source::Source;
use config::Config;
use message::{Kind, Record};

/// The arguments of `discovery.dns`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct DnsArguments {
    /// Names to look up.
    #[arg(required)]
    pub names: Vec<String>,
    /// How often to look.
    pub refresh_interval: Duration,
    /// The type of records: `SRV`, `A`, `AAAA`, `MX` or `NS`, in any case.
    #[arg(name = "type")]
    pub kind: String,
    /// The port of the targets; records of type `SRV` have their own.
    pub port: u16,
}

impl Default for DnsArguments {
    fn default() -> Self {
        Self { names: Vec::new(), refresh_interval: Duration::from_secs(30), kind: "SRV".to_owned(), port: 0 }
    }
}

impl DnsArguments {
    fn validate(&self) -> Result<(), Invalid> {
        let Some(kind) = self.kind() else {
            return Err(Invalid::at("type", format!("invalid DNS-SD records type {:?}", self.kind))
                .with_help("expected SRV, A, AAAA, MX or NS"));
        };
        if kind != Kind::Srv && self.port == 0 {
            let message = "a port is required in DNS-SD configs for all record types except SRV";
            return Err(Invalid::at("port", message));
        }
        if self.refresh_interval.is_zero() {
            return Err(Invalid::at("refresh_interval", "refresh_interval must be greater than zero"));
        }
        Ok(())
    }

    fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(&self.kind))
    }
}

/// What the component counts.
#[derive(Debug, Clone, Metrics)]
struct Meters {
    /// Lookups.
    #[metric(name = "prometheus_sd_dns_lookups_total")]
    lookups: Counter,
    /// Lookups that no server answered.
    #[metric(name = "prometheus_sd_dns_lookup_failures_total")]
    failures: Counter,
}

/// `discovery.dns`.
pub struct Dns {
    args: Arc<DnsArguments>,
    /// Which servers to ask; read for each look.
    config: Box<dyn Fn() -> std::io::Result<Config> + Send + Sync>,
    /// What each name had when it was last answered for.
    found: BTreeMap<String, Vec<Labels>>,
    meters: Meters,
    health: Health,
}

impl Source for Dns {
    const NAME: &'static str = "discovery.dns";
    const DOC: &'static str = "Finds targets by records of the domain name system.\n\n\
        The servers and search domains of `/etc/resolv.conf` are asked. A name that no server answers for keeps the \
        targets that it had. Each target gets `__meta_dns_name`, and of its record \
        `__meta_dns_srv_record_target`, `__meta_dns_srv_record_port`, `__meta_dns_mx_record_target` or \
        `__meta_dns_ns_record_target`.";
    const METRICS: &'static [MetricDoc] = Meters::DOCS;
    type Arguments = DnsArguments;

    fn new(args: Arc<DnsArguments>, metrics: &Scope, health: &Health) -> Result<Self, BuildError> {
        let meters = Meters::register(metrics, &[]);
        let config = Box::new(|| Config::read(Path::new("/etc/resolv.conf")));
        Ok(Self { args, config, found: BTreeMap::new(), meters, health: health.clone() })
    }

    async fn look(&mut self) -> Option<Vec<Labels>> {
        let kind = self.args.kind()?;
        let config = match (self.config)() {
            Ok(config) => config,
            Err(error) => {
                self.meters.lookups.add(self.args.names.len() as u64);
                self.meters.failures.add(self.args.names.len() as u64);
                self.health.unhealthy(format!("/etc/resolv.conf cannot be read: {error}"));
                return None;
            }
        };
        let lookups = self.args.names.iter().map(|name| resolve::lookup(name, kind, &config));
        let answers = join_all(lookups).await;
        let mut failed = Vec::new();
        for (name, answer) in self.args.names.iter().zip(answers) {
            self.meters.lookups.inc();
            match answer {
                Ok(records) => {
                    let targets = records.iter().map(|record| target(name, record, self.args.port));
                    let mut targets: Vec<Labels> = targets.collect();
                    // Servers take turns with the order of records, which means no change.
                    targets.sort();
                    self.found.insert(name.clone(), targets);
                }
                Err(why) => {
                    self.meters.failures.inc();
                    tracing::error!(name, err = why, "the name could not be looked up");
                    failed.push(why);
                }
            }
        }
        match failed.is_empty() {
            true => self.health.healthy(format!("{} names have been looked up", self.args.names.len())),
            false => self.health.unhealthy(failed.join("; ")),
        }
        Some(self.found.values().flatten().cloned().collect())
    }

    fn update(&mut self, args: Arc<DnsArguments>) {
        let keeps = args.kind == self.args.kind && args.port == self.args.port;
        self.found.retain(|name, _| keeps && args.names.contains(name));
        self.args = args;
    }

    fn interval(&self) -> Duration {
        self.args.refresh_interval
    }
}

fn target(name: &str, record: &Record, port: u16) -> Labels {
    // A rooted name looks more usual without its dot.
    let host_port = |host: &str, port: u16| {
        let host = host.trim_end_matches('.');
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    };
    let mut labels = vec![("__meta_dns_name", name.to_owned())];
    let address = match record {
        Record::A(address) => host_port(&address.to_string(), port),
        Record::Aaaa(address) => host_port(&address.to_string(), port),
        Record::Srv { target, port } => {
            labels.push(("__meta_dns_srv_record_target", target.clone()));
            labels.push(("__meta_dns_srv_record_port", port.to_string()));
            host_port(target, *port)
        }
        Record::Mx(target) => {
            labels.push(("__meta_dns_mx_record_target", target.clone()));
            host_port(target, port)
        }
        Record::Ns(target) => {
            labels.push(("__meta_dns_ns_record_target", target.clone()));
            host_port(target, port)
        }
    };
    labels.push(("__address__", address));
    Labels::from_pairs(labels)
}
