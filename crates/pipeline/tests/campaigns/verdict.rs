//! The collector's own word on what became of the items.

use std::net::SocketAddr;

use corten_testkit::{Collector, Samples, Sink, eventually};

use crate::load::{Book, Load, Shape};
use crate::pipeline::Destination;

/// What a destination's counters say, in spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counts {
    pub(crate) accepted: f64,
    pub(crate) delivered: f64,
    pub(crate) rejected: f64,
    pub(crate) queued: f64,
    pub(crate) dropped: f64,
}

impl Counts {
    pub(crate) fn of(samples: &Samples, name: &str) -> Self {
        let exporter = Destination::label(name);
        let sum = |metric: &str| samples.sum(metric, &[("exporter", &exporter), ("data_type", "traces")]);
        Self {
            accepted: sum("corten_delivery_accepted_items_total"),
            delivered: sum("corten_delivery_delivered_items_total"),
            rejected: sum("corten_delivery_rejected_items_total"),
            queued: sum("corten_delivery_queued_items"),
            dropped: sum("corten_delivery_dropped_items_total"),
        }
    }
}

/// Sends a last span, waits until it has come to each of the back ends, and then until nothing is queued any more: so
/// nothing is left in any stage, or still to be read from a disk.
pub(crate) async fn drained(collector: &Collector, door: SocketAddr, sinks: &[&Sink], book: &mut Book) {
    let marker = Load::start(door, &format!("marker-{}", collector.pid()), Shape { clients: 1, ..Shape::default() });
    marker.more(1);
    let marker = marker.finish().await;
    tokio::task::block_in_place(|| {
        eventually("the last span to arrive", || {
            let has =
                |sink: &&Sink| sink.with_span_names(|names| marker.safe.iter().all(|name| names.contains_key(name)));
            sinks.iter().all(has).then_some(())
        });
        emptied(collector);
    });
    book.add(marker);
}

/// Waits until nothing is queued for any destination.
pub(crate) fn emptied(collector: &Collector) {
    eventually("the queues to be empty", || {
        (collector.metrics().sum("corten_delivery_queued_items", &[("data_type", "traces")]) == 0.0).then_some(())
    });
}

/// The conservation law, once nothing moves: accepted = delivered + queued + dropped + rejected, to the item.
pub(crate) fn conserved(collector: &Collector, name: &str, what: &str) -> Counts {
    let counts = Counts::of(&collector.metrics(), name);
    let Counts { accepted, delivered, rejected, queued, dropped } = counts;
    assert!(accepted > 0.0, "{what}: {name} has taken nothing");
    assert_eq!(accepted, delivered + queued + dropped + rejected, "{what}: {name}: {counts:?}");
    assert_eq!(collector.metrics().sum("corten_lost_items_total", &[]), 0.0, "{what}: items vanished inside");
    counts
}
