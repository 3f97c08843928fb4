//! A request while samples are added to it, and while it waits: its body is written once, row by row.

use bytes::Bytes;
use corten_proto::prometheus::{v1, v2};
use corten_signal::samples::MetricKind;
use prost::Message;

use super::arguments::Protocol;
use super::record::{Row, Value};
use super::wire::{Form, RequestSymbols, Symbols, put_double, put_exemplar_v1, put_message, put_uint, put_varint};

/// What the rows of a request hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
    pub(super) metadata: u64,
}

impl Counts {
    /// Rows: what the conservation of samples counts.
    pub(super) fn rows(&self) -> u64 {
        self.samples + self.histograms
    }

    fn add(&mut self, entry: &Entry) {
        *(if entry.histogram { &mut self.histograms } else { &mut self.samples }) += 1;
        self.exemplars += u64::from(entry.exemplars);
        self.metadata += u64::from(entry.metadata);
    }
}

/// A row of a request.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The record that it came with.
    seq: u64,
    timestamp: i64,
    /// Where its bytes end.
    end: u32,
    exemplars: u16,
    histogram: bool,
    metadata: bool,
}

/// A request.
#[derive(Clone)]
pub(super) struct Batch {
    protocol: Protocol,
    series: Vec<u8>,
    /// The same once it is complete.
    sealed: Bytes,
    symbols: RequestSymbols,
    entries: Vec<Entry>,
    counts: Counts,
    /// Whether its rows may have been sent before the process last ended.
    pub(super) replayed: bool,
}

impl Batch {
    pub(super) fn new(protocol: Protocol, replayed: bool) -> Self {
        Self {
            protocol,
            series: Vec::new(),
            sealed: Bytes::new(),
            symbols: RequestSymbols::default(),
            entries: Vec::new(),
            counts: Counts::default(),
            replayed,
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What counts towards `max_samples_per_send`.
    pub(super) fn size(&self) -> usize {
        usize::try_from(self.counts.rows() + self.counts.exemplars).unwrap_or(usize::MAX)
    }

    /// Bytes of memory, about.
    pub(super) fn memory(&self) -> usize {
        self.series.capacity()
            + self.sealed.len()
            + self.symbols.encoded().len()
            + self.entries.capacity() * size_of::<Entry>()
    }

    /// The latest time, in milliseconds since 1970.
    pub(super) fn highest(&self) -> Option<i64> {
        self.entries.iter().map(|entry| entry.timestamp).max()
    }

    /// Its records, each with its rows: runs of equal numbers, not sums.
    pub(super) fn records(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries.chunk_by(|a, b| a.seq == b.seq).map(|run| (run.first().map_or(0, |e| e.seq), run.len() as u64))
    }

    /// Adds a row. Its series has the form of the batch's protocol.
    pub(super) fn push(&mut self, seq: u64, row: &Row<'_>, form: &Form, exemplars: bool, symbols: &Symbols) {
        let field = match self.protocol {
            Protocol::V1 => 1,
            Protocol::V2 => 5,
        };
        let request = &mut self.symbols;
        put_message(&mut self.series, field, |out| match form {
            Form::V1(labels) => {
                out.extend_from_slice(labels);
                match row.value {
                    Value::Float(value) => put_message(out, 2, |out| sample(out, value, row.timestamp, 0)),
                    Value::Histogram(encoded) => put_message(out, 4, |out| histogram(out, encoded, row.timestamp, 0)),
                }
                for (labels, value, timestamp) in exemplars.then_some(row.exemplars).into_iter().flatten() {
                    put_message(out, 3, |out| put_exemplar_v1(out, labels, value, timestamp));
                }
            }
            Form::V2(ids) => {
                put_message(out, 1, |out| {
                    ids.iter().for_each(|id| put_varint(out, u64::from(request.place(*id, symbols))));
                });
                match row.value {
                    Value::Float(value) => put_message(out, 2, |out| sample(out, value, row.timestamp, row.start)),
                    Value::Histogram(encoded) => {
                        put_message(out, 3, |out| histogram(out, encoded, row.timestamp, row.start));
                    }
                }
                for (labels, value, timestamp) in exemplars.then_some(row.exemplars).into_iter().flatten() {
                    put_message(out, 4, |out| {
                        put_message(out, 1, |out| {
                            for text in labels.flat_map(|(name, value)| [name, value]) {
                                put_varint(out, u64::from(request.text(text, symbols)));
                            }
                        });
                        put_double(out, 2, value);
                        put_uint(out, 3, timestamp as u64);
                    });
                }
                if let Some(family) = &row.family {
                    let (help, unit) = (request.text(family.help, symbols), request.text(family.unit, symbols));
                    put_message(out, 5, |out| {
                        put_uint(out, 1, kind(family.kind) as u64);
                        put_uint(out, 3, u64::from(help));
                        put_uint(out, 4, u64::from(unit));
                    });
                }
            }
        });
        let entry = Entry {
            seq,
            timestamp: row.timestamp,
            end: u32::try_from(self.series.len()).unwrap_or(u32::MAX),
            exemplars: if exemplars { u16::try_from(row.exemplars.len()).unwrap_or(u16::MAX) } else { 0 },
            histogram: matches!(row.value, Value::Histogram(_)),
            metadata: row.family.is_some() && self.protocol == Protocol::V2,
        };
        self.counts.add(&entry);
        self.entries.push(entry);
    }

    /// No more rows come.
    pub(super) fn finish(&mut self) {
        self.symbols.finish();
        self.seal();
        self.entries.shrink_to_fit();
    }

    fn seal(&mut self) {
        if !self.series.is_empty() {
            self.series.shrink_to_fit();
            self.sealed = std::mem::take(&mut self.series).into();
        }
    }

    /// The body, uncompressed, in parts.
    pub(super) fn body(&mut self) -> Vec<Bytes> {
        self.seal();
        match self.protocol {
            Protocol::V1 => vec![self.sealed.clone()],
            Protocol::V2 => vec![Bytes::copy_from_slice(self.symbols.encoded()), self.sealed.clone()],
        }
    }

    /// Takes out what is older than a time, and returns it.
    pub(super) fn take_older(&mut self, than: i64) -> Option<Self> {
        if self.entries.iter().all(|entry| entry.timestamp >= than) {
            return None;
        }
        let old = self.part(|_, entry| entry.timestamp < than);
        *self = self.part(|_, entry| entry.timestamp >= than);
        Some(old)
    }

    /// Both halves; `None` if there is one row.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let middle = self.entries.len() / 2;
        (middle > 0).then(|| [self.part(|at, _| at < middle), self.part(|at, _| at >= middle)])
    }

    fn part(&self, wanted: impl Fn(usize, &Entry) -> bool) -> Self {
        let mut part = Self { symbols: self.symbols.clone(), ..Self::new(self.protocol, self.replayed) };
        let series: &[u8] = if self.series.is_empty() { &self.sealed } else { &self.series };
        let mut start = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            let end = entry.end as usize;
            if wanted(at, entry) {
                part.series.extend_from_slice(series.get(start..end).unwrap_or_default());
                let end = u32::try_from(part.series.len()).unwrap_or(u32::MAX);
                part.counts.add(entry);
                part.entries.push(Entry { end, ..*entry });
            }
            start = end;
        }
        part
    }

    /// The same as 1.0, for a server that does not know 2.0. What 1.0 cannot say is left out.
    pub(super) fn downgrade(&mut self) {
        if self.protocol == Protocol::V1 {
            return;
        }
        self.seal();
        let mut bytes = self.symbols.encoded().to_vec();
        bytes.extend_from_slice(&self.sealed);
        // What this process has encoded reads back.
        let Ok(request) = v2::Request::decode(bytes.as_slice()) else { return };
        let text = |at: u32| request.symbols.get(at as usize).cloned().unwrap_or_default();
        let labels = |refs: &[u32]| -> Vec<v1::Label> {
            refs.chunks_exact(2).map(|pair| v1::Label { name: text(pair[0]), value: text(pair[1]) }).collect()
        };
        let mut series = Vec::with_capacity(bytes.len() * 2);
        for (entry, old) in self.entries.iter_mut().zip(&request.timeseries) {
            let exemplar = |e: &v2::Exemplar| v1::Exemplar {
                labels: labels(&e.labels_refs),
                value: e.value,
                timestamp: e.timestamp,
            };
            let histogram = |h: &v2::Histogram| v2::Histogram { start_timestamp: 0, ..h.clone() };
            let new = v1::TimeSeries {
                labels: labels(&old.labels_refs),
                samples: old.samples.iter().map(|s| v1::Sample { value: s.value, timestamp: s.timestamp }).collect(),
                exemplars: old.exemplars.iter().map(exemplar).collect(),
                histograms: old.histograms.iter().map(histogram).collect(),
            };
            put_message(&mut series, 1, |out| out.extend_from_slice(&new.encode_to_vec()));
            entry.end = u32::try_from(series.len()).unwrap_or(u32::MAX);
            entry.metadata = false;
        }
        self.counts.metadata = 0;
        self.sealed = series.into();
        (self.symbols, self.protocol) = (RequestSymbols::default(), Protocol::V1);
    }
}

/// A type as both versions number it.
pub(super) fn kind(kind: MetricKind) -> v1::MetricType {
    match kind {
        MetricKind::Unknown => v1::MetricType::Unknown,
        MetricKind::Counter => v1::MetricType::Counter,
        MetricKind::Gauge => v1::MetricType::Gauge,
        MetricKind::Histogram => v1::MetricType::Histogram,
        MetricKind::GaugeHistogram => v1::MetricType::Gaugehistogram,
        MetricKind::Summary => v1::MetricType::Summary,
        MetricKind::Info => v1::MetricType::Info,
        MetricKind::StateSet => v1::MetricType::Stateset,
    }
}

fn sample(out: &mut Vec<u8>, value: f64, timestamp: i64, start: i64) {
    put_double(out, 1, value);
    put_uint(out, 2, timestamp as u64);
    put_uint(out, 3, start as u64);
}

fn histogram(out: &mut Vec<u8>, encoded: &[u8], timestamp: i64, start: i64) {
    out.extend_from_slice(encoded);
    put_uint(out, 15, timestamp as u64);
    put_uint(out, 17, start as u64);
}
