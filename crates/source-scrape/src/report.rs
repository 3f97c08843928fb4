//! What each scrape says of itself: `up`, `scrape_duration_seconds` and the others.

use std::sync::Arc;

use corten_signal::labels::{Labels, NAME};
use corten_signal::samples::{Metadata, MetricKind, STALE, Sample, SampleValue};

use crate::cache::Ended;

/// Name, unit and help, in the order of the values of a [`Report`].
const SERIES: [(&str, &str, &str); 8] = [
    ("up", "targets", "Health of the scrape target: 1 if it is up, 0 if the scrape failed."),
    ("scrape_duration_seconds", "seconds", "Duration of the last scrape in seconds."),
    ("scrape_samples_scraped", "samples", "Number of samples of the last scrape."),
    ("scrape_samples_post_metric_relabeling", "samples", "Number of samples that remained after relabeling."),
    ("scrape_series_added", "series", "Number of series that were new in the last scrape."),
    ("scrape_timeout_seconds", "seconds", "The scrape's timeout."),
    ("scrape_sample_limit", "samples", "The limit of samples; zero if there is none."),
    (
        "scrape_body_size_bytes",
        "bytes",
        "Size of the decompressed body; -1 if it was too large, 0 if the scrape failed.",
    ),
];

/// Those that are always there.
const USUAL: usize = 5;

/// What is known of a scrape.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) up: bool,
    pub(crate) seconds: f64,
    pub(crate) scraped: usize,
    pub(crate) added: usize,
    pub(crate) new: usize,
    pub(crate) timeout: f64,
    pub(crate) limit: usize,
    pub(crate) bytes: f64,
}

/// The series of one target's reports.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    series: Vec<(Labels, Arc<Metadata>)>,
}

impl Reporter {
    /// For a target with these labels.
    pub(crate) fn new(target: &Labels, extra: bool) -> Self {
        let count = if extra { SERIES.len() } else { USUAL };
        let series = SERIES[..count].iter().map(|(name, unit, help)| {
            let mut labels = target.edit();
            labels.set(NAME, *name);
            let (family, unit, help) = ((*name).into(), (*unit).into(), (*help).into());
            (labels.build(), Arc::new(Metadata { family, kind: MetricKind::Gauge, help, unit }))
        });
        Self { series: series.collect() }
    }

    /// The rows of a report.
    pub(crate) fn rows(&self, report: &Report, timestamp: i64, rows: &mut Vec<Sample>) {
        let values = [
            f64::from(u8::from(report.up)),
            report.seconds,
            report.scraped as f64,
            report.added as f64,
            report.new as f64,
            report.timeout,
            report.limit as f64,
            report.bytes,
        ];
        rows.extend(self.series.iter().zip(values).map(|((labels, metadata), value)| Sample {
            labels: labels.clone(),
            timestamp,
            start: 0,
            value: SampleValue::Float(value),
            metadata: Some(Arc::clone(metadata)),
        }));
    }

    /// The rows that end the series.
    pub(crate) fn end(&self, timestamp: i64, rows: &mut Vec<Sample>) {
        rows.extend(
            self.series.iter().map(|(labels, about)| stale((labels.clone(), Some(Arc::clone(about))), timestamp)),
        );
    }
}

/// The row that ends a series.
pub(crate) fn stale((labels, metadata): Ended, timestamp: i64) -> Sample {
    Sample { labels, timestamp, start: 0, value: SampleValue::Float(STALE), metadata }
}
