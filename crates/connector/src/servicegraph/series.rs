//! What was counted of each edge, and the metrics of it.

use std::time::Duration;

use corten_proto::otlp::common::any_value::Value;
use corten_proto::otlp::metrics::AggregationTemporality::Cumulative;
use corten_signal::otlp::Batch;
use foldhash::quality::RandomState;
use indexmap::IndexMap;
use tokio::time::Instant;

use super::arguments::ServiceGraphArguments;
use super::store::Edge;
use crate::attributes::{Attributes, Packed, put_text};
use crate::distribution::{Distribution, Shape};
use crate::emit::{Head, REQUEST_POINTS, Requests, sum};
use crate::{OVERFLOW, STATE_BYTES};

const SCOPE: &str = "traces_service_graph";

/// A series that counted nothing for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// What is counted besides requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// The other end never came.
    Unpaired,
    /// There was no room to wait for it.
    Dropped,
}

/// What was counted under the same attributes.
#[derive(Debug)]
struct Series {
    attributes: Packed,
    seen: Instant,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Requests { total: u64, failed: bool, server: Distribution, client: Distribution },
    Failing { what: Failing, total: u64 },
}

pub(super) struct AllSeries {
    shape: Shape,
    series: IndexMap<Box<[u8]>, Series, RandomState>,
    bytes: usize,
    /// When counting began, nanoseconds since 1970.
    start: u64,
    key: Vec<u8>,
}

impl AllSeries {
    pub(super) fn new(args: &ServiceGraphArguments, start: u64) -> Self {
        let shape = match usize::try_from(args.exponential_histogram_max_size) {
            Ok(max) if max > 0 => Shape::Exponential(max),
            _ => Shape::explicit(&args.latency_histogram_buckets, 1.0),
        };
        Self { shape, series: IndexMap::default(), bytes: 0, start, key: Vec::new() }
    }

    /// How many series there are, and about how many bytes they take.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.series.len(), self.bytes)
    }

    /// Counts a request. `false`: it had no room for a series of its own.
    pub(super) fn count(&mut self, edge: &Edge, made_up_shown: bool, now: Instant) -> bool {
        self.key.clear();
        for text in [edge.client.as_str(), &edge.server, edge.connection.as_str(), edge.made_up] {
            put_text(&mut self.key, text);
        }
        self.key.push(u8::from(edge.failed));
        for (name, value) in &edge.dimensions {
            put_text(&mut self.key, name);
            put_text(&mut self.key, value);
        }
        let attributes = || {
            let mut attributes = ends(edge);
            attributes.put("failed", Value::BoolValue(edge.failed));
            edge.dimensions.iter().for_each(|(name, value)| attributes.put_text(name, value));
            if made_up_shown {
                attributes.put_text("virtual_node", edge.made_up);
            }
            attributes
        };
        let shape = self.shape.clone();
        let kind = || Kind::Requests { total: 0, failed: edge.failed, server: shape.empty(), client: shape.empty() };
        let (series, own) = self.find(attributes, kind, now);
        if let Some(Series { kind: Kind::Requests { total, server, client, .. }, .. }) = series {
            *total += 1;
            server.observe(&shape, edge.server_latency, 1);
            client.observe(&shape, edge.client_latency, 1);
        }
        own
    }

    /// Counts a span that no request was found for.
    pub(super) fn count_failing(&mut self, what: Failing, edge: &Edge, now: Instant) -> bool {
        self.key.clear();
        self.key.push(2 + what as u8);
        for text in [edge.client.as_str(), &edge.server, edge.connection.as_str()] {
            put_text(&mut self.key, text);
        }
        let (series, own) = self.find(|| ends(edge), || Kind::Failing { what, total: 0 }, now);
        if let Some(Series { kind: Kind::Failing { total, .. }, .. }) = series {
            *total += 1;
        }
        own
    }

    /// The series of `self.key`, or the one for all that had no room.
    fn find(
        &mut self,
        attributes: impl FnOnce() -> Attributes,
        kind: impl FnOnce() -> Kind,
        now: Instant,
    ) -> (Option<&mut Series>, bool) {
        let mut own = true;
        let mut place = self.series.get_index_of(self.key.as_slice());
        if place.is_none() {
            let kind = kind();
            own = self.bytes < STATE_BYTES;
            let attributes = if own {
                attributes()
            } else {
                self.key.clear();
                self.key.push(match &kind {
                    Kind::Requests { failed, .. } => u8::from(*failed),
                    Kind::Failing { what, .. } => 2 + *what as u8,
                });
                let mut overflow = Attributes::default();
                overflow.put(OVERFLOW, Value::BoolValue(true));
                overflow
            };
            place = self.series.get_index_of(self.key.as_slice()).or_else(|| {
                let series = Series { attributes: attributes.pack(), seen: now, kind };
                self.bytes += memory(&self.shape, &self.key, &series);
                Some(self.series.insert_full(self.key.as_slice().into(), series).0)
            });
        }
        let mut series = place.and_then(|place| self.series.get_index_mut(place)).map(|(_, series)| series);
        if let Some(series) = &mut series {
            series.seen = now;
        }
        (series, own)
    }

    /// Forgets series that counted nothing for long.
    pub(super) fn forget(&mut self, now: Instant) {
        self.series.retain(|_, series| now.saturating_duration_since(series.seen) < FORGET_AFTER);
        self.bytes = self.series.iter().map(|(key, series)| memory(&self.shape, key, series)).sum();
    }

    /// The metrics as they are now.
    pub(super) fn metrics(&self, time: u64) -> Vec<Batch> {
        let mut requests = Requests::new(SCOPE);
        let all: Vec<&Series> = self.series.values().collect();
        let head =
            |series: &Series| Head { attributes: series.attributes.list(), start: self.start, time, ..Head::default() };
        let counters: [(&str, fn(&Kind) -> Option<u64>); 4] = [
            ("traces_service_graph_request_total", |kind| match kind {
                Kind::Requests { total, .. } => Some(*total),
                Kind::Failing { .. } => None,
            }),
            ("traces_service_graph_request_failed_total", |kind| match kind {
                Kind::Requests { total, failed: true, .. } => Some(*total),
                _ => None,
            }),
            ("traces_service_graph_unpaired_spans_total", |kind| kind.failing(Failing::Unpaired)),
            ("traces_service_graph_dropped_spans_total", |kind| kind.failing(Failing::Dropped)),
        ];
        for (name, read) in &counters[..2] {
            for some in all.chunks(REQUEST_POINTS) {
                let points = some.iter().filter_map(|series| Some((head(series), read(&series.kind)?)));
                requests.add(0, Vec::new, sum((*name).to_owned(), Cumulative, points));
            }
        }
        let latencies: [(&str, fn(&Kind) -> Option<&Distribution>); 2] = [
            ("traces_service_graph_request_server", |kind| match kind {
                Kind::Requests { server, .. } => Some(server),
                Kind::Failing { .. } => None,
            }),
            ("traces_service_graph_request_client", |kind| match kind {
                Kind::Requests { client, .. } => Some(client),
                Kind::Failing { .. } => None,
            }),
        ];
        for (name, read) in latencies {
            for some in all.chunks(REQUEST_POINTS) {
                let points = some.iter().filter_map(|series| Some((head(series), read(&series.kind)?)));
                requests.add(0, Vec::new, self.shape.metric(name.to_owned(), "s", Cumulative, points));
            }
        }
        for (name, read) in &counters[2..] {
            for some in all.chunks(REQUEST_POINTS) {
                let points = some.iter().filter_map(|series| Some((head(series), read(&series.kind)?)));
                requests.add(0, Vec::new, sum((*name).to_owned(), Cumulative, points));
            }
        }
        requests.finish()
    }
}

impl Kind {
    fn failing(&self, wanted: Failing) -> Option<u64> {
        match self {
            Self::Failing { what, total } if *what == wanted => Some(*total),
            _ => None,
        }
    }
}

fn ends(edge: &Edge) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.put_text("client", &edge.client);
    attributes.put_text("server", &edge.server);
    attributes.put_text("connection_type", edge.connection.as_str());
    attributes
}

fn memory(shape: &Shape, key: &[u8], series: &Series) -> usize {
    let latencies = match series.kind {
        Kind::Requests { .. } => 2 * shape.memory(),
        Kind::Failing { .. } => 0,
    };
    size_of::<Series>() + 64 + key.len() + series.attributes.len() + latencies
}
