//! What travels between `prometheus.*` components: batches of samples.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Samples`], one batch, and [`Sample`], one row of it |
//! | `histogram.rs` | native histograms |
//! | `metadata.rs` | type, help and unit of a metric family, and the rules for its suffixes |
//! | `stale.rs` | the value that says that a series has ended |
//!
//! Rows stand in the order in which they were scraped or received; rows of one series stand in order of time. A row is
//! one cache line; its labels, metadata and histogram are shared with whoever keeps them.

mod histogram;
mod metadata;
mod stale;

use std::sync::Arc;

use corten_component::{Receipt, Signal};

use crate::labels::Labels;

pub use histogram::{Buckets, CUSTOM_BUCKETS, Counts, Histogram, ResetHint, Span};
pub use metadata::{Metadata, MetricKind};
pub use stale::{STALE, is_stale};

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The series, with its name as `__name__`.
    pub labels: Labels,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Since when a counter or histogram counts, in milliseconds since 1970; 0 if that is not known.
    pub start: i64,
    /// The value.
    pub value: SampleValue,
    /// What is known of its family.
    pub metadata: Option<Arc<Metadata>>,
}

/// A number, or a whole histogram.
#[derive(Debug, Clone)]
pub enum SampleValue {
    /// A number; [`STALE`] ends the series.
    Float(f64),
    /// A native histogram; ends the series if its sum is [`STALE`].
    Histogram(Arc<Histogram>),
}

impl SampleValue {
    /// Whether it ends its series.
    pub fn is_stale(&self) -> bool {
        match self {
            Self::Float(value) => is_stale(*value),
            Self::Histogram(histogram) => is_stale(histogram.sum),
        }
    }
}

/// Numbers are alike if their bits are: a marker of staleness equals itself, and another NaN it does not.
impl PartialEq for SampleValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => a == b,
            _ => false,
        }
    }
}

/// An example of what was counted: usually the id of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Its labels (`trace_id`).
    pub labels: Labels,
    /// The value that was observed.
    pub value: f64,
    /// Milliseconds since 1970; the sample's time if the exemplar had none.
    pub timestamp: i64,
}

/// An exemplar and the row that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct RowExemplar {
    /// Index into [`Samples::rows`].
    pub row: u32,
    /// The exemplar.
    pub exemplar: Exemplar,
}

/// A batch of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    rows: Arc<Vec<Sample>>,
    exemplars: Arc<Vec<RowExemplar>>,
    receipt: Receipt,
    inner_metadata: bool,
}

impl Samples {
    /// A batch that nobody waits for.
    pub fn new(rows: Vec<Sample>) -> Self {
        Self::with_exemplars(rows, Vec::new())
    }

    /// A batch with exemplars, in order of their rows.
    pub fn with_exemplars(rows: Vec<Sample>, exemplars: Vec<RowExemplar>) -> Self {
        Self { rows: Arc::new(rows), exemplars: Arc::new(exemplars), receipt: Receipt::none(), inner_metadata: false }
    }

    /// The same, with metadata that may be passed on (`honor_metadata`) or not. Metadata that may not serves stages that
    /// need the types of series; it does not leave the process as metadata.
    #[must_use]
    pub fn with_honored_metadata(mut self, honored: bool) -> Self {
        self.inner_metadata = !honored;
        self
    }

    /// Whether the metadata may leave the process.
    pub fn honors_metadata(&self) -> bool {
        !self.inner_metadata
    }

    /// The same with a receipt. The batch must not have one yet.
    pub fn with_receipt(mut self, receipt: Receipt) -> Self {
        self.replace_receipt(receipt).release();
        self
    }

    /// The samples.
    pub fn rows(&self) -> &[Sample] {
        &self.rows
    }

    /// The exemplars, in order of their rows.
    pub fn exemplars(&self) -> &[RowExemplar] {
        &self.exemplars
    }

    /// Each row with its exemplars.
    pub fn iter(&self) -> impl Iterator<Item = (&Sample, &[RowExemplar])> {
        let mut rest = self.exemplars.as_slice();
        self.rows.iter().enumerate().map(move |(at, row)| {
            let own = rest.iter().take_while(|exemplar| exemplar.row as usize == at).count();
            let (own, after) = rest.split_at(own);
            rest = after;
            (row, own)
        })
    }

    /// The rows to change, copied if another branch holds them too; the receipt comes along.
    pub fn into_parts(self) -> (Vec<Sample>, Vec<RowExemplar>, Receipt) {
        (Arc::unwrap_or_clone(self.rows), Arc::unwrap_or_clone(self.exemplars), self.receipt)
    }

    /// About how many bytes of memory the rows take, without what they share.
    pub fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<Sample>() + self.exemplars.capacity() * size_of::<RowExemplar>()
    }

    /// Takes the receipt out, to settle it.
    pub fn take_receipt(&mut self) -> Receipt {
        std::mem::take(&mut self.receipt)
    }
}

impl Signal for Samples {
    const CAPSULE: &'static str = "storage.Appendable";

    fn items(&self) -> u64 {
        self.rows.len() as u64
    }

    fn kind_name(_place: usize) -> &'static str {
        // As Alloy's live debugging calls it.
        "prometheus_metric"
    }

    fn describe(&self) -> String {
        const SHOWN: usize = 20;
        let mut text = String::new();
        for row in self.rows.iter().take(SHOWN) {
            let value = match &row.value {
                SampleValue::Float(value) => value.to_string(),
                SampleValue::Histogram(histogram) => format!("histogram of {}", histogram.count()),
            };
            text.push_str(&format!("ts={}, labels={}, value={value}\n", row.timestamp, row.labels));
        }
        if let Some(more) = self.rows.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            text.push_str(&format!("and {more} more\n"));
        }
        text
    }

    fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    fn replace_receipt(&mut self, receipt: Receipt) -> Receipt {
        std::mem::replace(&mut self.receipt, receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Sample {
        let labels = Labels::from_pairs([("__name__", name)]);
        Sample { labels, timestamp: 1, start: 0, value: SampleValue::Float(1.0), metadata: None }
    }

    #[test]
    fn a_row_is_one_cache_line() {
        assert!(size_of::<Sample>() <= 64, "{}", size_of::<Sample>());
    }

    #[test]
    fn exemplars_come_with_their_rows() {
        let exemplar =
            |row| RowExemplar { row, exemplar: Exemplar { labels: Labels::empty(), value: 0.0, timestamp: 0 } };
        let batch =
            Samples::with_exemplars(vec![row("a"), row("b"), row("c")], vec![exemplar(0), exemplar(2), exemplar(2)]);
        let counts: Vec<_> = batch.iter().map(|(row, own)| (row.labels.name().to_owned(), own.len())).collect();
        assert_eq!(counts, [("a".to_owned(), 1), ("b".to_owned(), 0), ("c".to_owned(), 2)]);
    }

    #[test]
    fn only_the_marker_ends_a_series() {
        assert!(SampleValue::Float(STALE).is_stale());
        assert!(!SampleValue::Float(f64::NAN).is_stale());
        assert_ne!(SampleValue::Float(f64::NAN), SampleValue::Float(STALE));
        assert_eq!(SampleValue::Float(STALE), SampleValue::Float(STALE));
    }
}
