//! Values, names, ids and times as text that is safe to show in a terminal.

use std::fmt::{self, Display, Write};

use corten_proto::otlp::common::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use corten_proto::otlp::resource::Resource;

use super::page::Page;

/// Text from the data. Control characters and those that reorder a line are escaped, so that no terminal obeys
/// them and no line forges another.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                _ if letter.is_control() || reorders(letter) => write!(f, "\\u{{{:x}}}", u32::from(letter))?,
                _ => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// Line separators, and what makes text run another way than it is stored.
fn reorders(letter: char) -> bool {
    matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A value without its type.
pub(super) struct Plain<'a>(pub(super) Option<&'a AnyValue>);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.0.and_then(|value| value.value.as_ref()) else { return Ok(()) };
        match value {
            Value::StringValue(text) => write!(f, "{}", Escaped(text)),
            Value::BoolValue(value) => write!(f, "{value}"),
            Value::IntValue(value) => write!(f, "{value}"),
            Value::DoubleValue(value) => write!(f, "{value}"),
            Value::BytesValue(bytes) => write!(f, "{}", Hex(bytes)),
            Value::StringValueStrindex(index) => write!(f, "string #{index}"),
            Value::ArrayValue(list) => {
                f.write_char('[')?;
                for (index, value) in list.values.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", Plain(Some(value)))?;
                }
                f.write_char(']')
            }
            Value::KvlistValue(map) => {
                f.write_char('{')?;
                for (index, pair) in map.values.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {}", Escaped(&pair.key), Plain(pair.value.as_ref()))?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A value with its type: `Str(GET)`.
pub(super) struct Typed<'a>(pub(super) Option<&'a AnyValue>);

impl Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0.and_then(|value| value.value.as_ref()) {
            None => "Empty",
            Some(Value::StringValue(_) | Value::StringValueStrindex(_)) => "Str",
            Some(Value::BoolValue(_)) => "Bool",
            Some(Value::IntValue(_)) => "Int",
            Some(Value::DoubleValue(_)) => "Double",
            Some(Value::ArrayValue(_)) => "Slice",
            Some(Value::KvlistValue(_)) => "Map",
            Some(Value::BytesValue(_)) => "Bytes",
        };
        write!(f, "{name}({})", Plain(self.0))
    }
}

/// Attributes on one line: ` key=value key=value`.
pub(super) struct Inline<'a>(pub(super) &'a [KeyValue]);

impl Display for Inline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|pair| write!(f, " {}={}", Escaped(&pair.key), Plain(pair.value.as_ref())))
    }
}

/// A time in nanoseconds since 1970, as RFC 3339.
pub(super) struct Time(pub(super) u64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("unknown");
        }
        let (seconds, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let (days, second) = (seconds / 86400, seconds % 86400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

/// The date of a day since 1970, by counting in eras of 400 years from a March, so that leap days come last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Attributes, one a line.
pub(super) fn attributes(page: &mut Page, title: &str, attributes: &[KeyValue], dropped: u32) {
    if !attributes.is_empty() {
        page.line(format_args!("{title}:"));
        page.inside(|page| {
            for pair in attributes {
                page.line(format_args!("-> {}: {}", Escaped(&pair.key), Typed(pair.value.as_ref())));
            }
        });
    }
    if dropped > 0 {
        page.line(format_args!("Dropped attributes: {dropped}"));
    }
}

/// The header of a resource.
pub(super) fn resource(page: &mut Page, title: &str, number: usize, resource: Option<&Resource>, schema_url: &str) {
    let empty = Resource::default();
    let resource = resource.unwrap_or(&empty);
    if page.detailed {
        page.line(format_args!("{title} #{number}"));
        if !schema_url.is_empty() {
            page.line(format_args!("Schema URL: {}", Escaped(schema_url)));
        }
        attributes(page, "Resource attributes", &resource.attributes, resource.dropped_attributes_count);
    } else {
        page.line(format_args!("{title} #{number}{}", Inline(&resource.attributes)));
    }
}

/// The header of a scope.
pub(super) fn scope(
    page: &mut Page,
    title: &str,
    number: usize,
    scope: Option<&InstrumentationScope>,
    schema_url: &str,
) {
    let empty = InstrumentationScope::default();
    let scope = scope.unwrap_or(&empty);
    if page.detailed {
        page.line(format_args!("{title} #{number}"));
        if !schema_url.is_empty() {
            page.line(format_args!("Schema URL: {}", Escaped(schema_url)));
        }
        page.line(format_args!("Scope: {} {}", Escaped(&scope.name), Escaped(&scope.version)));
        attributes(page, "Scope attributes", &scope.attributes, scope.dropped_attributes_count);
    } else {
        let (name, version) = (Escaped(&scope.name), Escaped(&scope.version));
        let at = if scope.version.is_empty() { "" } else { "@" };
        page.line(format_args!("{title} #{number} {name}{at}{version}{}", Inline(&scope.attributes)));
    }
}
