//! Native histograms as both versions write them, but for the times, which stand at the end.

use corten_signal::samples::{Buckets, CUSTOM_BUCKETS, Counts, Histogram, ResetHint, Span};

use super::{BYTES, FIXED64, put_double, put_message, put_tag, put_uint, put_varint, varint, zigzag};

/// The fields of a histogram without its times.
pub(in super::super) fn encode(histogram: &Histogram, out: &mut Vec<u8>) {
    match &histogram.counts {
        Counts::Integer { count, zero, positive, negative } => {
            // Members of a `oneof` are written even if they are zero: that says which it is.
            put_tag(out, 1, super::VARINT);
            put_varint(out, *count);
            head(histogram, out);
            put_tag(out, 6, super::VARINT);
            put_varint(out, *zero);
            spans(out, 8, &negative.spans);
            deltas(out, 9, negative);
            spans(out, 11, &positive.spans);
            deltas(out, 12, positive);
        }
        Counts::Float { count, zero, positive, negative } => {
            put_double(out, 2, *count);
            head(histogram, out);
            put_double(out, 7, *zero);
            spans(out, 8, &negative.spans);
            doubles(out, 10, &negative.values);
            spans(out, 11, &positive.spans);
            doubles(out, 13, &positive.values);
        }
    }
    let hint = match histogram.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Yes => 1,
        ResetHint::No => 2,
        ResetHint::Gauge => 3,
    };
    put_uint(out, 14, hint);
    doubles(out, 16, &histogram.custom_values);
}

fn head(histogram: &Histogram, out: &mut Vec<u8>) {
    put_double(out, 3, histogram.sum);
    put_uint(out, 4, u64::from(zigzag(i64::from(histogram.schema)) as u32));
    put_double(out, 5, histogram.zero_threshold);
}

fn spans(out: &mut Vec<u8>, field: u32, spans: &[Span]) {
    for span in spans {
        put_message(out, field, |out| {
            put_uint(out, 1, zigzag(i64::from(span.offset)));
            put_uint(out, 2, u64::from(span.length));
        });
    }
}

fn deltas(out: &mut Vec<u8>, field: u32, buckets: &Buckets<i64>) {
    if !buckets.values.is_empty() {
        put_message(out, field, |out| buckets.values.iter().for_each(|delta| put_varint(out, zigzag(*delta))));
    }
}

fn doubles(out: &mut Vec<u8>, field: u32, values: &[f64]) {
    if !values.is_empty() {
        put_message(out, field, |out| values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes())));
    }
}

/// Whether an encoded histogram has boundaries of its own, which 1.0 cannot say.
pub(in super::super) fn is_custom(mut fields: &[u8]) -> bool {
    while let Some(tag) = varint(&mut fields) {
        let (field, kind) = (tag >> 3, (tag & 7) as u32);
        let skip = match kind {
            super::VARINT => {
                let Some(number) = varint(&mut fields) else { return false };
                if field == 4 {
                    return super::unzigzag(number) == i64::from(CUSTOM_BUCKETS);
                }
                0
            }
            FIXED64 => 8,
            BYTES => match varint(&mut fields).and_then(|len| usize::try_from(len).ok()) {
                Some(len) => len,
                None => return false,
            },
            _ => return false,
        };
        let Some(rest) = fields.get(skip..) else { return false };
        fields = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use corten_proto::prometheus::v1;
    use prost::Message;

    use super::*;

    fn buckets<N>(values: Vec<N>) -> Buckets<N> {
        Buckets { spans: vec![Span { offset: -3, length: values.len() as u32 }], values }
    }

    #[test]
    fn the_specifications_message_reads_it() {
        let whole = Histogram {
            schema: -53,
            zero_threshold: 1e-9,
            sum: -2.5,
            counts: Counts::Integer { count: 0, zero: 0, positive: buckets(vec![3, -1]), negative: buckets(vec![7]) },
            custom_values: vec![1.0, 2.0],
            reset_hint: ResetHint::Gauge,
        };
        let mut out = Vec::new();
        encode(&whole, &mut out);
        assert!(is_custom(&out));
        let read = v1::Histogram::decode(out.as_slice()).unwrap();
        assert_eq!((read.count_int, read.zero_count_int, read.count_float), (Some(0), Some(0), None));
        assert_eq!((read.schema, read.sum, read.reset_hint), (-53, -2.5, 3));
        assert_eq!((read.positive_deltas, read.negative_deltas), (vec![3, -1], vec![7]));
        assert_eq!(read.positive_spans, [v1::BucketSpan { offset: -3, length: 2 }]);
        assert_eq!(read.custom_values, [1.0, 2.0]);

        let fractions = Histogram {
            schema: 3,
            counts: Counts::Float { count: 1.5, zero: 0.5, positive: buckets(vec![0.5]), negative: buckets(vec![0.5]) },
            custom_values: Vec::new(),
            reset_hint: ResetHint::Unknown,
            ..whole
        };
        out.clear();
        encode(&fractions, &mut out);
        assert!(!is_custom(&out) && !is_custom(&[0xff]) && !is_custom(&[]));
        let read = v1::Histogram::decode(out.as_slice()).unwrap();
        assert_eq!((read.count_float, read.zero_count_float, read.count_int), (Some(1.5), Some(0.5), None));
        assert_eq!((read.positive_counts, read.negative_counts, read.schema), (vec![0.5], vec![0.5], 3));
    }
}
