//! Spans in, edges out: which span is which end, and what becomes of ends without another.

use corten_proto::otlp::trace::{span::SpanKind, status::StatusCode};
use corten_signal::otlp::Batch;
use corten_signal::otlp::views::{SpanHead, SpanView, ValueView};
use tokio::time::Instant;

use super::arguments::ServiceGraphArguments;
use super::series::{AllSeries, Failing};
use super::store::{Connection, Edge, Key, Put, Store};
use crate::attributes::Names;

/// What became of the spans of a batch, or of waiting requests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) unnamed: u64,
    pub(super) edges: u64,
    pub(super) expired: u64,
    pub(super) dropped: u64,
    pub(super) overflows: u64,
}

pub(super) struct Graph {
    store: Store,
    pub(super) series: AllSeries,
}

/// An end of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Server,
}

impl Graph {
    pub(super) fn new(args: &ServiceGraphArguments, start: u64) -> Self {
        Self { store: Store::default(), series: AllSeries::new(args, start) }
    }

    /// How many requests wait for their other end.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.store.len()
    }

    /// Takes the spans of a batch.
    pub(super) fn take(&mut self, args: &ServiceGraphArguments, batch: &Batch, now: Instant) -> Counts {
        let mut counts = Counts::default();
        for resource in batch.resources() {
            let around = Names::of(resource.attributes());
            let spans = resource.scopes().flat_map(|scope| scope.spans());
            let Some(service) = around.get("service.name").map(text) else {
                counts.unnamed += spans.count() as u64;
                continue;
            };
            for span in spans {
                let head = span.head();
                let (end, connection) = match head.kind() {
                    SpanKind::Client => (End::Client, Connection::Unknown),
                    SpanKind::Producer => (End::Client, Connection::Messaging),
                    SpanKind::Server => (End::Server, Connection::Unknown),
                    SpanKind::Consumer => (End::Server, Connection::Messaging),
                    SpanKind::Internal | SpanKind::Unspecified => continue,
                };
                self.span(args, (&service, &around), (&span, &head), end, connection, now, &mut counts);
            }
        }
        counts
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are one span's")]
    fn span(
        &mut self,
        args: &ServiceGraphArguments,
        (service, around): (&str, &Names<'_>),
        (span, head): (&SpanView<'_>, &SpanHead<'_>),
        end: End,
        connection: Connection,
        now: Instant,
        counts: &mut Counts,
    ) {
        let id = if end == End::Client { head.span_id() } else { head.parent_span_id() };
        let key = Key {
            trace: head.trace_id().bytes().try_into().unwrap_or_default(),
            span: id.bytes().try_into().unwrap_or_default(),
        };
        let most = usize::try_from(args.store.max_items).unwrap_or(usize::MAX);
        let put = self.store.put(key, most, now, |edge| fill(edge, args, service, around, span, head, end, connection));
        match put {
            Put::New => counts.edges += 1,
            Put::Known => {}
            Put::Complete { edge, new } => {
                counts.edges += u64::from(new);
                self.count(args, &edge, now, counts);
            }
            Put::Full(edge) => {
                counts.dropped += 1;
                counts.overflows += u64::from(!self.series.count_failing(Failing::Dropped, &edge, now));
            }
        }
    }

    fn count(&mut self, args: &ServiceGraphArguments, edge: &Edge, now: Instant, counts: &mut Counts) {
        let own = self.series.count(edge, args.virtual_node_extra_label, now);
        counts.overflows += u64::from(!own);
    }

    /// Lets go of requests that have waited too long, and makes up their other end where that can be told.
    pub(super) fn expire(&mut self, args: &ServiceGraphArguments, now: Instant) -> Counts {
        let mut counts = Counts::default();
        while let Some((key, mut edge)) = self.store.expire(args.store.ttl, now) {
            counts.expired += 1;
            let may_make_up = !args.virtual_node_peer_attributes.is_empty();
            let made_up = match (edge.client.is_empty(), edge.server.is_empty()) {
                // A span without a parent: whoever asked sends no spans.
                (true, false) if may_make_up && key.span == [0; 8] => {
                    edge.client = "user".to_owned();
                    "client"
                }
                (false, true) if may_make_up => {
                    edge.server = edge.peer.take().unwrap_or_else(|| "unknown".to_owned());
                    "server"
                }
                _ => {
                    counts.overflows += u64::from(!self.series.count_failing(Failing::Unpaired, &edge, now));
                    continue;
                }
            };
            edge.connection = Connection::Virtual;
            if args.virtual_node_extra_label {
                edge.made_up = made_up;
            }
            self.count(args, &edge, now, &mut counts);
        }
        counts
    }
}

/// Adds to a request what a span at one of its ends tells.
#[allow(clippy::too_many_arguments, reason = "all of them are one span's")]
fn fill(
    edge: &mut Edge,
    args: &ServiceGraphArguments,
    service: &str,
    around: &Names<'_>,
    span: &SpanView<'_>,
    head: &SpanHead<'_>,
    end: End,
    connection: Connection,
) {
    let reads = !args.dimensions.is_empty() || end == End::Client;
    let own = if reads { Names::of(span.attributes()) } else { Names::default() };
    let latency = head.nanoseconds() as f64 / 1e9;
    edge.connection = connection;
    edge.failed |= head.status() == StatusCode::Error;
    let prefix = if end == End::Client { "client_" } else { "server_" };
    for dimension in &args.dimensions {
        if let Some(value) = around.get(dimension).or_else(|| own.get(dimension)) {
            let (name, value) = (format!("{prefix}{dimension}"), text(value));
            match edge.dimensions.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => edge.dimensions.push((name, value)),
            }
        }
    }
    // The order of the ends is not that of the series.
    edge.dimensions.sort_unstable();
    if end == End::Server {
        (edge.server, edge.server_latency) = (service.to_owned(), latency);
        return;
    }
    (edge.client, edge.client_latency) = (service.to_owned(), latency);
    edge.peer = args.virtual_node_peer_attributes.iter().find_map(|name| own.get(name)).map(text);
    let database = args.database_name_attributes.iter().find_map(|name| around.get(name).or_else(|| own.get(name)));
    if let Some(database) = database {
        // No other span will come.
        edge.connection = Connection::Database;
        (edge.server, edge.server_latency) = (text(database), latency);
    }
}

fn text(value: ValueView<'_>) -> String {
    value.to_string()
}
