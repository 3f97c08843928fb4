//! What is counted, under the names that dashboards for Prometheus read, and under ours.

use corten_component::Metrics;
use corten_component::metrics::{Counter, Gauge, Histogram, MetricDoc, Metrics, Scope};
use corten_net::client::join_docs;

use super::batch::Counts;

const SECONDS: [f64; 15] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0];

/// Of an endpoint.
#[derive(Metrics)]
pub(super) struct EndpointMetrics {
    /// Total number of samples sent to remote storage.
    #[metric(name = "prometheus_remote_storage_samples_total", labels = ["remote_name", "url"])]
    samples: Counter,
    /// Total number of exemplars sent to remote storage.
    #[metric(name = "prometheus_remote_storage_exemplars_total", labels = ["remote_name", "url"])]
    exemplars: Counter,
    /// Total number of histograms sent to remote storage.
    #[metric(name = "prometheus_remote_storage_histograms_total", labels = ["remote_name", "url"])]
    histograms: Counter,
    /// Total number of metadata entries sent to remote storage.
    #[metric(name = "prometheus_remote_storage_metadata_total", labels = ["remote_name", "url"])]
    pub(super) metadata: Counter,
    /// Total number of samples which failed on send to remote storage, non-recoverable errors.
    #[metric(name = "prometheus_remote_storage_samples_failed_total", labels = ["remote_name", "url"])]
    samples_failed: Counter,
    /// Total number of exemplars which failed on send to remote storage, non-recoverable errors.
    #[metric(name = "prometheus_remote_storage_exemplars_failed_total", labels = ["remote_name", "url"])]
    exemplars_failed: Counter,
    /// Total number of histograms which failed on send to remote storage, non-recoverable errors.
    #[metric(name = "prometheus_remote_storage_histograms_failed_total", labels = ["remote_name", "url"])]
    histograms_failed: Counter,
    /// Total number of metadata entries which failed on send to remote storage, non-recoverable errors.
    #[metric(name = "prometheus_remote_storage_metadata_failed_total", labels = ["remote_name", "url"])]
    pub(super) metadata_failed: Counter,
    /// Total number of samples which failed on send to remote storage but were retried because the send error was
    /// recoverable.
    #[metric(name = "prometheus_remote_storage_samples_retried_total", labels = ["remote_name", "url"])]
    samples_retried: Counter,
    /// Total number of exemplars which failed on send to remote storage but were retried because the send error was
    /// recoverable.
    #[metric(name = "prometheus_remote_storage_exemplars_retried_total", labels = ["remote_name", "url"])]
    exemplars_retried: Counter,
    /// Total number of histograms which failed on send to remote storage but were retried because the send error was
    /// recoverable.
    #[metric(name = "prometheus_remote_storage_histograms_retried_total", labels = ["remote_name", "url"])]
    histograms_retried: Counter,
    /// Total number of metadata entries which failed on send to remote storage but were retried because the send error
    /// was recoverable.
    #[metric(name = "prometheus_remote_storage_metadata_retried_total", labels = ["remote_name", "url"])]
    pub(super) metadata_retried: Counter,
    /// Total number of times enqueue has failed because a shards queue was full.
    #[metric(name = "prometheus_remote_storage_enqueue_retries_total", labels = ["remote_name", "url"])]
    pub(super) enqueue_retries: Counter,
    /// Duration of send calls to the remote storage.
    #[metric(
        name = "prometheus_remote_storage_sent_batch_duration_seconds",
        labels = ["remote_name", "url"],
        buckets = SECONDS
    )]
    pub(super) duration: Histogram,
    /// Highest timestamp that was enqueued, in seconds since epoch; 0 before the first.
    #[metric(name = "prometheus_remote_storage_queue_highest_timestamp_seconds", labels = ["remote_name", "url"])]
    pub(super) highest_enqueued: Gauge,
    /// Highest timestamp successfully sent by this queue, in seconds since epoch; 0 before the first.
    #[metric(name = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds", labels = ["remote_name", "url"])]
    pub(super) highest_sent: Gauge,
    /// The number of samples pending in the queues shards to be sent to the remote storage.
    #[metric(name = "prometheus_remote_storage_samples_pending", labels = ["remote_name", "url"])]
    samples_pending: Gauge,
    /// The number of exemplars pending in the queues shards to be sent to the remote storage.
    #[metric(name = "prometheus_remote_storage_exemplars_pending", labels = ["remote_name", "url"])]
    exemplars_pending: Gauge,
    /// The number of histograms pending in the queues shards to be sent to the remote storage.
    #[metric(name = "prometheus_remote_storage_histograms_pending", labels = ["remote_name", "url"])]
    histograms_pending: Gauge,
    /// The capacity of each shard of the queue used for parallel sending to the remote storage.
    #[metric(name = "prometheus_remote_storage_shard_capacity", labels = ["remote_name", "url"])]
    pub(super) shard_capacity: Gauge,
    /// The number of shards used for parallel sending to the remote storage.
    #[metric(name = "prometheus_remote_storage_shards", labels = ["remote_name", "url"])]
    pub(super) shards: Gauge,
    /// The maximum number of shards that the queue is allowed to run.
    #[metric(name = "prometheus_remote_storage_shards_max", labels = ["remote_name", "url"])]
    pub(super) shards_max: Gauge,
    /// The minimum number of shards that the queue is allowed to run.
    #[metric(name = "prometheus_remote_storage_shards_min", labels = ["remote_name", "url"])]
    pub(super) shards_min: Gauge,
    /// The number of shards that the queues shard calculation wants to run based on the rate of samples in vs. samples
    /// out.
    #[metric(name = "prometheus_remote_storage_shards_desired", labels = ["remote_name", "url"])]
    pub(super) shards_desired: Gauge,
    /// The total number of bytes of data (not metadata) sent by the queue after compression.
    #[metric(name = "prometheus_remote_storage_bytes_total", labels = ["remote_name", "url"])]
    pub(super) bytes: Counter,
    /// The total number of bytes of metadata sent by the queue after compression.
    #[metric(name = "prometheus_remote_storage_metadata_bytes_total", labels = ["remote_name", "url"])]
    pub(super) metadata_bytes: Counter,
    /// The maximum number of samples to be sent, in a single request, to the remote storage. Exemplars count towards
    /// this limit.
    #[metric(name = "prometheus_remote_storage_max_samples_per_send", labels = ["remote_name", "url"])]
    pub(super) max_samples_per_send: Gauge,
    /// Bytes on disk.
    #[metric(name = "corten_remote_write_wal_bytes", labels = ["remote_name", "url"])]
    pub(super) disk_bytes: Gauge,
}

impl EndpointMetrics {
    /// A request goes out.
    pub(super) fn attempted(&self, counts: Counts) {
        self.samples.add(counts.samples);
        self.exemplars.add(counts.exemplars);
        self.histograms.add(counts.histograms);
        self.metadata.add(counts.metadata);
    }

    /// A request goes out once more.
    pub(super) fn retried(&self, counts: Counts) {
        self.samples_retried.add(counts.samples);
        self.exemplars_retried.add(counts.exemplars);
        self.histograms_retried.add(counts.histograms);
        self.metadata_retried.add(counts.metadata);
    }

    /// Something was not taken.
    pub(super) fn failed(&self, counts: Counts) {
        self.samples_failed.add(counts.samples);
        self.exemplars_failed.add(counts.exemplars);
        self.histograms_failed.add(counts.histograms);
    }

    /// What waits in memory has grown, or (`sign` -1) shrunk.
    pub(super) fn pending(&self, counts: Counts, sign: f64) {
        self.samples_pending.add(sign * counts.samples as f64);
        self.exemplars_pending.add(sign * counts.exemplars as f64);
        self.histograms_pending.add(sign * counts.histograms as f64);
    }

    /// Nothing is in memory any more.
    pub(super) fn nothing_pending(&self) {
        for gauge in [&self.samples_pending, &self.exemplars_pending, &self.histograms_pending] {
            gauge.set(0.0);
        }
    }
}

/// What an endpoint has given up after reading it back, by reason.
#[derive(Metrics)]
pub(super) struct DroppedMetrics {
    /// Total number of samples which were dropped after being read from the WAL before being sent via remote write.
    #[metric(name = "prometheus_remote_storage_samples_dropped_total", labels = ["remote_name", "url", "reason"])]
    pub(super) samples: Counter,
    /// Total number of exemplars which were dropped after being read from the WAL before being sent via remote write.
    #[metric(name = "prometheus_remote_storage_exemplars_dropped_total", labels = ["remote_name", "url", "reason"])]
    pub(super) exemplars: Counter,
    /// Total number of histograms which were dropped after being read from the WAL before being sent via remote write.
    #[metric(name = "prometheus_remote_storage_histograms_dropped_total", labels = ["remote_name", "url", "reason"])]
    pub(super) histograms: Counter,
}

impl DroppedMetrics {
    pub(super) fn count(&self, counts: Counts) {
        self.samples.add(counts.samples);
        self.exemplars.add(counts.exemplars);
        self.histograms.add(counts.histograms);
    }
}

/// Where each sample of an endpoint is: accepted = delivered + queued + dropped + rejected, at every moment.
#[derive(Metrics)]
pub(super) struct LawMetrics {
    /// Items that the destination's queue has taken.
    #[metric(name = "corten_delivery_accepted_items_total", labels = ["exporter", "data_type", "remote_name", "url"])]
    pub(super) accepted: Counter,
    /// Items that the destination has confirmed.
    #[metric(name = "corten_delivery_delivered_items_total", labels = ["exporter", "data_type", "remote_name", "url"])]
    pub(super) delivered: Counter,
    /// Items that the destination will never take, by its own word.
    #[metric(name = "corten_delivery_rejected_items_total", labels = ["exporter", "data_type", "remote_name", "url"])]
    pub(super) rejected: Counter,
    /// Items that wait or are under way.
    #[metric(name = "corten_delivery_queued_items", labels = ["exporter", "data_type", "remote_name", "url"])]
    pub(super) queued: Gauge,
}

#[derive(Metrics)]
pub(super) struct LawDropped {
    /// Items that were given up, by reason.
    #[metric(
        name = "corten_delivery_dropped_items_total",
        labels = ["exporter", "data_type", "remote_name", "url", "reason"]
    )]
    pub(super) items: Counter,
}

/// Of all endpoints together: what came in.
#[derive(Metrics)]
pub(super) struct DoorMetrics {
    /// Samples in to remote storage, compare to out total for queue managers.
    #[metric(name = "prometheus_remote_storage_samples_in_total")]
    pub(super) samples_in: Counter,
    /// Exemplars in to remote storage, compare to out total for queue managers.
    #[metric(name = "prometheus_remote_storage_exemplars_in_total")]
    pub(super) exemplars_in: Counter,
    /// Histograms in to remote storage, compare to out total for queue managers.
    #[metric(name = "prometheus_remote_storage_histograms_in_total")]
    pub(super) histograms_in: Counter,
    /// Highest timestamp that has come into the remote storage via the Appender interface, in seconds since epoch; 0
    /// before the first.
    #[metric(name = "prometheus_remote_storage_highest_timestamp_in_seconds")]
    pub(super) highest_in: Gauge,
    /// Total number of samples appended to the WAL.
    #[metric(name = "prometheus_remote_write_wal_samples_appended_total")]
    pub(super) samples_appended: Counter,
    /// Total number of exemplars appended to the WAL.
    #[metric(name = "prometheus_remote_write_wal_exemplars_appended_total")]
    pub(super) exemplars_appended: Counter,
    /// Total number of metadata updates sent through the WAL.
    #[metric(name = "prometheus_remote_write_wal_metadata_updates_total")]
    pub(super) metadata_updates: Counter,
    /// Total number of out of order samples ingestion failed attempts.
    #[metric(name = "prometheus_remote_write_wal_out_of_order_samples_total")]
    pub(super) out_of_order: Counter,
    /// Current number of active series being tracked by the WAL storage.
    #[metric(name = "prometheus_remote_write_wal_storage_active_series")]
    pub(super) active_series: Gauge,
    /// Current number of series marked for deletion from memory.
    #[metric(name = "prometheus_remote_write_wal_storage_deleted_series")]
    _deleted_series: Gauge,
    /// Total number of created series appended to the WAL.
    #[metric(name = "prometheus_remote_write_wal_storage_created_series_total")]
    pub(super) created_series: Counter,
    /// Total number of created series removed from the WAL.
    #[metric(name = "prometheus_remote_write_wal_storage_removed_series_total")]
    pub(super) removed_series: Counter,
    /// Total number of WAL corruptions.
    #[metric(name = "prometheus_remote_write_wal_corruptions_total")]
    pub(super) corruptions: Counter,
    /// Duration of WAL truncation, in seconds.
    #[metric(name = "prometheus_remote_write_wal_truncate_duration_seconds", buckets = SECONDS)]
    pub(super) truncate_duration: Histogram,
}

const FIRST: [MetricDoc; EndpointMetrics::DOCS.len() + DroppedMetrics::DOCS.len()] =
    join_docs(EndpointMetrics::DOCS, DroppedMetrics::DOCS);
const LAW: [MetricDoc; LawMetrics::DOCS.len() + LawDropped::DOCS.len()] = join_docs(LawMetrics::DOCS, LawDropped::DOCS);
const ENDPOINT: [MetricDoc; FIRST.len() + LAW.len()] = join_docs(&FIRST, &LAW);

/// All of them, for the reference page.
pub(super) const DOCS: [MetricDoc; ENDPOINT.len() + DoorMetrics::DOCS.len()] = join_docs(&ENDPOINT, DoorMetrics::DOCS);

/// Removes the series of an endpoint that is no more.
pub(super) fn remove(scope: &Scope, labels: &[(&str, &str)], law: &[(&str, &str)], reasons: &[&str]) {
    let all = |docs: &[MetricDoc], labels: &[(&str, &str)]| docs.iter().for_each(|doc| scope.remove(doc.name, labels));
    all(EndpointMetrics::DOCS, labels);
    all(LawMetrics::DOCS, law);
    for reason in reasons {
        let reason = [("reason", *reason)];
        all(DroppedMetrics::DOCS, &[labels, &reason].concat());
        all(LawDropped::DOCS, &[law, &reason].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_documented_once() {
        let mut names: Vec<&str> = DOCS.iter().map(|doc| doc.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DOCS.len());
    }
}
