//! What is telemetry itself, and who already sends his own.
//!
//! A request that exports OTLP is never observed, on no port and from no process: telemetry about telemetry has no end.
//! Other requests to the same port are.

use std::collections::HashMap;

use crate::interpret::exchange::{Ends, Exchange};
use crate::record::Role;

/// The most processes that are remembered.
const PROCESSES: usize = 10_000;

/// Which OTLP signals something exports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exports {
    /// Spans.
    pub traces: bool,
    /// Metrics.
    pub metrics: bool,
}

/// Processes that were seen to export their own telemetry.
#[derive(Debug, Default)]
pub struct Exclusions {
    own: u32,
    respect: bool,
    respect_spans: bool,
    exporting: HashMap<u32, Exports>,
}

impl Exclusions {
    /// With the number of our own process. `respect`: processes that export their own telemetry are left alone;
    /// `respect_spans`: metrics of spans are not made either of those that export their own spans.
    pub fn new(own: u32, respect: bool, respect_spans: bool) -> Self {
        Self { own, respect, respect_spans, exporting: HashMap::new() }
    }

    /// Whether the exchange is telemetry, or our own. Learns from it.
    pub fn is_telemetry(&mut self, exchange: &Exchange) -> bool {
        let Some(exports) = exported(exchange) else { return exchange.pid == self.own || is_ours(exchange) };
        if exchange.role == Role::Client && (exports.traces || exports.metrics) && exchange.pid != self.own {
            if self.exporting.len() >= PROCESSES {
                self.exporting.clear();
            }
            let known = self.exporting.entry(exchange.pid).or_default();
            known.traces |= exports.traces;
            known.metrics |= exports.metrics;
        }
        true
    }

    /// Whether somebody else already makes spans for the process.
    pub fn has_own_traces(&self, pid: u32) -> bool {
        self.respect && self.exporting.get(&pid).is_some_and(|exports| exports.traces)
    }

    /// Whether somebody else already makes metrics for the process.
    pub fn has_own_metrics(&self, pid: u32) -> bool {
        self.respect && self.exporting.get(&pid).is_some_and(|exports| exports.metrics)
    }

    /// Whether somebody else already counts its spans.
    pub fn has_own_span_metrics(&self, pid: u32) -> bool {
        self.respect_spans && self.exporting.get(&pid).is_some_and(|exports| exports.traces)
    }

    /// The process has ended, or runs another program.
    pub fn forget(&mut self, pid: u32) {
        self.exporting.remove(&pid);
    }
}

/// Whether a collector of this machine asked: it scrapes services, and writes to them.
fn is_ours(exchange: &Exchange) -> bool {
    let here = exchange.ends.as_ref().is_some_and(Ends::are_here);
    here && exchange.role != Role::Client && exchange.user_agent.starts_with("Corten/")
}

/// The signals that an exchange exports by OTLP; `None` if it is something else.
fn exported(exchange: &Exchange) -> Option<Exports> {
    const SERVICES: &str = "/opentelemetry.proto.collector.";
    let path = exchange.target.split('?').next().unwrap_or_default();
    if let Some(service) = path.strip_prefix(SERVICES) {
        return Some(Exports { traces: service.starts_with("trace."), metrics: service.starts_with("metrics.") });
    }
    if exchange.method != "POST" {
        return None;
    }
    let is_otlp = exchange.content_type.starts_with("application/x-protobuf")
        || exchange.content_type.starts_with("application/json");
    let end = path.rsplit_once("/v1/").or_else(|| path.rsplit_once("/v1development/")).map(|(_, end)| end)?;
    match end {
        "traces" if is_otlp => Some(Exports { traces: true, metrics: false }),
        "metrics" if is_otlp => Some(Exports { traces: false, metrics: true }),
        "logs" | "profiles" if is_otlp => Some(Exports::default()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(method: &str, target: &str, content_type: &str, role: Role) -> Exchange {
        Exchange {
            method: method.to_owned(),
            target: target.to_owned(),
            content_type: content_type.to_owned(),
            role,
            pid: 5,
            ..Exchange::default()
        }
    }

    #[test]
    fn exports_are_telemetry_and_other_requests_to_the_same_port_are_not() {
        let mut exclusions = Exclusions::new(1, true, true);
        for (target, kind) in [
            ("/v1/traces", "application/x-protobuf"),
            ("/otlp/v1/logs", "application/json; charset=utf-8"),
            ("/v1development/profiles", "application/x-protobuf"),
            ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "application/grpc"),
        ] {
            assert!(exclusions.is_telemetry(&exchange("POST", target, kind, Role::Server)), "{target}");
        }
        for (method, target, kind) in [
            ("GET", "/status", ""),
            ("GET", "/v1/traces", ""),
            ("POST", "/v1/traces", "text/plain"),
            ("POST", "/v1/users", "application/json"),
        ] {
            assert!(!exclusions.is_telemetry(&exchange(method, target, kind, Role::Server)), "{target}");
        }
        let ours = Exchange { user_agent: "Corten/0.1".to_owned(), ..exchange("GET", "/metrics", "", Role::Server) };
        assert!(!exclusions.is_telemetry(&ours), "of another machine");
        let ends = Ends { remote: [127; 16], ..Ends::default() };
        assert!(exclusions.is_telemetry(&Exchange { ends: Some(ends), ..ours }));
        assert!(!exclusions.has_own_traces(5), "a server of telemetry does not send its own");
        assert!(exclusions.is_telemetry(&Exchange { pid: 1, ..Exchange::default() }));
    }

    #[test]
    fn who_sends_his_own_is_left_alone() {
        let export = exchange("POST", "/v1/traces", "application/x-protobuf", Role::Client);
        let mut exclusions = Exclusions::new(1, true, true);
        exclusions.is_telemetry(&export);
        assert!(exclusions.has_own_traces(5) && !exclusions.has_own_metrics(5));
        assert!(exclusions.has_own_span_metrics(5) && !exclusions.has_own_span_metrics(6));
        exclusions.forget(5);
        assert!(!exclusions.has_own_traces(5));
        let mut exclusions = Exclusions::new(1, false, false);
        exclusions.is_telemetry(&export);
        assert!(!exclusions.has_own_traces(5) && !exclusions.has_own_span_metrics(5));
    }
}
