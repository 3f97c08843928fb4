//! Diagnostics as text: the place, the lines around it, and a mark under what is meant.

use std::fmt::Write as _;

use crate::diag::{Diagnostic, Severity};
use crate::span::{Position, SourceFile, SourceMap, Span};

/// Lines shown before and after the marked ones.
const CONTEXT: u32 = 1;
const TAB: usize = 4;

const RED: &str = "\x1b[31;1m";
const YELLOW: &str = "\x1b[33;1m";
const CYAN: &str = "\x1b[36;1m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// Renders diagnostics with the lines that they are about, one blank line between them. `colour` is for terminals.
pub fn render(diagnostics: &[Diagnostic], map: &SourceMap, colour: bool) -> String {
    let mut out = String::new();
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let (name, paint) = match diagnostic.severity {
            Severity::Error => ("Error: ", RED),
            Severity::Warning => ("Warning: ", YELLOW),
        };
        painted(&mut out, name, paint, colour);
        painted(&mut out, &plain_line(diagnostic, map), BOLD, colour);
        out.push('\n');
        if let Some(span) = diagnostic.span
            && let Some(file) = map.get(span.file)
        {
            out.push('\n');
            excerpt(&mut out, file, span);
        }
        if let Some(help) = &diagnostic.help {
            painted(&mut out, "help:", CYAN, colour);
            out.push(' ');
            out.push_str(help);
            out.push('\n');
        }
    }
    out
}

/// `file:line:column: message` on one line; `-` stands for a missing place.
pub fn plain_line(diagnostic: &Diagnostic, map: &SourceMap) -> String {
    format!("{}: {}", location(diagnostic.span, map), diagnostic.message)
}

/// `file:line:column`, `line:column` for a file without a name, `-` without a place.
pub fn location(span: Option<Span>, map: &SourceMap) -> String {
    let Some((span, file)) = span.and_then(|span| Some((span, map.get(span.file)?))) else { return "-".to_owned() };
    let Position { line, column } = file.position(span.start);
    if file.name.is_empty() { format!("{line}:{column}") } else { format!("{}:{line}:{column}", file.name) }
}

fn painted(out: &mut String, text: &str, paint: &str, colour: bool) {
    if colour {
        out.push_str(paint);
    }
    out.push_str(text);
    if colour {
        out.push_str(RESET);
    }
}

fn excerpt(out: &mut String, file: &SourceFile, span: Span) {
    let (start, end) = (file.position(span.start), file.position(span.end.max(span.start + 1) - 1));
    let multiline = end.line > start.line;
    let first = start.line.saturating_sub(CONTEXT).max(1);
    // Reaches past the end of the file for a place at its end; such lines do not exist.
    let last = (first..=end.line + CONTEXT).take_while(|line| file.line(*line).is_some()).last().unwrap_or(first);
    let width = last.to_string().len();
    for number in first..=last {
        let Some(line) = file.line(number) else { break };
        // Writing to a string cannot fail.
        let _ = write!(out, "{number:width$} | ");
        if multiline {
            out.push_str(if number > start.line && number <= end.line { "| " } else { "  " });
        }
        show(out, line);
        out.push('\n');
        if number == start.line || (multiline && number == end.line) {
            let margin = match (multiline, number == start.line) {
                (false, _) => " | ",
                (true, true) => " |  _",
                (true, false) => " | |_",
            };
            let _ = write!(out, "{:width$}{margin}", "");
            mark(out, line, number, start, end);
            out.push('\n');
        }
    }
}

/// A line as a terminal may see it: tabs widened, no control characters.
fn show(out: &mut String, line: &str) {
    for c in line.chars() {
        match c {
            '\r' => {}
            '\t' | '\x0b' => out.extend(std::iter::repeat_n(' ', TAB)),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
}

/// Carets under the marked part of a line; a place behind its last character gets one too.
fn mark(out: &mut String, line: &str, number: u32, start: Position, end: Position) {
    let multiline = end.line > start.line;
    let blank = if multiline { '_' } else { ' ' };
    let (first, last) = match (number == start.line, number == end.line) {
        (true, true) => (start.column, end.column),
        (true, false) => (start.column, u32::MAX),
        _ => (0, end.column),
    };
    let mut marked = false;
    for (at, c) in line.char_indices() {
        let column = at as u32 + 1;
        if column > last {
            break;
        }
        match c {
            '\r' => {}
            '\t' | '\x0b' => {
                // A caret in place of the tab's last blank, where the tab alone is meant.
                let meant = first == column && last == column;
                marked |= meant;
                out.extend(std::iter::repeat_n(blank, TAB - usize::from(meant)));
                out.extend(meant.then_some('^'));
            }
            _ if column >= first => {
                marked = true;
                out.push('^');
            }
            _ => out.push(blank),
        }
    }
    if !marked {
        out.push('^');
    }
}
