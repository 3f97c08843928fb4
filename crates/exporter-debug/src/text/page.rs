//! Lines with indentation, collected in parts that are never divided.

use std::fmt::{self, Write};

/// Text under construction.
pub(super) struct Page {
    /// Whether everything is written, not only a line per item.
    pub(super) detailed: bool,
    depth: usize,
    current: String,
    parts: Vec<String>,
}

impl Page {
    pub(super) fn new(detailed: bool) -> Self {
        Self { detailed, depth: 0, current: String::new(), parts: Vec::new() }
    }

    /// Adds a line. What comes from the data must be escaped already.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        if !self.current.is_empty() {
            self.current.push('\n');
        }
        for _ in 0..self.depth {
            self.current.push_str("  ");
        }
        let _ = self.current.write_fmt(line);
    }

    /// Writes deeper lines.
    pub(super) fn inside(&mut self, write: impl FnOnce(&mut Self)) {
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    /// Ends a part.
    pub(super) fn end_part(&mut self) {
        if !self.current.is_empty() {
            self.parts.push(std::mem::take(&mut self.current));
        }
    }

    pub(super) fn into_parts(mut self) -> Vec<String> {
        self.end_part();
        self.parts
    }
}
