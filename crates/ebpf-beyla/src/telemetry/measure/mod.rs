//! Durations, sizes, spans and the service graph, as metrics: for OTLP and for Prometheus.
//!
//! Names, attributes and buckets are Beyla's, so that its dashboards find them. The number of series is bounded; what
//! does not fit is counted. Series that were not used for some minutes are given up.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Measures`]: counts |
//! | `family.rs` | [`Family`]: names and attributes |
//! | `settings.rs` | [`MeasureSettings`]: what the file says of it |
//! | `info.rs` | what is known of services and of the machine |
//! | `usage.rs` | what processes use |
//! | `otlp.rs`, `prometheus.rs` | the ways out |

mod family;
mod info;
mod otlp;
mod prometheus;
mod settings;
mod usage;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use self::family::Family;
use self::family::SERVICE;
pub use self::settings::{BYTES, Features, MeasureSettings, SECONDS, SpanNames};
use self::usage::Used;
pub use self::usage::{Owner, Usage};
use super::service::Service;
use super::view::{View, grpc_status};
use crate::record;

/// The most series.
const SERIES: usize = 20_000;
/// The name of spans beyond the most that a service may have.
const AGGREGATED: &str = "AGGREGATED";
/// Who made the series: Beyla's word, which queries may have.
const SOURCE: &str = "beyla";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    service: Arc<Service>,
    family: Family,
    /// Names and values, in the order of the names.
    labels: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, Default)]
struct Series {
    counts: Vec<u64>,
    count: u64,
    sum: f64,
    begun: u64,
    used: u64,
}

/// Which attributes of a family are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shown {
    /// Of the request.
    request: Vec<&'static str>,
    /// Of the service, for Prometheus.
    service: Vec<&'static str>,
}

/// Who is at the other end of an exchange, if that is a process that is observed too.
pub type Other<'a> = Option<&'a Service>;

/// All series.
#[derive(Debug)]
pub struct Measures {
    settings: MeasureSettings,
    shown: HashMap<Family, Shown>,
    series: HashMap<Key, Series>,
    span_names: HashMap<Arc<Service>, HashSet<String>>,
    /// Processes that are observed, and those of which it is only told that they are there.
    processes: [HashMap<u32, Arc<Service>>; 2],
    used: HashMap<u32, Used>,
    overflow: u64,
}

impl Measures {
    /// None yet.
    pub fn new(settings: MeasureSettings) -> Self {
        let shown = |family: Family| {
            let about = family.about();
            let all: Vec<_> = family.attributes().iter().chain(SERVICE).copied().collect();
            let mut shown = settings.select.shown(about.name, &all);
            shown.sort_unstable();
            let (service, request) = shown.into_iter().partition(|name| SERVICE.iter().any(|(known, _)| known == name));
            (family, Shown { request, service })
        };
        let shown = Family::CHOSEN.into_iter().map(shown).collect();
        Self {
            settings,
            shown,
            series: HashMap::new(),
            span_names: HashMap::new(),
            processes: Default::default(),
            used: HashMap::new(),
            overflow: 0,
        }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.processes.iter().all(HashMap::is_empty)
    }

    /// Values that found no place, since this was last asked.
    pub fn take_overflow(&mut self) -> u64 {
        std::mem::take(&mut self.overflow)
    }

    /// A process is observed, or only surveyed.
    pub fn appeared(&mut self, pid: u32, service: &Arc<Service>, surveyed: bool) {
        self.processes[usize::from(surveyed)].insert(pid, Arc::clone(service));
    }

    /// A process has ended, or is observed no more.
    pub fn ended(&mut self, pid: u32) {
        self.processes.iter_mut().for_each(|processes| {
            processes.remove(&pid);
        });
        self.used.remove(&pid);
    }

    /// Counts an exchange; `now` in nanoseconds since 1970.
    pub fn observe(&mut self, service: &Arc<Service>, view: &View<'_>, now: u64) {
        if self.settings.features.application {
            self.application(service, view, now);
        }
    }

    /// Counts it as a span: span metrics and the service graph.
    pub fn observe_span(&mut self, service: &Arc<Service>, view: &View<'_>, name: &str, other: Other<'_>, now: u64) {
        self.span(service, view, name, now);
        if self.settings.features.graph {
            self.graph(service, view, other, now);
        }
    }

    /// Gives up series that were not used since `before`.
    pub fn expire(&mut self, before: u64) {
        self.series.retain(|_, series| series.used >= before);
        let in_use: HashSet<Arc<Service>> = self.series.keys().map(|key| Arc::clone(&key.service)).collect();
        self.span_names.retain(|service, _| in_use.contains(service));
    }

    fn application(&mut self, service: &Arc<Service>, view: &View<'_>, now: u64) {
        let (server, seconds) = (view.is_server(), view.seconds());
        if view.exchange.is_grpc() {
            let family = if server { Family::RpcServerDuration } else { Family::RpcClientDuration };
            return self.add(service, family, self.labels(family, view), seconds, now);
        }
        let families = match server {
            true => [Family::HttpServerDuration, Family::HttpServerRequestSize, Family::HttpServerResponseSize],
            false => [Family::HttpClientDuration, Family::HttpClientRequestSize, Family::HttpClientResponseSize],
        };
        let values = [seconds, view.exchange.request_body as f64, view.exchange.response_body as f64];
        for (family, value) in families.into_iter().zip(values) {
            self.add(service, family, self.labels(family, view), value, now);
        }
    }

    fn labels(&self, family: Family, view: &View<'_>) -> Vec<(&'static str, String)> {
        let shown = self.shown.get(&family).map_or(&[][..], |shown| &shown.request);
        shown.iter().filter_map(|name| Some((*name, attribute(name, view)?))).collect()
    }

    fn span(&mut self, service: &Arc<Service>, view: &View<'_>, name: &str, now: u64) {
        let features = self.settings.features;
        if features.spans.is_none() && !features.sizes {
            return;
        }
        let name = self.span_name(service, name);
        let status = if view.error.is_some() { "STATUS_CODE_ERROR" } else { "STATUS_CODE_UNSET" };
        let kind = if view.is_server() { "SPAN_KIND_SERVER" } else { "SPAN_KIND_CLIENT" };
        let labels = vec![
            ("source", SOURCE.to_owned()),
            ("span.kind", kind.to_owned()),
            ("span.name", name),
            ("status.code", status.to_owned()),
        ];
        let mut counts = Vec::new();
        match features.spans {
            Some(SpanNames::Tempo) => counts.extend([(Family::SpanLatency, view.seconds()), (Family::SpanCalls, 1.0)]),
            Some(SpanNames::Otel) => {
                counts.extend([(Family::SpanDuration, view.seconds()), (Family::SpanCallsOtel, 1.0)]);
            }
            None => {}
        }
        if features.sizes {
            let exchange = view.exchange;
            counts.push((Family::SpanRequestSize, exchange.request_body as f64));
            counts.push((Family::SpanResponseSize, exchange.response_body as f64));
        }
        for (family, value) in counts {
            self.add(service, family, labels.clone(), value, now);
        }
    }

    /// The name under which a span is counted: only so many of a service have their own.
    fn span_name(&mut self, service: &Arc<Service>, name: &str) -> String {
        let most = self.settings.span_names;
        let known = self.span_names.entry(Arc::clone(service)).or_default();
        if most == 0 || known.contains(name) {
            return name.to_owned();
        }
        if known.len() >= most {
            return AGGREGATED.to_owned();
        }
        known.insert(name.to_owned());
        name.to_owned()
    }

    fn graph(&mut self, service: &Arc<Service>, view: &View<'_>, other: Other<'_>, now: u64) {
        let is_server = view.is_server();
        let own = (service.name.as_str(), service.namespace.as_str());
        let there = other.map_or_else(
            || (if is_server { view.peer.as_str() } else { view.server.as_str() }, ""),
            |other| (other.name.as_str(), other.namespace.as_str()),
        );
        let same_address = || {
            let ends = view.exchange.ends.as_ref().filter(|ends| ends.family != record::Family::Unix);
            ends.is_some_and(|ends| ends.local == ends.remote)
        };
        let itself = if other.is_some() { own == there } else { there.0 == own.0 || same_address() };
        if itself && !self.settings.self_references {
            return;
        }
        let (client, server) = if is_server { (there, own) } else { (own, there) };
        let mut labels = vec![
            ("client", client.0.to_owned()),
            ("client_service_namespace", client.1.to_owned()),
            ("server", server.0.to_owned()),
            ("server_service_namespace", server.1.to_owned()),
            ("source", SOURCE.to_owned()),
        ];
        // A call to somebody who is not observed is counted here, since nobody else does.
        let unseen = !is_server && other.is_none();
        if unseen {
            labels.insert(2, ("connection_type", "virtual_node".to_owned()));
        }
        let family = if is_server { Family::GraphServer } else { Family::GraphClient };
        self.add(service, family, labels.clone(), view.seconds(), now);
        if is_server || unseen {
            self.add(service, Family::GraphTotal, labels.clone(), 1.0, now);
        }
        if view.error.is_some() {
            self.add(service, Family::GraphFailed, labels, 1.0, now);
        }
    }

    fn add(
        &mut self,
        service: &Arc<Service>,
        family: Family,
        labels: Vec<(&'static str, String)>,
        value: f64,
        now: u64,
    ) {
        let key = Key { service: Arc::clone(service), family, labels };
        if self.series.len() >= SERIES && !self.series.contains_key(&key) {
            self.overflow += 1;
            return;
        }
        let series = self.series.entry(key).or_insert_with(|| Series { begun: now, ..Series::default() });
        if let Some(bounds) = self.settings.bounds(family) {
            series.counts.resize(bounds.len() + 1, 0);
            series.counts[bounds.partition_point(|bound| *bound < value)] += 1;
        }
        series.count += 1;
        series.sum += value;
        series.used = now;
    }

    /// The series in an order that does not change.
    fn sorted(&self) -> Vec<(&Key, &Series)> {
        let mut all: Vec<_> = self.series.iter().collect();
        all.sort_by(|(a, _), (b, _)| {
            let order = |key: &Key| (key.family, key.service.job(), key.service.instance.clone());
            order(a).cmp(&order(b)).then_with(|| a.labels.cmp(&b.labels))
        });
        all
    }
}

/// An attribute of a request, as metrics tell it; `None` if the request has none.
fn attribute(name: &str, view: &View<'_>) -> Option<String> {
    let exchange = view.exchange;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    match name {
        "client.address" => some(&view.peer),
        "http.request.method" => some(view.method),
        "http.response.status_code" => exchange.status.map(|status| status.to_string()),
        "http.route" => some(&view.route),
        "rpc.grpc.status_code" => Some(exchange.grpc_status.unwrap_or(UNKNOWN).to_string()),
        "rpc.method" => some(view.rpc_method()),
        "rpc.response.status_code" => Some(grpc_status(exchange.grpc_status.unwrap_or(UNKNOWN))),
        "rpc.system" => Some("grpc".to_owned()),
        "server.address" => some(&view.server),
        "server.port" => (view.server_port != 0).then(|| view.server_port.to_string()),
        "url.path" => some(view.path),
        "url.scheme" => some(view.scheme),
        _ => None,
    }
}

/// gRPC's code for a call whose end tells none.
const UNKNOWN: u32 = 2;

#[cfg(test)]
mod tests;
