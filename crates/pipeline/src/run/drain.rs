//! The end: everything that was accepted leaves, unless nothing moves any more.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use corten_engine::{DrainReport, Engine};

use corten_component::metrics;

/// A destination that takes nothing for so long will not take it in the next minutes either, and systemd waits.
const NO_PROGRESS: Duration = Duration::from_secs(10);

/// Series that change when data leaves. Failed attempts are not among them.
const PROGRESS: &[&str] = &[
    "corten_delivery_delivered_items_total",
    "corten_delivery_queued_items",
    "otelcol_exporter_sent_",
    "loki_write_sent_entries_total",
    "prometheus_remote_storage_bytes_total",
    "pyroscope_write_sent_profiles_total",
];

/// How a drain ended.
#[derive(Debug)]
pub(super) enum Drained {
    /// The engine came to its end; some components may have been abandoned.
    Finished(DrainReport),
    /// Nothing left for [`NO_PROGRESS`].
    Stalled,
}

pub(super) async fn drain(engine: &Engine, metrics: &metrics::Registry, deadline: Duration) -> Drained {
    tokio::select! {
        report = engine.shutdown(deadline) => Drained::Finished(report),
        () = stalled(|| fingerprint(&metrics.render())) => Drained::Stalled,
    }
}

/// Items that were accepted and neither delivered nor stored because the process ends, by exporter.
pub(super) fn lost(text: &str) -> Vec<(String, u64)> {
    let mut lost = BTreeMap::<String, u64>::new();
    for line in text.lines().filter(|line| line.starts_with("corten_delivery_dropped_items_total{")) {
        let label = |name: &str| line.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next());
        let count = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0) as u64;
        if label("reason") == Some("shutdown") && count > 0 {
            *lost.entry(label("exporter").unwrap_or_default().to_owned()).or_default() += count;
        }
    }
    lost.into_iter().collect()
}

/// Resolves when `look` has answered the same for [`NO_PROGRESS`].
async fn stalled(look: impl Fn() -> u64) {
    let mut last = look();
    let mut since = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = look();
        if now != last {
            (last, since) = (now, tokio::time::Instant::now());
        } else if since.elapsed() >= NO_PROGRESS {
            return;
        }
    }
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for line in text.lines().filter(|line| PROGRESS.iter().any(|name| line.starts_with(name))) {
        line.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn failed_attempts_are_no_progress() {
        let before = fingerprint("otelcol_exporter_sent_spans_total 1\notelcol_exporter_send_failed_spans_total 1\n");
        let failed = fingerprint("otelcol_exporter_sent_spans_total 1\notelcol_exporter_send_failed_spans_total 9\n");
        let sent = fingerprint("otelcol_exporter_sent_spans_total 2\notelcol_exporter_send_failed_spans_total 9\n");
        assert_eq!(before, failed);
        assert_ne!(failed, sent);
    }

    #[test]
    fn what_the_end_cost_is_summed_by_exporter() {
        let text = "corten_delivery_dropped_items_total{data_type=\"logs\",exporter=\"a\",reason=\"shutdown\"} 3\n\
            corten_delivery_dropped_items_total{data_type=\"traces\",exporter=\"a\",reason=\"shutdown\"} 4\n\
            corten_delivery_dropped_items_total{data_type=\"traces\",exporter=\"a\",reason=\"queue_full\"} 9\n\
            corten_delivery_dropped_items_total{data_type=\"logs\",exporter=\"b\",reason=\"shutdown\"} 0\n";
        assert_eq!(lost(text), [("a".to_owned(), 7)]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_while_something_moves() {
        let start = tokio::time::Instant::now();
        let end = start + Duration::from_secs(60);
        let ticks = Cell::new(0);
        stalled(|| {
            if tokio::time::Instant::now() < end {
                ticks.set(ticks.get() + 1);
            }
            ticks.get()
        })
        .await;
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(69) && took < Duration::from_secs(72), "{took:?}");
    }
}
