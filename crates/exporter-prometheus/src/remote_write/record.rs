//! Samples as they wait on disk: a piece of a batch that stands for itself.
//!
//! Nothing in a record refers to another, so that a damaged or dropped one costs its own samples and nothing has to
//! be read again before the first that waits. What that repeats are labels, mostly: of each row's only that is written
//! which the row before has not, and snappy takes out more, a record is a block of it. Inside, numbers are varints, and
//! those that may be negative zigzag:
//!
//! | what | bytes |
//! |---|---|
//! | version | 1 |
//! | metadata of families | their number; of each its type, and name, help and unit with their lengths |
//! | rows | one behind the other |
//!
//! A row is a byte of flags, the packed labels (how many bytes at the beginning and at the end are those of the row
//! before, and what is between them with its length), the distance of its time from the row before, the
//! distance of its start from its time and the number of its family (both if a flag says so), its value in eight bytes
//! or its histogram in remote write's encoding, and its exemplars: their number, and of each its labels, value and
//! the distance of its time.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use corten_signal::labels;
use corten_signal::samples::{Metadata, MetricKind, RowExemplar, Sample, SampleValue};

use super::wire::{encode_histogram, put_varint, unzigzag, varint, zigzag};

const VERSION: u8 = 2;

/// Nothing here writes larger ones; a length above this is damage.
const MAX_PLAIN: usize = 64 << 20;

const HISTOGRAM: u8 = 1;
const START: u8 = 2;
const METADATA: u8 = 4;
const EXEMPLARS: u8 = 8;

/// Collects rows for a record.
#[derive(Default)]
pub(super) struct Writer {
    rows: Vec<u8>,
    count: u32,
    last: i64,
    /// The packed labels of the row before.
    before: Vec<u8>,
    families: Vec<Arc<Metadata>>,
    /// By the address of what stays in `families`.
    known: HashMap<usize, usize>,
    histogram: Vec<u8>,
}

impl Writer {
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far, uncompressed.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The families of its rows.
    pub(super) fn families(&self) -> &[Arc<Metadata>] {
        &self.families
    }

    /// Adds a row, with what may be told of its family.
    pub(super) fn push<'a>(
        &mut self,
        row: &Sample,
        metadata: Option<&Arc<Metadata>>,
        exemplars: impl ExactSizeIterator<Item = &'a RowExemplar>,
    ) {
        let mut flags = 0;
        flags |= if matches!(row.value, SampleValue::Histogram(_)) { HISTOGRAM } else { 0 };
        flags |= if row.start != 0 { START } else { 0 };
        flags |= if metadata.is_some() { METADATA } else { 0 };
        flags |= if exemplars.len() > 0 { EXEMPLARS } else { 0 };
        let family = metadata.map(|metadata| self.family(metadata));
        let out = &mut self.rows;
        out.push(flags);
        let labels = row.labels.packed();
        let (head, tail) = shared(&self.before, labels);
        put_varint(out, head as u64);
        put_varint(out, tail as u64);
        put_sized(out, labels.get(head..labels.len() - tail).unwrap_or_default());
        self.before.clear();
        self.before.extend_from_slice(labels);
        put_varint(out, zigzag(row.timestamp.wrapping_sub(self.last)));
        self.last = row.timestamp;
        if row.start != 0 {
            put_varint(out, zigzag(row.start.wrapping_sub(row.timestamp)));
        }
        if let Some(family) = family {
            put_varint(out, family as u64);
        }
        match &row.value {
            SampleValue::Float(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
            SampleValue::Histogram(histogram) => {
                self.histogram.clear();
                encode_histogram(histogram, &mut self.histogram);
                put_sized(out, &self.histogram);
            }
        }
        if exemplars.len() > 0 {
            put_varint(out, exemplars.len() as u64);
            for RowExemplar { exemplar, .. } in exemplars {
                put_sized(out, exemplar.labels.packed());
                out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
                put_varint(out, zigzag(exemplar.timestamp.wrapping_sub(row.timestamp)));
            }
        }
        self.count += 1;
    }

    fn family(&mut self, metadata: &Arc<Metadata>) -> usize {
        let families = &mut self.families;
        *self.known.entry(Arc::as_ptr(metadata).addr()).or_insert_with(|| {
            families.push(Arc::clone(metadata));
            families.len() - 1
        })
    }

    /// The record's bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut plain = Vec::with_capacity(self.rows.len() + 64 * self.families.len() + 8);
        plain.push(VERSION);
        put_varint(&mut plain, self.families.len() as u64);
        for family in &self.families {
            plain.push(MetricKind::ALL.iter().position(|kind| *kind == family.kind).unwrap_or_default() as u8);
            for text in [&family.family, &family.help, &family.unit] {
                put_sized(&mut plain, text.as_bytes());
            }
        }
        plain.extend_from_slice(&self.rows);
        let mut packed = vec![0; snap::raw::max_compress_len(plain.len())];
        // The buffer is as large as it may become; a record that is not whole is damage to whoever reads it.
        let len = snap::raw::Encoder::new().compress(&plain, &mut packed).unwrap_or_default();
        packed.truncate(len);
        packed.shrink_to_fit();
        packed
    }
}

/// How many bytes at their beginnings are alike, and how many of the rest at their ends.
fn shared(before: &[u8], now: &[u8]) -> (usize, usize) {
    const WORD: usize = size_of::<u64>();
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
    let length = before.len().min(now.len());
    let mut head = 0;
    while let (Some(a), Some(b)) = (before.get(head..head + WORD), now.get(head..head + WORD)) {
        let different = word(a) ^ word(b);
        if different != 0 {
            head += (different.trailing_zeros() / 8) as usize;
            break;
        }
        head += WORD;
    }
    let alike = |at: &usize| before.get(*at) == now.get(*at);
    head += (head..length).take_while(alike).count();
    let most = length - head;
    let from_end = |bytes: &[u8], at: usize| bytes.get(bytes.len() - at - WORD..bytes.len() - at).map(word);
    let mut tail = 0;
    while tail + WORD <= most {
        let different = from_end(before, tail).unwrap_or_default() ^ from_end(now, tail).unwrap_or_default();
        if different != 0 {
            return (head, tail + (different.leading_zeros() / 8) as usize);
        }
        tail += WORD;
    }
    let alike = |at: &usize| before.get(before.len() - at - 1) == now.get(now.len() - at - 1);
    (head, tail + (tail..most).take_while(alike).count())
}

fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn sized<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(bytes)?).ok()?;
    let (content, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(content)
}

fn double(bytes: &mut &[u8]) -> Option<f64> {
    let (bits, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(f64::from_bits(u64::from_le_bytes(*bits)))
}

/// A family's metadata in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family<'a> {
    pub(super) kind: MetricKind,
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) unit: &'a str,
}

/// A row of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// As [`corten_signal::labels::Labels::packed`] has them.
    pub(super) labels: &'a [u8],
    pub(super) timestamp: i64,
    /// 0 if it is not known.
    pub(super) start: i64,
    pub(super) value: Value<'a>,
    pub(super) family: Option<Family<'a>>,
    pub(super) exemplars: Exemplars<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Float(f64),
    /// In remote write's encoding, without its times.
    Histogram(&'a [u8]),
}

/// The exemplars of a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exemplars<'a> {
    bytes: &'a [u8],
    left: u64,
    base: i64,
}

impl<'a> Exemplars<'a> {
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }
}

impl<'a> Iterator for Exemplars<'a> {
    type Item = (labels::Iter<'a>, f64, i64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let labels = labels::Iter::of_packed(sized(&mut self.bytes)?);
        let value = double(&mut self.bytes)?;
        Some((labels, value, self.base.wrapping_add(unzigzag(varint(&mut self.bytes)?))))
    }
}

type Text = Range<usize>;

/// A record that was read.
pub(super) struct Record {
    plain: Vec<u8>,
    families: Vec<(MetricKind, [Text; 3])>,
    rows: usize,
}

impl Record {
    /// `None` if it is none.
    pub(super) fn read(packed: &[u8]) -> Option<Self> {
        snap::raw::decompress_len(packed).ok().filter(|len| *len <= MAX_PLAIN)?;
        let plain = snap::raw::Decoder::new().decompress_vec(packed).ok()?;
        let mut rest = plain.as_slice();
        let at = |rest: &[u8]| plain.len() - rest.len();
        let (&version, after) = rest.split_first()?;
        rest = after;
        if version != VERSION {
            return None;
        }
        let count = varint(&mut rest)?;
        let mut families = Vec::new();
        for _ in 0..count {
            let (&kind, after) = rest.split_first()?;
            rest = after;
            let mut texts = [0..0, 0..0, 0..0];
            for text in &mut texts {
                let content = sized(&mut rest)?;
                std::str::from_utf8(content).ok()?;
                let end = at(rest);
                *text = end - content.len()..end;
            }
            families.push((*MetricKind::ALL.get(usize::from(kind))?, texts));
        }
        let rows = at(rest);
        Some(Self { plain, families, rows })
    }

    /// The rows, up to the first that is damaged.
    pub(super) fn rows(&self) -> Rows<'_> {
        let rest = self.plain.get(self.rows..).unwrap_or_default();
        Rows { record: self, rest, last: 0, labels: Vec::new(), spare: Vec::new() }
    }

    fn family(&self, number: u64) -> Option<Family<'_>> {
        let (kind, texts) = self.families.get(usize::try_from(number).ok()?)?;
        let [name, help, unit] =
            texts.each_ref().map(|text| self.plain.get(text.clone()).and_then(|text| std::str::from_utf8(text).ok()));
        Some(Family { kind: *kind, name: name?, help: help?, unit: unit? })
    }
}

pub(super) struct Rows<'a> {
    record: &'a Record,
    rest: &'a [u8],
    last: i64,
    /// The packed labels of the row.
    labels: Vec<u8>,
    spare: Vec<u8>,
}

impl Rows<'_> {
    /// The next row.
    pub(super) fn next(&mut self) -> Option<Row<'_>> {
        let head = self.head();
        if head.is_none() {
            self.rest = &[];
        }
        let (timestamp, start, family, value, exemplars) = head?;
        Some(Row { labels: &self.labels, timestamp, start, value, family, exemplars })
    }
}

/// A row but for its labels.
type Rest<'a> = (i64, i64, Option<Family<'a>>, Value<'a>, Exemplars<'a>);

impl<'a> Rows<'a> {
    fn head(&mut self) -> Option<Rest<'a>> {
        let (&flags, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.read_labels()?;
        let timestamp = self.last.wrapping_add(unzigzag(varint(&mut self.rest)?));
        self.last = timestamp;
        let start = if flags & START == 0 { 0 } else { timestamp.wrapping_add(unzigzag(varint(&mut self.rest)?)) };
        let family = if flags & METADATA == 0 { None } else { Some(self.record.family(varint(&mut self.rest)?)?) };
        let value = if flags & HISTOGRAM == 0 {
            Value::Float(double(&mut self.rest)?)
        } else {
            Value::Histogram(sized(&mut self.rest)?)
        };
        let mut exemplars = Exemplars::default();
        if flags & EXEMPLARS != 0 {
            exemplars = Exemplars { left: varint(&mut self.rest)?, bytes: self.rest, base: timestamp };
            let mut skipped = exemplars;
            while skipped.left > 0 {
                skipped.next()?;
            }
            self.rest = skipped.bytes;
        }
        Some((timestamp, start, family, value, exemplars))
    }

    fn read_labels(&mut self) -> Option<()> {
        let head = usize::try_from(varint(&mut self.rest)?).ok()?;
        let tail = usize::try_from(varint(&mut self.rest)?).ok()?;
        let middle = sized(&mut self.rest)?;
        let end = self.labels.len().checked_sub(tail).filter(|end| *end >= head)?;
        self.spare.clear();
        for part in [self.labels.get(..head)?, middle, self.labels.get(end..)?] {
            self.spare.extend_from_slice(part);
        }
        std::mem::swap(&mut self.labels, &mut self.spare);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use corten_proto::prometheus::v1;
    use corten_signal::labels::Labels;
    use corten_signal::samples::{Buckets, Counts, Exemplar, Histogram, ResetHint, STALE};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn labels() -> impl Strategy<Value = Labels> {
        prop::collection::vec(("[a-z_]{1,8}", "\\PC{0,12}"), 0..6).prop_map(Labels::from_pairs)
    }

    fn value() -> impl Strategy<Value = SampleValue> {
        let float = prop_oneof![any::<f64>(), Just(STALE), Just(-0.0)].prop_map(SampleValue::Float);
        let histogram = any::<(u64, f64)>().prop_map(|(count, sum)| {
            let (positive, negative) = (Buckets::default(), Buckets::default());
            let counts = Counts::Integer { count, zero: 1, positive, negative };
            SampleValue::Histogram(Arc::new(Histogram {
                schema: 1,
                zero_threshold: 0.0,
                sum,
                counts,
                custom_values: Vec::new(),
                reset_hint: ResetHint::No,
            }))
        });
        prop_oneof![3 => float, 1 => histogram]
    }

    fn sample() -> impl Strategy<Value = (Sample, Vec<(Labels, f64, i64)>)> {
        let family = prop::option::of(0usize..3);
        let exemplars = prop::collection::vec((labels(), any::<f64>(), any::<i64>()), 0..3);
        (labels(), any::<i64>(), prop_oneof![Just(0), any::<i64>()], value(), family, exemplars).prop_map(
            |(labels, timestamp, start, value, family, exemplars)| {
                let families: Vec<Arc<Metadata>> = (0..3).map(metadata).collect();
                let metadata = family.map(|family| Arc::clone(&families[family]));
                (Sample { labels, timestamp, start, value, metadata }, exemplars)
            },
        )
    }

    fn metadata(number: usize) -> Arc<Metadata> {
        let text = |what: &str| -> Arc<str> { format!("{what}{number}").into() };
        Arc::new(Metadata { family: text("f"), kind: MetricKind::ALL[number], help: text("h"), unit: text("") })
    }

    proptest! {
        #[test]
        fn rows_read_back(rows in prop::collection::vec(sample(), 0..20)) {
            let mut writer = Writer::default();
            for (row, exemplars) in &rows {
                let exemplars: Vec<RowExemplar> = exemplars
                    .iter()
                    .map(|(labels, value, timestamp)| RowExemplar {
                        row: 0,
                        exemplar: Exemplar { labels: labels.clone(), value: *value, timestamp: *timestamp },
                    })
                    .collect();
                writer.push(row, row.metadata.as_ref(), exemplars.iter());
            }
            let record = Record::read(&writer.finish()).unwrap();
            let mut read_back = record.rows();
            for (row, exemplars) in &rows {
                let read = read_back.next().unwrap();
                prop_assert_eq!(read.labels, row.labels.packed());
                prop_assert_eq!((read.timestamp, read.start), (row.timestamp, row.start));
                let family = read.family.map(|family| (family.kind, family.name, family.help, family.unit));
                let wanted = row.metadata.as_ref().map(|m| (m.kind, &*m.family, &*m.help, &*m.unit));
                prop_assert_eq!(family, wanted);
                match (&read.value, &row.value) {
                    (Value::Float(read), SampleValue::Float(value)) => prop_assert_eq!(read.to_bits(), value.to_bits()),
                    (Value::Histogram(read), SampleValue::Histogram(value)) => {
                        let read = v1::Histogram::decode(*read).unwrap();
                        prop_assert_eq!(read.sum.to_bits(), value.sum.to_bits());
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
                let read: Vec<_> = read.exemplars.map(|(l, v, t)| (Labels::from_pairs(l), v.to_bits(), t)).collect();
                let wanted: Vec<_> = exemplars.iter().map(|(l, v, t)| (l.clone(), v.to_bits(), *t)).collect();
                prop_assert_eq!(read, wanted);
            }
            prop_assert!(read_back.next().is_none());
        }

        #[test]
        fn what_is_shared_is_not_more_than_there_is(
            (head, tail) in ("[ab]{0,20}", "[ab]{0,20}"), a in "[ab]{0,9}", b in "[ab]{0,9}",
        ) {
            let (a, b) = (format!("{head}{a}{tail}"), format!("{head}{b}{tail}"));
            let (from, to) = shared(a.as_bytes(), b.as_bytes());
            prop_assert!(from >= head.len() && from + to <= a.len().min(b.len()));
            prop_assert!(from + to >= (head.len() + tail.len()).min(a.len().min(b.len())));
            prop_assert_eq!((&a[..from], &a[a.len() - to..]), (&b[..from], &b[b.len() - to..]));
        }

        #[test]
        fn damage_ends_a_record_and_nothing_else(
            rows in prop::collection::vec(sample(), 1..5), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut writer = Writer::default();
            rows.iter().for_each(|(row, _)| writer.push(row, row.metadata.as_ref(), [].iter()));
            let mut plain = snap::raw::Decoder::new().decompress_vec(&writer.finish()).unwrap();
            let at = at.index(plain.len());
            plain[at] = byte;
            let packed = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
            if let Some(record) = Record::read(&packed) {
                let (mut rows, mut exemplars) = (record.rows(), 0);
                while let Some(row) = rows.next() {
                    exemplars += row.exemplars.count();
                }
                prop_assert!(exemplars <= plain.len());
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(record) = Record::read(&bytes) {
                let mut rows = record.rows();
                while rows.next().is_some() {}
            }
        }
    }

    #[test]
    fn what_repeats_costs_little() {
        let mut writer = Writer::default();
        for cpu in 0..100 {
            let cpu = cpu.to_string();
            let pairs = [
                ("__name__", "node_cpu_seconds_total"),
                ("cpu", &*cpu),
                ("instance", "workstation"),
                ("job", "integrations/unix"),
                ("mode", "idle"),
            ];
            let labels = Labels::from_pairs(pairs);
            let value = SampleValue::Float(f64::from(cpu.len() as u32));
            writer.push(
                &Sample { labels, timestamp: 1_700_000_000_000, start: 0, value, metadata: None },
                None,
                [].iter(),
            );
        }
        let (plain, packed) = (writer.len(), writer.finish().len());
        assert!(plain < 2000 && packed < 1000, "{packed} of {plain} bytes for 100 rows");
    }
}
