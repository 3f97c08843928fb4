//! OpenMetrics, 0.0.1 and 1.0.0. Source: its specification, and how Prometheus reads it: blanks are single spaces,
//! empty lines are wrong, the end is said.

use corten_signal::labels::Labels;
use corten_signal::samples::{Exemplar, MetricKind};

use super::cursor::{Cursor, Scratch, Style, series};
use super::number::parse_float;
use super::{About, NO_TIME, ParseError, Point, Sink, Value, unescape};

pub(super) fn parse(body: &[u8], sink: &mut impl Sink) -> Result<(), ParseError> {
    let mut cursor = Cursor::new(body);
    let mut labels = Scratch::new();
    loop {
        cursor.begin_line();
        if cursor.is_at_end() {
            return Err(ParseError::new("data does not end with # EOF"));
        }
        if cursor.peek() != b'#' {
            labels.clear();
            labels = sample(&mut cursor, labels, sink)?;
        } else if about(&mut cursor, sink)? {
            return match cursor.is_at_end() {
                true => Ok(()),
                false => Err(ParseError::new("unexpected data after # EOF")),
            };
        }
    }
}

/// A line about a family; answers whether it was the end instead.
fn about(cursor: &mut Cursor<'_>, sink: &mut impl Sink) -> Result<bool, ParseError> {
    if cursor.take(b"# EOF") {
        cursor.take(b"\n");
        return Ok(true);
    }
    let words: [&[u8]; 3] = [b"# HELP ", b"# TYPE ", b"# UNIT "];
    let word = words.into_iter().find(|word| cursor.take(word));
    let word = word.ok_or_else(|| cursor.error("HELP, TYPE, UNIT or EOF after '# '"))?;
    let name = cursor.family_name()?;
    if !cursor.take(b" ") {
        return Err(cursor.error("one space"));
    }
    let (text, ended) = cursor.line();
    if !ended {
        return Err(ParseError::new("data does not end with # EOF"));
    }
    let text = std::str::from_utf8(text).map_err(|_| cursor.error("text in UTF-8"))?;
    match word {
        b"# HELP " => sink.about(name, About::Help(&unescape(text, true)))?,
        b"# UNIT " => {
            let ends = name.strip_suffix(text).is_some_and(|rest| rest.ends_with('_'));
            if !text.is_empty() && !ends {
                return Err(ParseError(format!("unit {text:?} not a suffix of metric {name:?}")));
            }
            sink.about(name, About::Unit(text))?;
        }
        _ => {
            let kind = MetricKind::parse(text).filter(|_| text != "untyped");
            sink.about(name, About::Kind(kind.ok_or_else(|| cursor.error("a type of OpenMetrics"))?))?;
        }
    }
    Ok(false)
}

fn sample<'a>(
    cursor: &mut Cursor<'a>,
    mut labels: Scratch<'a>,
    sink: &mut impl Sink,
) -> Result<Scratch<'a>, ParseError> {
    let known = sink.expects(cursor.rest());
    let last = known.checked_sub(1).and_then(|last| cursor.rest().get(last..));
    let is_known = matches!(last, Some([b'}', ..] | [_, b' ', ..]));
    let (mut name, mut key) = (None, None);
    if is_known {
        cursor.skip(known);
    } else {
        let bare = cursor.metric_name();
        name = (!bare.is_empty()).then_some(bare);
        if cursor.take(b"{") {
            cursor.labels(Style::OpenMetrics, &mut name, &mut labels)?;
        } else if bare.is_empty() {
            return Err(cursor.error("a metric name"));
        }
        key = Some(cursor.read());
    }
    let value = number(cursor)?;
    let mut timestamp = None;
    let mut exemplars = Vec::new();
    if !cursor.take(b"\n") && !exemplar(cursor, &mut exemplars)? {
        timestamp = Some(time(cursor)?);
        if !cursor.take(b"\n") && !exemplar(cursor, &mut exemplars)? {
            return Err(cursor.error("the end of the line or an exemplar"));
        }
    }
    let read = match (key, name) {
        (None, _) => None,
        (Some(_), Some(name)) => Some(series(name, &labels)),
        (Some(_), None) => return Err(cursor.error("a metric name")),
    };
    let value = Value::Float(value);
    sink.sample(Point { key: key.unwrap_or_default(), series: read, timestamp, start: 0, value, exemplars })?;
    Ok(labels)
}

/// A space and what follows up to the next, or to the end of the line.
fn word<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let found = cursor.take(b" ").then(|| cursor.until(|byte| matches!(byte, b' ' | b'\n')));
    found.filter(|word| !word.is_empty())
}

fn number(cursor: &mut Cursor<'_>) -> Result<f64, ParseError> {
    word(cursor).and_then(parse_float).ok_or_else(|| cursor.error("one space and a number"))
}

/// Seconds with a fraction, as milliseconds.
fn time(cursor: &mut Cursor<'_>) -> Result<i64, ParseError> {
    let seconds = number(cursor)?;
    match seconds.is_finite() {
        true => Ok((seconds * 1000.0) as i64),
        false => Err(ParseError(format!("invalid timestamp {seconds}"))),
    }
}

/// An exemplar and the end of the line, if one begins here.
fn exemplar(cursor: &mut Cursor<'_>, exemplars: &mut Vec<Exemplar>) -> Result<bool, ParseError> {
    if !cursor.take(b" # {") {
        return Ok(false);
    }
    let mut pairs = Scratch::new();
    cursor.labels(Style::Exemplar, &mut None, &mut pairs)?;
    let value = number(cursor)?;
    let timestamp = if cursor.peek() == b' ' { time(cursor)? } else { NO_TIME };
    if !cursor.take(b"\n") {
        return Err(cursor.error("the end of the line"));
    }
    let pairs = series(b"", &pairs).plain_labels(MetricKind::Unknown)?;
    exemplars.push(Exemplar { labels: Labels::from_pairs(pairs), value, timestamp });
    Ok(true)
}
