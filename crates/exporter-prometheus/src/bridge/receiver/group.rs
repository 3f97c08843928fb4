//! Samples that are one point, and the point.

use std::sync::Arc;

use corten_proto::otlp::common::{AnyValue, KeyValue, any_value};
use corten_proto::otlp::metrics::summary_data_point::ValueAtQuantile;
use corten_proto::otlp::metrics::{
    self as otlp, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint, exemplar,
    number_data_point,
};
use corten_signal::labels::Labels;
use corten_signal::samples::{CUSTOM_BUCKETS, Exemplar, Histogram, SampleValue, is_stale};

use super::family::Part;
use super::native;

const NO_RECORDED_VALUE: u32 = 1;

/// The samples of a point.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its attributes.
    labels: Labels,
    /// Milliseconds.
    time: i64,
    start: i64,
    value: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
    /// Upper bounds or quantiles, and their values.
    parts: Vec<(f64, f64)>,
    native: Option<Arc<Histogram>>,
    exemplars: Vec<Exemplar>,
}

fn nanoseconds(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds).unwrap_or(0).saturating_mul(1_000_000)
}

pub(super) fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, key_strindex: 0 }
}

impl Group {
    pub(super) fn new(labels: Labels, time: i64) -> Self {
        Self { labels, time, ..Self::default() }
    }

    /// Takes a sample; `false` if it lacks what its part needs: the bound of a bucket, the quantile.
    pub(super) fn take(&mut self, part: Part, value: &SampleValue, start: i64, bound: Option<&str>) -> bool {
        self.start = self.start.max(start);
        let number = match value {
            SampleValue::Histogram(histogram) => {
                self.native = Some(Arc::clone(histogram));
                return true;
            }
            SampleValue::Float(number) => *number,
        };
        match part {
            Part::Value => self.value = Some(number),
            // A number where a native histogram was ends it.
            Part::Sum | Part::Native => self.sum = Some(number),
            Part::Count => self.count = Some(number),
            Part::Created if is_stale(number) => {}
            // Seconds.
            Part::Created => self.start = (number * 1000.0) as i64,
            Part::Bucket | Part::Quantile => {
                let bound = bound.and_then(|text| text.parse::<f64>().ok()).filter(|bound| !bound.is_nan());
                let Some(bound) = bound else { return false };
                self.parts.push((bound, number));
            }
        }
        true
    }

    pub(super) fn exemplar(&mut self, exemplar: &Exemplar) {
        self.exemplars.push(exemplar.clone());
    }

    fn attributes(&self) -> Vec<KeyValue> {
        self.labels.iter().map(|(name, value)| attribute(name, value)).collect()
    }

    fn flags(&self) -> u32 {
        let number = [self.value, self.count, self.sum].into_iter().flatten().any(is_stale);
        let native = self.native.as_ref().is_some_and(|native| is_stale(native.sum));
        if number || native { NO_RECORDED_VALUE } else { 0 }
    }

    fn otlp_exemplars(&self) -> Vec<otlp::Exemplar> {
        self.exemplars.iter().map(convert_exemplar).collect()
    }

    /// A gauge's or a sum's point.
    pub(super) fn number(&self, is_sum: bool) -> Option<NumberDataPoint> {
        let value = self.value?;
        let flags = self.flags();
        Some(NumberDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: if is_sum { nanoseconds(self.start) } else { 0 },
            time_unix_nano: nanoseconds(self.time),
            exemplars: self.otlp_exemplars(),
            flags,
            value: (flags == 0).then_some(number_data_point::Value::AsDouble(value)),
        })
    }

    /// A point with given buckets.
    pub(super) fn histogram(&mut self) -> Option<HistogramDataPoint> {
        let flags = self.flags();
        let counted = match &self.native {
            Some(native) if native.schema == CUSTOM_BUCKETS => native::custom(native)?,
            Some(_) => return None,
            None => {
                let count = self.count?;
                let (explicit_bounds, bucket_counts) = self.buckets(count);
                let (count, sum) = (count as u64, self.sum);
                HistogramDataPoint { count, sum, explicit_bounds, bucket_counts, ..HistogramDataPoint::default() }
            }
        };
        let mut point = HistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: nanoseconds(self.start),
            time_unix_nano: nanoseconds(self.time),
            exemplars: self.otlp_exemplars(),
            flags,
            ..counted
        };
        if flags != 0 {
            (point.count, point.sum) = (0, None);
            point.bucket_counts.fill(0);
        }
        Some(point)
    }

    /// Bounds and counts of each bucket alone, from counts of all below.
    fn buckets(&mut self, count: f64) -> (Vec<f64>, Vec<u64>) {
        self.parts.retain(|(bound, _)| *bound != f64::INFINITY);
        self.parts.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let bounds = self.parts.iter().map(|(bound, _)| *bound).collect();
        let mut below = 0.0;
        let counts = self.parts.iter().map(|(_, count)| *count).chain([count]).map(|count| {
            let own = (count - below) as u64;
            below = count;
            own
        });
        let counts = counts.collect();
        (bounds, counts)
    }

    pub(super) fn exponential(&self) -> Option<ExponentialHistogramDataPoint> {
        let flags = self.flags();
        let counted = match &self.native {
            _ if flags != 0 => ExponentialHistogramDataPoint::default(),
            Some(native) => native::exponential(native)?,
            None => return None,
        };
        Some(ExponentialHistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: nanoseconds(self.start),
            time_unix_nano: nanoseconds(self.time),
            exemplars: self.otlp_exemplars(),
            flags,
            ..counted
        })
    }

    pub(super) fn summary(&mut self) -> Option<SummaryDataPoint> {
        let count = self.count?;
        let flags = self.flags();
        let known = |value: f64| if flags == 0 { value } else { 0.0 };
        self.parts.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let quantile = |(quantile, value): &(f64, f64)| ValueAtQuantile { quantile: *quantile, value: known(*value) };
        Some(SummaryDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: nanoseconds(self.start),
            time_unix_nano: nanoseconds(self.time),
            count: known(count) as u64,
            sum: known(self.sum.unwrap_or(0.0)),
            quantile_values: self.parts.iter().map(quantile).collect(),
            flags,
        })
    }
}

fn convert_exemplar(exemplar: &Exemplar) -> otlp::Exemplar {
    let mut out = otlp::Exemplar {
        time_unix_nano: nanoseconds(exemplar.timestamp),
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..otlp::Exemplar::default()
    };
    for (name, value) in &exemplar.labels {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if let Some(id) = id(value, 16).filter(|_| is("trace_id")) {
            out.trace_id = id;
        } else if let Some(id) = id(value, 8).filter(|_| is("span_id")) {
            out.span_id = id;
        } else {
            out.filtered_attributes.push(attribute(name, value));
        }
    }
    out
}

/// An id of so many bytes out of hexadecimal digits: too many are cut off, too few follow zeros.
fn id(text: &str, len: usize) -> Option<Vec<u8>> {
    let text = text.get(..text.len().min(2 * len))?;
    if text.len() % 2 != 0 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = vec![0; len - text.len() / 2];
    for pair in text.as_bytes().chunks(2) {
        bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_their_length() {
        assert_eq!(id("ab", 2), Some(vec![0, 0xab]));
        assert_eq!(id("abcdef", 2), Some(vec![0xab, 0xcd]));
        assert_eq!([id("abc", 2), id("xy", 1), id("äää", 4)], [None, None, None]);
    }
}
