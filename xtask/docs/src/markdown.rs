//! Pieces of Markdown.

use std::fmt::Write;

/// A table; nothing without rows.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// Inline code; nothing for nothing.
pub(crate) fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// A cell is one line, and a bar ends it.
fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first sentence of a text.
pub(crate) fn first_sentence(text: &str) -> &str {
    let paragraph = text.split("\n\n").next().unwrap_or(text).trim();
    paragraph.find(". ").map_or(paragraph, |end| &paragraph[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_in_their_row() {
        let rows = [vec!["a|b".to_owned(), "two\nlines".to_owned()]];
        assert_eq!(table(&["x", "y"], &rows), "| x | y |\n|---|---|\n| a\\|b | two lines |\n");
        assert_eq!(table(&["x"], &[]), "");
        assert_eq!(first_sentence("One. Two.\n\nThree."), "One.");
    }
}
