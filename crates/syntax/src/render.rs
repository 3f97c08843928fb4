//! Diagnostics as text: the place, the lines around it, and a mark under what is meant.

use std::fmt::Write as _;

use crate::diag::{Diagnostic, Severity};
use crate::span::{Position, SourceFile, SourceMap, Span};

/// Lines shown before and after the marked ones.
const CONTEXT: u32 = 1;
const TAB: usize = 4;
/// Of longer lines only the start is shown: a thousand messages about one line of megabytes would be gigabytes.
const MAX_LINE: usize = 2000;

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
            Severity::Note => ("Note: ", CYAN),
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
        let cut = line.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_LINE).last();
        let line = if line.len() > MAX_LINE { &line[..cut.unwrap_or(0)] } else { line };
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

/// Carets under the marked part of a line; blanks alone where the place is the end of the line.
fn mark(out: &mut String, line: &str, number: u32, start: Position, end: Position) {
    let blank = if end.line > start.line { '_' } else { ' ' };
    let first = if number == start.line { start.column } else { 0 };
    let last = if number == end.line { end.column } else { u32::MAX };
    for (at, c) in line.char_indices() {
        let column = at as u32 + 1;
        if column > last {
            break;
        }
        match c {
            '\r' => {}
            '\t' | '\x0b' => out.extend(std::iter::repeat_n(blank, TAB)),
            _ if column >= first => out.push('^'),
            _ => out.push(blank),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, start: u32, end: u32, expected: Expect) {
        let mut map = SourceMap::default();
        let file = map.add("c.alloy", text);
        expected.assert_eq(&render(&[Diagnostic::error(Span { file, start, end }, "wrong")], &map, false));
    }

    #[test]
    fn marks_a_part_of_a_line() {
        check(
            "a {\n\tbcd = 1\n}\n",
            5,
            8,
            expect![[r#"
            Error: c.alloy:2:2: wrong

            1 | a {
            2 |     bcd = 1
              |     ^^^
            3 | }
        "#]],
        );
        check(
            "abc\r\nd\r\n",
            1,
            1,
            expect![[r#"
            Error: c.alloy:1:2: wrong

            1 | abc
              |  ^
            2 | d
        "#]],
        );
        check(
            "a = \"é…\" + 1",
            4,
            11,
            expect![[r#"
            Error: c.alloy:1:5: wrong

            1 | a = "é…" + 1
              |     ^^^^
        "#]],
        );
    }

    #[test]
    fn marks_the_end_of_a_line_and_of_the_file() {
        check(
            "a = [\n\t1\n]\n",
            8,
            9,
            expect![[r#"
                Error: c.alloy:2:3: wrong

                1 | a = [
                2 |     1
                  |      
                3 | ]
            "#]],
        );
        check(
            "a {\n",
            4,
            4,
            expect![[r#"
                Error: c.alloy:2:1: wrong

                1 | a {
                2 | 
                  | 
            "#]],
        );
        check(
            "",
            0,
            0,
            expect![[r#"
                Error: c.alloy:1:1: wrong

                1 | 
                  | 
            "#]],
        );
    }

    #[test]
    fn aligns_line_numbers() {
        check(
            &"x\n".repeat(12),
            16,
            17,
            expect![[r#"
            Error: c.alloy:9:1: wrong

             8 | x
             9 | x
               | ^
            10 | x
        "#]],
        );
        check(
            &"x\n".repeat(12),
            18,
            19,
            expect![[r#"
            Error: c.alloy:10:1: wrong

             9 | x
            10 | x
               | ^
            11 | x
        "#]],
        );
    }

    #[test]
    fn marks_several_lines() {
        check(
            "a\nb {\n\tc = 1\n\t\td = 2 }\ne\n",
            2,
            22,
            expect![[r#"
            Error: c.alloy:2:1: wrong

            1 |   a
            2 |   b {
              |  _^^^
            3 | |     c = 1
            4 | |         d = 2 }
              | |_________^^^^^^^
            5 |   e
        "#]],
        );
        check(
            "a\nfoo = bar {\n\n}\ne\n",
            8,
            16,
            expect![[r#"
            Error: c.alloy:2:7: wrong

            1 |   a
            2 |   foo = bar {
              |  _______^^^^^
            3 | | 
            4 | | }
              | |_^
            5 |   e
        "#]],
        );
    }

    #[test]
    fn long_lines_are_cut() {
        let mut map = SourceMap::default();
        let file = map.add("", &"é".repeat(1 << 20));
        let rendered = render(&[Diagnostic::error(Span { file, start: 2, end: 2 << 20 }, "x")], &map, false);
        assert!(rendered.len() < 6000, "{}", rendered.len());
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        check(
            "a = \"\x1b[2J\"",
            4,
            10,
            expect![[r#"
            Error: c.alloy:1:5: wrong

            1 | a = "�[2J"
              |     ^^^^^^
        "#]],
        );
    }

    #[test]
    fn several_with_help_and_colour() {
        let mut map = SourceMap::default();
        let file = map.add("c.alloy", "old = 1\nnew = 2");
        let unnamed = map.add("", "x");
        let all = [
            Diagnostic::warning(Span { file, start: 0, end: 3 }, "old is deprecated").with_help("use new"),
            Diagnostic::error(None, "no such file"),
            Diagnostic::error(Span { file: unnamed, start: 0, end: 1 }, "x"),
            Diagnostic::error(Span { file: crate::FileId(9), start: 0, end: 1 }, "of another map"),
        ];
        expect![[r#"
            Warning: c.alloy:1:1: old is deprecated

            1 | old = 1
              | ^^^
            2 | new = 2
            help: use new

            Error: -: no such file

            Error: 1:1: x

            1 | x
              | ^

            Error: -: of another map
        "#]]
        .assert_eq(&render(&all, &map, false));
        let coloured = render(&all[..1], &map, true);
        expect![[r#"
            \u{1b}[33;1mWarning: \u{1b}[0m\u{1b}[1mc.alloy:1:1: old is deprecated\u{1b}[0m

            1 | old = 1
              | ^^^
            2 | new = 2
            \u{1b}[36;1mhelp:\u{1b}[0m use new
        "#]]
        .assert_eq(&coloured.escape_debug().to_string().replace("\\n", "\n"));
        assert_eq!(plain_line(&all[0], &map), "c.alloy:1:1: old is deprecated");
        assert_eq!(plain_line(&all[1], &map), "-: no such file");
        assert_eq!(plain_line(&all[2], &map), "1:1: x");
    }
}
