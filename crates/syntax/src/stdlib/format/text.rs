//! Padding, text and characters.

use super::Printer;
use crate::ident::is_printable;
use crate::quote;

impl Printer {
    /// Writes text at its width, counted in characters.
    pub(super) fn pad(&mut self, text: &str) {
        let missing = self.flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.flags.minus {
            self.out.push_str(text);
            self.padding(missing);
        } else {
            self.padding(missing);
            self.out.push_str(text);
        }
    }

    /// Zeros are for the left side only.
    pub(super) fn padding(&mut self, count: usize) {
        let fill = if self.flags.zero && !self.flags.minus { '0' } else { ' ' };
        self.out.extend(std::iter::repeat_n(fill, count));
    }

    pub(super) fn text(&mut self, text: &str) {
        let text = self.truncated(text);
        self.pad(text);
    }

    fn truncated<'a>(&self, text: &'a str) -> &'a str {
        match self.flags.precision {
            Some(precision) => text.char_indices().nth(precision).map_or(text, |(end, _)| &text[..end]),
            None => text,
        }
    }

    pub(super) fn quoted(&mut self, text: &str) {
        let text = self.truncated(text);
        let bare = |c: char| (c == '\t' || !c.is_ascii_control()) && c != '`' && c != '\u{feff}';
        if self.flags.sharp && text.chars().all(bare) {
            self.pad(&format!("`{text}`"));
        } else if self.flags.plus {
            self.pad(&ascii(&quote(text)));
        } else {
            self.pad(&quote(text));
        }
    }

    pub(super) fn hex(&mut self, bytes: &[u8], upper: bool) {
        let length = self.flags.precision.map_or(bytes.len(), |precision| precision.min(bytes.len()));
        let prefix = if upper { "0X" } else { "0x" };
        let mut text = String::new();
        for (i, byte) in bytes[..length].iter().enumerate() {
            if self.flags.space && i > 0 {
                text.push(' ');
            }
            if self.flags.sharp && (self.flags.space || i == 0) {
                text.push_str(prefix);
            }
            text.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(&text);
    }

    pub(super) fn character(&mut self, c: char) {
        self.pad(c.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn quoted_character(&mut self, c: char) {
        let inner = match c {
            '\'' => "\\'".to_owned(),
            '"' => "\"".to_owned(),
            c => {
                let quoted = quote(c.encode_utf8(&mut [0; 4]));
                quoted[1..quoted.len() - 1].to_owned()
            }
        };
        let quoted = format!("'{inner}'");
        self.pad(&if self.flags.plus { ascii(&quoted) } else { quoted });
    }

    /// `U+0041`, with `#` also the character.
    pub(super) fn unicode(&mut self, code: u64) {
        let digits = self.flags.precision.unwrap_or(0).max(4);
        let mut text = format!("U+{code:0digits$X}");
        let shown = u32::try_from(code).ok().and_then(char::from_u32).filter(|c| is_printable(*c));
        if let Some(c) = shown.filter(|_| self.flags.sharp) {
            text.push_str(&format!(" '{c}'"));
        }
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(&text);
        self.flags.zero = zero;
    }
}

/// Escapes what is not ASCII.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c) {
            0..0x80 => out.push(c),
            code @ 0x80..0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
            code => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out
}
