//! How a record becomes a line.

use std::fmt::Write;
use std::time::SystemTime;

use tracing::Level;

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// `ts=... level=info msg="..." key=value`
    #[default]
    Logfmt,
    /// `{"ts":"...","level":"info","msg":"...","key":"value"}`
    Json,
}

/// An attribute's value: what is a number or a bool stays one in JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Text(String),
    Bare(String),
}

impl Attribute {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Bare(text) => text,
        }
    }
}

pub(super) type Attributes = Vec<(&'static str, Attribute)>;

/// What a call site said.
pub(super) struct Record {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) attributes: Attributes,
    /// Which lines are alike: call site and component.
    pub(super) kind: u64,
}

/// A longer text is cut: a line must not be as long as what a client sends. The longest that the debug exporter writes
/// as a message should pass.
const LONGEST_TEXT: usize = 64 * 1024;

impl Record {
    pub(super) fn note_suppressed(&mut self, suppressed: u64) {
        self.attributes.push(("suppressed_before", Attribute::Bare(suppressed.to_string())));
    }

    pub(super) fn size(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.text().len() + 48).sum();
        size_of::<Self>() + self.message.len() + attributes
    }
}

impl Format {
    /// The line with its end; `journal` puts the priority that systemd reads in front.
    pub(super) fn line(self, record: &Record, journal: bool) -> String {
        let mut line = String::with_capacity(record.size());
        if journal {
            let _ = write!(line, "<{}>", priority(record.level));
        }
        let time = humantime::format_rfc3339_nanos(record.time);
        let level = name(record.level);
        match self {
            Self::Logfmt => {
                let _ = write!(line, "ts={time} level={level} msg=");
                logfmt_value(&mut line, &record.message);
                for (name, value) in &record.attributes {
                    let _ = write!(line, " {name}=");
                    logfmt_value(&mut line, value.text());
                }
            }
            Self::Json => {
                let _ = write!(line, r#"{{"ts":"{time}","level":"{level}","msg":"#);
                quoted(&mut line, &record.message);
                for (name, value) in &record.attributes {
                    let _ = write!(line, r#","{name}":"#);
                    match value {
                        Attribute::Text(text) => quoted(&mut line, text),
                        Attribute::Bare(text) => line.push_str(text),
                    }
                }
                line.push('}');
            }
        }
        line.push('\n');
        line
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// syslog(3), as sd-daemon(3) expects it.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

fn logfmt_value(line: &mut String, text: &str) {
    let plain = !text.is_empty()
        && text.len() <= LONGEST_TEXT
        && text.chars().all(|c| !(c.is_whitespace() || c == '=' || c == '"' || hostile(c)));
    if plain { line.push_str(text) } else { quoted(line, text) }
}

/// A JSON string, which logfmt's readers take too. What could steer a terminal or reorder a line is escaped.
fn quoted(line: &mut String, text: &str) {
    line.push('"');
    let mut left = LONGEST_TEXT;
    for c in text.chars() {
        if c.len_utf8() > left {
            let _ = write!(line, "... ({} bytes)", text.len());
            break;
        }
        left -= c.len_utf8();
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if hostile(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

/// Control characters, and those that change the direction of text.
fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(message: &str, attributes: Attributes) -> Record {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5);
        Record { time, level: Level::WARN, message: message.to_owned(), attributes, kind: 0 }
    }

    fn text(text: &str) -> Attribute {
        Attribute::Text(text.to_owned())
    }

    #[test]
    fn logfmt_quotes_what_needs_it() {
        let attributes =
            vec![("a", text("plain/x:1")), ("b", text("")), ("c", text("k=v")), ("n", Attribute::Bare("3".into()))];
        assert_eq!(
            Format::Logfmt.line(&record("two words", attributes), true),
            "<4>ts=2023-11-14T22:13:20.000000005Z level=warn msg=\"two words\" a=plain/x:1 b=\"\" c=\"k=v\" n=3\n"
        );
    }

    #[test]
    fn json_keeps_numbers_and_escapes_a_terminal_s_commands() {
        let line =
            Format::Json.line(&record("\u{1b}[31m\u{9b}\u{202e}x\n", vec![("n", Attribute::Bare("3".into()))]), false);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["n"], 3);
        assert_eq!(value["msg"], "\u{1b}[31m\u{9b}\u{202e}x\n");
        assert!(!line.trim_end().chars().any(hostile), "{line:?}");
    }

    #[test]
    fn a_line_is_not_as_long_as_its_text() {
        let line = Format::Logfmt.line(&record(&"é".repeat(100_000), Vec::new()), false);
        assert!(line.len() < 2 * LONGEST_TEXT && line.contains("(200000 bytes)"));
    }
}
