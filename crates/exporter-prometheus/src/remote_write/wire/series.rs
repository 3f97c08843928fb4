//! A series as its requests repeat it.

use super::symbols::{Id, Symbols};
use super::{put_bytes, put_message};

/// Labels in the order of their names.
pub(in super::super) trait LabelBytes<'a>: Iterator<Item = (&'a str, &'a str)> {}
impl<'a, I: Iterator<Item = (&'a str, &'a str)>> LabelBytes<'a> for I {}

/// The labels of a series in the form that a version writes.
#[derive(Debug)]
pub(in super::super) enum Form {
    /// Of 1.0: the encoded `labels` of a `TimeSeries`.
    V1(Box<[u8]>),
    /// Of 2.0: names and values in the endpoint's table.
    V2(Box<[Id]>),
}

impl Form {
    pub(in super::super) fn v1<'a>(labels: impl LabelBytes<'a>) -> Self {
        let mut out = Vec::new();
        put_labels_v1(&mut out, labels);
        Self::V1(out.into())
    }

    pub(in super::super) fn v2<'a>(labels: impl LabelBytes<'a>, symbols: &mut Symbols) -> Self {
        let mut ids = Vec::new();
        for (name, value) in labels {
            ids.push(symbols.acquire(name));
            ids.push(symbols.acquire(value));
        }
        Self::V2(ids.into())
    }
}

/// The field `labels`, number 1 of both a `TimeSeries` and an `Exemplar`.
pub(in super::super) fn put_labels_v1<'a>(out: &mut Vec<u8>, labels: impl LabelBytes<'a>) {
    for (name, value) in labels {
        put_message(out, 1, |out| {
            put_bytes(out, 1, name.as_bytes());
            put_bytes(out, 2, value.as_bytes());
        });
    }
}

/// The content of an exemplar.
pub(in super::super) fn put_exemplar_v1<'a>(
    out: &mut Vec<u8>,
    labels: impl LabelBytes<'a>,
    value: f64,
    timestamp: i64,
) {
    put_labels_v1(out, labels);
    super::put_double(out, 2, value);
    super::put_uint(out, 3, timestamp as u64);
}
