//! The text format of Prometheus, 0.0.4 and 1.0.0. Source: its documentation, and how Prometheus itself reads it.

use corten_signal::samples::MetricKind;

use super::cursor::{Cursor, Scratch, Style, series};
use super::number::parse_float;
use super::{About, ParseError, Point, Sink, Value, unescape};

pub(super) fn parse(body: &[u8], sink: &mut impl Sink) -> Result<(), ParseError> {
    let mut cursor = Cursor::new(body);
    let mut labels = Scratch::new();
    while !cursor.is_at_end() {
        cursor.begin_line();
        cursor.skip_blanks();
        match cursor.peek() {
            b'\n' => cursor.skip(1),
            b'#' => comment(&mut cursor, sink)?,
            _ if cursor.is_at_end() => break,
            _ => {
                labels.clear();
                labels = sample(&mut cursor, labels, sink)?;
            }
        }
    }
    Ok(())
}

/// A line about a family, or a comment.
fn comment(cursor: &mut Cursor<'_>, sink: &mut impl Sink) -> Result<(), ParseError> {
    cursor.skip(1);
    let spaced = matches!(cursor.peek(), b' ' | b'\t');
    cursor.skip_blanks();
    let is_help = spaced && (cursor.take(b"HELP ") || cursor.take(b"HELP\t"));
    let is_type = spaced && !is_help && (cursor.take(b"TYPE ") || cursor.take(b"TYPE\t"));
    if !is_help && !is_type {
        cursor.line();
        return Ok(());
    }
    cursor.skip_blanks();
    let name = cursor.family_name()?;
    let (text, _) = cursor.line();
    // Whatever stands between the name and the rest.
    let text =
        if text.iter().all(|byte| matches!(byte, b' ' | b'\t')) { &[] } else { text.get(1..).unwrap_or_default() };
    let text = std::str::from_utf8(text);
    if is_help {
        let text = text.map_err(|_| cursor.error("a help text in UTF-8"))?;
        return sink.about(name, About::Help(&unescape(text, false)));
    }
    let kind = match text {
        Ok("counter") => MetricKind::Counter,
        Ok("gauge") => MetricKind::Gauge,
        Ok("histogram") => MetricKind::Histogram,
        Ok("summary") => MetricKind::Summary,
        Ok("untyped") => MetricKind::Unknown,
        _ => return Err(cursor.error("a type: counter, gauge, histogram, summary or untyped")),
    };
    sink.about(name, About::Kind(kind))
}

fn sample<'a>(
    cursor: &mut Cursor<'a>,
    mut labels: Scratch<'a>,
    sink: &mut impl Sink,
) -> Result<Scratch<'a>, ParseError> {
    let known = if cursor.read().is_empty() { sink.expects(cursor.rest()) } else { 0 };
    let is_known = known > 0 && ends_series(&cursor.rest()[known - 1..]);
    let (mut name, mut key) = (None, None);
    if is_known {
        cursor.skip(known);
    } else {
        let is_bare = !cursor.metric_name().is_empty();
        // Blanks before a name are part of it, and make it invalid.
        name = is_bare.then(|| cursor.read());
        key = name;
        cursor.skip_blanks();
        if cursor.take(b"{") {
            cursor.labels(Style::Text, &mut name, &mut labels)?;
            key = Some(cursor.read());
        } else if !is_bare {
            return Err(cursor.error("a metric name"));
        }
    }
    let (value, timestamp) = end_of_line(cursor)?;
    let read = match (key, name) {
        (None, _) => None,
        (Some(_), Some(name)) => Some(series(name, &labels)),
        (Some(_), None) => return Err(cursor.error("a metric name")),
    };
    let value = Value::Float(value);
    sink.sample(Point {
        key: key.unwrap_or_default(),
        series: read,
        timestamp,
        start: 0,
        value,
        exemplars: Vec::new(),
    })?;
    Ok(labels)
}

/// Whether no more of the series can follow its last byte, which comes first here.
fn ends_series(from: &[u8]) -> bool {
    match from {
        [b'}', ..] => true,
        [_, after @ ..] => {
            let blanks = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            blanks > 0 && after.get(blanks) != Some(&b'{')
        }
        [] => false,
    }
}

/// The value, the time if there is one, and the end of the line.
fn end_of_line(cursor: &mut Cursor<'_>) -> Result<(f64, Option<i64>), ParseError> {
    cursor.skip_blanks();
    let text = cursor.until(|byte| matches!(byte, b'{' | b' ' | b'\t' | b'\n'));
    let value = parse_float(text).ok_or_else(|| cursor.error("a number as value"))?;
    cursor.skip_blanks();
    let digits = std::str::from_utf8(cursor.until(|byte| !byte.is_ascii_digit())).unwrap_or_default();
    let timestamp = match digits {
        "" => None,
        digits => Some(digits.parse().map_err(|_| cursor.error("a time that fits 64 bits"))?),
    };
    cursor.skip_blanks();
    if !cursor.take(b"\n") && !cursor.is_at_end() {
        return Err(cursor.error("the end of the line"));
    }
    Ok((value, timestamp))
}
