//! Delimited `io.prometheus.client.MetricFamily`. One metric at a time is decoded, so that a body costs little more
//! memory than its own.

use bytes::Buf;
use corten_signal::labels::Labels;
use corten_signal::samples::{Buckets, Counts, Exemplar, Histogram, MetricKind, ResetHint, Span};
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::messages::{BucketSpan, LabelPair, Metric, ProtoExemplar, ProtoHistogram};
use super::nhcb::Classic;
use super::number::{NAN, float_label};
use super::{About, NO_TIME, ParseError, Point, Series, Sink, Value};
use crate::histogram::compact;

/// What becomes of histograms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistogramOptions {
    /// Take native histograms.
    pub native: bool,
    /// Take the classic series of histograms that are native, too.
    pub keep_classic: bool,
    /// Make classic histograms native ones with buckets of their own.
    pub convert_classic: bool,
    /// Series that end in `_created` say since when the others count, and are no samples themselves.
    pub starts: bool,
}

/// A family without its metrics.
#[derive(Default)]
struct Header<'a> {
    name: &'a str,
    help: &'a str,
    unit: &'a str,
    kind: u64,
    metrics: usize,
}

pub(super) fn parse(mut body: &[u8], options: HistogramOptions, sink: &mut impl Sink) -> Result<(), ParseError> {
    let mut key = Vec::new();
    while !body.is_empty() {
        let family = delimited(&mut body).ok_or_else(|| ParseError::new("a metric family is cut short"))?;
        let header = header(family)?;
        if header.metrics == 0 {
            continue;
        }
        if header.name.is_empty() {
            return Err(ParseError::new("a metric family without a name"));
        }
        let kind = match header.kind {
            0 => MetricKind::Counter,
            1 => MetricKind::Gauge,
            2 => MetricKind::Summary,
            3 => MetricKind::Unknown,
            4 => MetricKind::Histogram,
            5 => MetricKind::GaugeHistogram,
            other => return Err(ParseError(format!("unknown type {other} of metric {:?}", header.name))),
        };
        sink.about(header.name, About::Help(header.help))?;
        if !header.unit.is_empty() {
            sink.about(header.name, About::Unit(header.unit))?;
        }
        sink.about(header.name, About::Kind(kind))?;
        each_field(family, |tag, field| {
            let Field::Bytes(bytes) = field else { return Ok(()) };
            if tag != 4 {
                return Ok(());
            }
            let metric = Metric::decode(bytes).map_err(|error| broken(header.name, &error.to_string()))?;
            Teller { name: header.name, metric: &metric, key: &mut key, sink }.tell(kind, options)
        })?;
    }
    Ok(())
}

fn broken(name: &str, why: &str) -> ParseError {
    ParseError(format!("metric family {name:?} is not valid protobuf: {why}"))
}

/// A length and as many bytes.
fn delimited<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(body).ok()?).ok()?;
    let (family, rest) = body.split_at_checked(length)?;
    *body = rest;
    Some(family)
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

fn each_field<'a>(
    mut message: &'a [u8],
    mut with: impl FnMut(u32, Field<'a>) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let bad = |_| broken("", "a field is cut short");
    while !message.is_empty() {
        let (tag, wire) = decode_key(&mut message).map_err(bad)?;
        let skipped = |message: &mut &'a [u8], count| match message.len() >= count {
            true => {
                message.advance(count);
                Ok(Field::Other)
            }
            false => Err(broken("", "a field is cut short")),
        };
        let field = match wire {
            WireType::Varint => Field::Number(decode_varint(&mut message).map_err(bad)?),
            WireType::LengthDelimited => {
                Field::Bytes(delimited(&mut message).ok_or_else(|| broken("", "a field is cut short"))?)
            }
            WireType::SixtyFourBit => skipped(&mut message, 8)?,
            WireType::ThirtyTwoBit => skipped(&mut message, 4)?,
            WireType::StartGroup | WireType::EndGroup => return Err(broken("", "groups are not used")),
        };
        with(tag, field)?;
    }
    Ok(())
}

fn header(family: &[u8]) -> Result<Header<'_>, ParseError> {
    let mut header = Header::default();
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| broken("", "a name, help or unit is not UTF-8"));
    each_field(family, |tag, field| {
        match (tag, field) {
            (1, Field::Bytes(bytes)) => header.name = text(bytes)?,
            (2, Field::Bytes(bytes)) => header.help = text(bytes)?,
            (5, Field::Bytes(bytes)) => header.unit = text(bytes)?,
            (3, Field::Number(kind)) => header.kind = kind,
            (4, Field::Bytes(_)) => header.metrics += 1,
            _ => {}
        }
        Ok(())
    })?;
    Ok(header)
}

/// One metric on its way to the sink.
struct Teller<'m, 's, S> {
    name: &'m str,
    metric: &'m Metric,
    key: &'m mut Vec<u8>,
    sink: &'s mut S,
}

impl<S: Sink> Teller<'_, '_, S> {
    fn tell(&mut self, kind: MetricKind, options: HistogramOptions) -> Result<(), ParseError> {
        let metric = self.metric;
        match kind {
            MetricKind::Counter => {
                let counter = metric.counter.clone().unwrap_or_default();
                let start = counter.start.map_or(0, |start| start.millis());
                self.float("", None, counter.value, start, exemplar(counter.exemplar.as_ref()).into_iter().collect())
            }
            MetricKind::Gauge => self.float("", None, metric.gauge.unwrap_or_default().value, 0, Vec::new()),
            MetricKind::Summary => self.summary(),
            MetricKind::Histogram | MetricKind::GaugeHistogram => {
                let empty = ProtoHistogram::default();
                let histogram = metric.histogram.as_deref().unwrap_or(&empty);
                self.histogram(kind, histogram, options)
            }
            _ => self.float("", None, metric.untyped.unwrap_or_default().value, 0, Vec::new()),
        }
    }

    fn summary(&mut self) -> Result<(), ParseError> {
        let summary = self.metric.summary.clone().unwrap_or_default();
        let start = summary.start.map_or(0, |start| start.millis());
        self.float("_count", None, summary.count as f64, start, Vec::new())?;
        self.float("_sum", None, summary.sum, start, Vec::new())?;
        for quantile in &summary.quantiles {
            let label = float_label(quantile.quantile);
            self.float("", Some(("quantile", &label)), quantile.value, start, Vec::new())?;
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        kind: MetricKind,
        histogram: &ProtoHistogram,
        options: HistogramOptions,
    ) -> Result<(), ParseError> {
        let start = histogram.start.map_or(0, |start| start.millis());
        let is_gauge = kind == MetricKind::GaugeHistogram;
        if options.native && is_native(histogram) {
            let native = native(histogram, is_gauge).map_err(|why| broken(self.name, &why))?;
            self.point("", None, Value::Histogram(Box::new(native)), start, exemplars(histogram))?;
            if !options.keep_classic || histogram.buckets.is_empty() {
                return Ok(());
            }
            return self.classic(histogram, start);
        }
        if !options.convert_classic || options.keep_classic {
            self.classic(histogram, start)?;
        }
        if options.convert_classic {
            let mut classic = Classic::default();
            classic.count(either(histogram.count_float, histogram.count));
            classic.sum(histogram.sum);
            for bucket in &histogram.buckets {
                classic.bucket(bucket.bound, either(bucket.count_float, bucket.count));
            }
            let mut converted = classic
                .convert()
                .ok_or_else(|| ParseError(format!("histogram {:?}: the counts contradict each other", self.name)))?;
            if is_gauge {
                converted.reset_hint = ResetHint::Gauge;
            }
            self.point("", None, Value::Histogram(Box::new(converted)), start, exemplars(histogram))?;
        }
        Ok(())
    }

    fn classic(&mut self, histogram: &ProtoHistogram, start: i64) -> Result<(), ParseError> {
        let all = either(histogram.count_float, histogram.count);
        self.float("_count", None, all, start, Vec::new())?;
        self.float("_sum", None, histogram.sum, start, Vec::new())?;
        let mut has_last = false;
        for bucket in &histogram.buckets {
            let exemplars = exemplar(bucket.exemplar.as_ref()).into_iter().collect();
            let label = float_label(bucket.bound);
            self.float("_bucket", Some(("le", &label)), either(bucket.count_float, bucket.count), start, exemplars)?;
            has_last = bucket.bound == f64::INFINITY;
            if has_last {
                break;
            }
        }
        if !has_last {
            self.float("_bucket", Some(("le", "+Inf")), all, start, Vec::new())?;
        }
        Ok(())
    }

    fn float(
        &mut self,
        ending: &str,
        more: Option<(&str, &str)>,
        value: f64,
        start: i64,
        exemplars: Vec<Exemplar>,
    ) -> Result<(), ParseError> {
        // No NaN of a stranger may pass for a marker of staleness.
        let value = if value.is_nan() { NAN } else { value };
        self.point(ending, more, Value::Float(value), start, exemplars)
    }

    fn point(
        &mut self,
        ending: &str,
        more: Option<(&str, &str)>,
        value: Value,
        start: i64,
        exemplars: Vec<Exemplar>,
    ) -> Result<(), ParseError> {
        let name = format!("{}{ending}", self.name);
        let own = self.metric.labels.iter().map(|pair| (pair.name.as_bytes(), pair.value.as_bytes()));
        let more = more.map(|(label, value)| (label.as_bytes(), value.as_bytes()));
        let labels: Vec<(&[u8], &[u8])> = own.chain(more).collect();
        let separate = |key: &mut Vec<u8>, part: &[u8]| {
            key.extend_from_slice(part);
            key.push(u8::MAX);
        };
        self.key.clear();
        // A histogram and a number of the same name are two series.
        self.key.push(u8::from(matches!(value, Value::Histogram(_))));
        separate(self.key, name.as_bytes());
        for (label, value) in &labels {
            separate(self.key, label);
            separate(self.key, value);
        }
        let timestamp = Some(self.metric.timestamp).filter(|timestamp| *timestamp != 0);
        let series = Some(Series { name: name.as_bytes(), labels: &labels, escaped: false });
        self.sink.sample(Point { key: self.key, series, timestamp, start, value, exemplars })
    }
}

fn either(float: f64, whole: u64) -> f64 {
    if float == 0.0 { whole as f64 } else { float }
}

fn exemplar(from: Option<&ProtoExemplar>) -> Option<Exemplar> {
    let from = from?;
    let pairs = from.labels.iter().map(|LabelPair { name, value }| (name, value));
    let timestamp = from.time.map_or(NO_TIME, |time| time.millis());
    Some(Exemplar { labels: Labels::from_pairs(pairs), value: from.value, timestamp })
}

/// The exemplars of a histogram that is told whole: its own, or those of its classic buckets. One without a time could
/// not be told from its repetition.
fn exemplars(histogram: &ProtoHistogram) -> Vec<Exemplar> {
    let of_buckets = histogram.buckets.iter().filter_map(|bucket| bucket.exemplar.as_ref());
    let of_buckets = of_buckets.filter(|_| histogram.exemplars.is_empty());
    let all = histogram.exemplars.iter().chain(of_buckets).filter_map(|found| exemplar(Some(found)));
    all.filter(|exemplar| exemplar.timestamp != NO_TIME).collect()
}

/// A histogram without a span and a zero bucket could be native and without observations, too; it is taken for classic,
/// and libraries write an empty span where they mean the other.
fn is_native(histogram: &ProtoHistogram) -> bool {
    !histogram.positive_spans.is_empty()
        || !histogram.negative_spans.is_empty()
        || histogram.zero_threshold > 0.0
        || histogram.zero > 0
}

fn buckets<N: Clone>(spans: &[BucketSpan], values: &[N], side: &str) -> Result<Buckets<N>, String> {
    let described: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if described != values.len() as u64 {
        return Err(format!("{side} side: spans require {described} buckets, have {}", values.len()));
    }
    if spans.iter().skip(1).any(|span| span.offset < 0) {
        return Err(format!("{side} side: spans overlap"));
    }
    let spans = spans.iter().map(|span| Span { offset: span.offset, length: span.length }).collect();
    Ok(Buckets { spans, values: values.to_vec() })
}

fn native(from: &ProtoHistogram, is_gauge: bool) -> Result<Histogram, String> {
    let is_float = from.count_float > 0.0 || from.zero_float > 0.0;
    let counts = if is_float {
        Counts::Float {
            count: from.count_float,
            zero: from.zero_float,
            positive: buckets(&from.positive_spans, &from.positive_counts, "positive")?,
            negative: buckets(&from.negative_spans, &from.negative_counts, "negative")?,
        }
    } else {
        Counts::Integer {
            count: from.count,
            zero: from.zero,
            positive: buckets(&from.positive_spans, &from.positive_deltas, "positive")?,
            negative: buckets(&from.negative_spans, &from.negative_deltas, "negative")?,
        }
    };
    let histogram = Histogram {
        schema: from.schema,
        zero_threshold: from.zero_threshold,
        // A marker of staleness is not for strangers to send.
        sum: if from.sum.is_nan() { NAN } else { from.sum },
        counts,
        custom_values: Vec::new(),
        reset_hint: if is_gauge { ResetHint::Gauge } else { ResetHint::Unknown },
    };
    Ok(compact(histogram, 0))
}
