//! Text in double quotes, as messages show it and as the language reads it back.

use std::fmt::Write as _;

use crate::ident::is_printable;

/// Puts text in double quotes and escapes what would not show: `a"b` becomes `"a\"b"`.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                // Writing to a string cannot fail.
                let _ = match code {
                    0..=0x7f => write!(out, "\\x{code:02x}"),
                    0x80..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// A character as messages name it: `U+2026 '…'`, without the quotes where it does not show.
pub(crate) fn code_point(c: char) -> String {
    if is_printable(c) { format!("U+{:04X} '{c}'", u32::from(c)) } else { format!("U+{:04X}", u32::from(c)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_does_not_show() {
        assert_eq!(quote("a\"b\\c\n\u{1}\u{200b}\u{e000}é\u{10fffe}"), r#""a\"b\\c\n\x01\u200b\ue000é\U0010fffe""#);
        assert_eq!(quote("`raw`"), "\"`raw`\"");
    }

    #[test]
    fn names_code_points() {
        assert_eq!(code_point('…'), "U+2026 '…'");
        assert_eq!(code_point('\x07'), "U+0007");
        assert_eq!(code_point('\u{a0}'), "U+00A0");
    }
}
