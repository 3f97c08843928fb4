//! What a back end for remote write understands of a request, in either version.

use std::collections::BTreeMap;

use corten_proto::prometheus::{v1, v2};
use hyper::HeaderMap;
use prost::Message;

/// A request, whichever version it came in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Write {
    /// 1 or 2.
    pub version: u8,
    /// Its series, in order.
    pub series: Vec<WrittenSeries>,
    /// What 1.0 says of families: name, type's number, help and unit.
    pub metadata: Vec<(String, i32, String, String)>,
}

/// A series of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WrittenSeries {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Time and value, and the time of its start (2.0).
    pub samples: Vec<(i64, f64, i64)>,
    /// Native histograms.
    pub histograms: Vec<v1::Histogram>,
    /// Labels, value and time of exemplars.
    pub exemplars: Vec<(BTreeMap<String, String>, f64, i64)>,
    /// What 2.0 says of its family: type's number, help and unit.
    pub metadata: Option<(i32, String, String)>,
}

impl WrittenSeries {
    /// Its metric's name.
    pub fn name(&self) -> &str {
        self.labels.get("__name__").map_or("", String::as_str)
    }
}

impl Write {
    /// How many samples and histograms it holds.
    pub fn rows(&self) -> usize {
        self.series.iter().map(|series| series.samples.len() + series.histograms.len()).sum()
    }

    /// Samples, histograms, exemplars.
    pub fn counts(&self) -> [usize; 3] {
        let sum = |count: fn(&WrittenSeries) -> usize| self.series.iter().map(count).sum();
        [
            sum(|series| series.samples.len()),
            sum(|series| series.histograms.len()),
            sum(|series| series.exemplars.len()),
        ]
    }

    /// Reads a request. Panics on one that breaks the protocol: a sender must not.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(text("user-agent").len() > 2, "a request says who sends it");
        let write = match (text("content-type"), text("x-prometheus-remote-write-version")) {
            ("application/x-protobuf" | "application/x-protobuf;proto=prometheus.WriteRequest", "0.1.0") => one(body),
            ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0") => two(body),
            (kind, version) => panic!("content type {kind:?} with version {version:?}"),
        };
        for series in &write.series {
            let empty = |(name, value): (&String, &String)| name.is_empty() || value.is_empty();
            assert!(!series.labels.is_empty() && !series.labels.iter().any(empty), "{series:?}");
        }
        write
    }
}

/// Labels in the order in which they came, which must be that of their names.
fn labels(pairs: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let pairs: Vec<_> = pairs.collect();
    assert!(pairs.is_sorted_by(|a, b| a.0 < b.0), "labels are sorted, and none repeats: {pairs:?}");
    pairs.into_iter().collect()
}

fn one(body: &[u8]) -> Write {
    let request = v1::WriteRequest::decode(body).expect("a message of 1.0");
    let all = |labels_: Vec<v1::Label>| labels(labels_.into_iter().map(|label| (label.name, label.value)));
    let series = request.timeseries.into_iter().map(|series| WrittenSeries {
        labels: all(series.labels),
        samples: series.samples.iter().map(|sample| (sample.timestamp, sample.value, 0)).collect(),
        histograms: series.histograms,
        exemplars: series.exemplars.into_iter().map(|e| (all(e.labels), e.value, e.timestamp)).collect(),
        metadata: None,
    });
    let metadata = request.metadata.into_iter().map(|m| (m.metric_family_name, m.r#type, m.help, m.unit));
    Write { version: 1, series: series.collect(), metadata: metadata.collect() }
}

fn two(body: &[u8]) -> Write {
    let request = v2::Request::decode(body).expect("a message of 2.0");
    assert_eq!(request.symbols.first().map(String::as_str), Some(""), "the first symbol is empty");
    let mut once = request.symbols.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), request.symbols.len(), "each symbol is there once");
    let text = |at: u32| request.symbols.get(at as usize).expect("a symbol of the table").clone();
    let all = |refs: &[u32]| {
        assert!(refs.len().is_multiple_of(2), "names and values");
        labels(refs.chunks_exact(2).map(|pair| (text(pair[0]), text(pair[1]))))
    };
    let series = request.timeseries.iter().map(|series| WrittenSeries {
        labels: all(&series.labels_refs),
        samples: series.samples.iter().map(|s| (s.timestamp, s.value, s.start_timestamp)).collect(),
        histograms: series.histograms.clone(),
        exemplars: series.exemplars.iter().map(|e| (all(&e.labels_refs), e.value, e.timestamp)).collect(),
        metadata: series.metadata.map(|m| (m.r#type, text(m.help_ref), text(m.unit_ref))),
    });
    Write { version: 2, series: series.collect(), metadata: Vec::new() }
}
