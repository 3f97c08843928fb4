//! The exposition formats, read in one pass and told to a [`Sink`].
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | what a parser tells: [`Sink`], [`Point`], [`Series`] |
//! | `format.rs` | [`Format`]: which format a `Content-Type` means |
//! | `cursor.rs` | what the two text formats share: names, quoted strings, labels |
//! | `text.rs` | the text format of Prometheus, 0.0.4 and 1.0.0 |
//! | `openmetrics.rs` | OpenMetrics, 0.0.1 and 1.0.0 |
//! | `protobuf.rs`, `messages.rs` | delimited `io.prometheus.client.MetricFamily` |
//! | `number.rs` | numbers as Go reads and writes them |
//! | `family.rs` | which series belong to a family |
//! | `nhcb.rs` | classic histograms made into native ones with buckets of their own |
//!
//! A series that a sink knows from the last scrape is recognised by its bytes and not taken apart again: see
//! [`Sink::expects`].

mod cursor;
mod family;
mod format;
mod messages;
mod nhcb;
mod number;
mod openmetrics;
mod protobuf;
mod text;

use std::borrow::Cow;

use corten_signal::samples::{Exemplar, Histogram, MetricKind};

pub use family::Family;
pub use format::{Format, Protocol};
pub use nhcb::Converting;
pub use number::{NAN, float_label, parse_float};
pub use protobuf::HistogramOptions;

/// A body is not what its format allows, or the sink does not want it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);

impl ParseError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// What is said of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<'a> {
    /// Its type.
    Kind(MetricKind),
    /// What it counts.
    Help(&'a str),
    /// Its unit.
    Unit(&'a str),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Box<Histogram>),
}

/// A series as its format writes it.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// The metric's name, perhaps with escapes.
    pub name: &'a [u8],
    /// Labels as written, in order, perhaps with escapes.
    pub labels: &'a [(&'a [u8], &'a [u8])],
    /// Whether a backslash escapes in names and values.
    pub escaped: bool,
}

/// One sample.
#[derive(Debug)]
pub struct Point<'a> {
    /// What tells the series from all others of the target, and is alike in each scrape.
    pub key: &'a [u8],
    /// The series; `None` if it is the one that the sink expected.
    pub series: Option<Series<'a>>,
    /// Its time, if it has one: milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// Since when it counts: milliseconds since 1970, 0 if that is not said.
    pub start: i64,
    /// The value.
    pub value: Value,
    /// Its exemplars. A time of [`NO_TIME`] says that there is none.
    pub exemplars: Vec<Exemplar>,
}

/// The time of an exemplar without one.
pub const NO_TIME: i64 = i64::MIN;

/// Takes what a parser reads.
pub trait Sink {
    /// Something about a family.
    ///
    /// # Errors
    /// To end the parsing.
    fn about(&mut self, family: &str, about: About<'_>) -> Result<(), ParseError>;

    /// How many bytes the expected series has, if `rest` begins with it; else 0. A sample without a series that follows
    /// means this one.
    fn expects(&mut self, rest: &[u8]) -> usize;

    /// A sample.
    ///
    /// # Errors
    /// To end the parsing.
    fn sample(&mut self, point: Point<'_>) -> Result<(), ParseError>;
}

/// Reads a body and tells the sink.
///
/// # Errors
/// What is wrong with the body, or what the sink says.
pub fn parse(format: Format, body: &[u8], options: HistogramOptions, sink: &mut impl Sink) -> Result<(), ParseError> {
    match (format, options.convert_classic) {
        (Format::Text, false) => text::parse(body, sink),
        (Format::OpenMetrics, false) => openmetrics::parse(body, sink),
        (Format::Text, true) => {
            let mut sink = Converting::new(sink, options);
            text::parse(body, &mut sink)?;
            sink.finish()
        }
        (Format::OpenMetrics, true) => {
            let mut sink = Converting::new(sink, options);
            openmetrics::parse(body, &mut sink)?;
            sink.finish()
        }
        (Format::Protobuf, _) => protobuf::parse(body, options, sink),
    }
}

/// Labels as written, without escapes, the name first.
pub type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl<'a> Series<'a> {
    /// The name without escapes.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn plain_name(&self) -> Result<Cow<'a, str>, ParseError> {
        self.plain(self.name, "metric name")
    }

    /// The labels without escapes, in the order written; boundaries of buckets and quantiles in their one canonical
    /// form if the metric is of such a type.
    ///
    /// # Errors
    /// If something is not UTF-8.
    pub fn plain_labels(&self, kind: MetricKind) -> Result<Pairs<'a>, ParseError> {
        let number = match kind {
            MetricKind::Histogram => "le",
            MetricKind::Summary => "quantile",
            _ => "",
        };
        let pair = |(name, value): &(&'a [u8], &'a [u8])| {
            let name = self.plain(name, "label name")?;
            let mut value = self.plain(value, "label value")?;
            if name == number
                && let Some(parsed) = parse_float(value.as_bytes())
            {
                value = Cow::Owned(float_label(parsed));
            }
            Ok((name, value))
        };
        self.labels.iter().map(pair).collect()
    }

    fn plain(&self, text: &'a [u8], what: &str) -> Result<Cow<'a, str>, ParseError> {
        let plain = std::str::from_utf8(text)
            .map_err(|_| ParseError(format!("invalid UTF-8 in a {what}: {:?}", String::from_utf8_lossy(text))))?;
        Ok(if self.escaped { unescape(plain, true) } else { Cow::Borrowed(plain) })
    }
}

/// Without `\\`, `\n` and, if `quotes`, `\"`; other escapes stand for themselves.
fn unescape(text: &str, quotes: bool) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (known, length) = match after.as_bytes().first() {
            Some(b'\\') => ("\\", 1),
            Some(b'n') => ("\n", 1),
            Some(b'"') if quotes => ("\"", 1),
            _ => ("\\", 0),
        };
        out.push_str(known);
        rest = &after[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(unescape(r#"a\"b\\n\n\x\"#, true), "a\"b\\n\n\\x\\");
        assert_eq!(unescape(r#"a\"b"#, false), r#"a\"b"#);
    }
}
