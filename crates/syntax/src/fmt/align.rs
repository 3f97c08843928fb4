//! Elastic tabstops: cells that stand under each other in consecutive lines get the same width.
//!
//! A cell ends at a tab. A column is a run of consecutive lines that have a cell at that place; the last cell of a line
//! belongs to no column. A column without text whose tabs are all soft takes no room. Leading empty cells are
//! indentation and print as tabs.

/// What a tab of indentation counts in an aligned column.
const TAB_WIDTH: usize = 8;
/// Blanks between the widest cell of a column and the next column.
const PADDING: usize = 1;

#[derive(Debug, Default)]
struct Cell {
    text: String,
    /// In characters.
    width: usize,
    /// Ended by a hard tab: the column stays even if it is empty.
    hard: bool,
    /// Bytes of `text` up to the end of its last token; blanks behind may be trimmed.
    kept: usize,
}

/// Collects cells and lines; lines come out aligned.
#[derive(Debug, Default)]
pub(super) struct Aligner {
    out: String,
    /// Length of `out` up to the end of the last token.
    kept: usize,
    /// Lines with their ended cells; the last one is still being written.
    lines: Vec<Vec<Cell>>,
    cell: Cell,
}

impl Aligner {
    pub(super) fn new() -> Self {
        Self { lines: vec![Vec::new()], ..Self::default() }
    }

    /// Whether nothing was written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty() && self.cell.text.is_empty() && self.lines.iter().all(Vec::is_empty)
    }

    /// Text to print as it is. A line end within it ends no line here.
    pub(super) fn text(&mut self, text: &str) {
        self.cell.text.push_str(text);
        self.cell.width += text.chars().count();
        self.cell.kept = self.cell.text.len();
    }

    /// A literal: like text, but the lines within it are lines.
    pub(super) fn literal(&mut self, text: &str) {
        let mut lines = text.split('\n');
        self.text(lines.next().unwrap_or(""));
        for line in lines {
            self.newline();
            self.text(line);
        }
    }

    pub(super) fn blank(&mut self) {
        self.cell.text.push(' ');
        self.cell.width += 1;
    }

    pub(super) fn tab(&mut self, hard: bool) {
        self.end_cell(hard);
    }

    /// Ends the line, and all columns if it has but one cell.
    pub(super) fn newline(&mut self) {
        let cells = self.end_cell(false);
        self.lines.push(Vec::new());
        if cells == 1 {
            self.flush();
        }
    }

    /// Ends the line and all columns.
    pub(super) fn formfeed(&mut self) {
        self.end_cell(false);
        self.lines.push(Vec::new());
        self.flush();
    }

    pub(super) fn finish(mut self) -> String {
        self.end_cell(false);
        self.flush();
        self.trim();
        self.out.push('\n');
        self.out
    }

    /// Ends the cell; returns how many its line has now.
    fn end_cell(&mut self, hard: bool) -> usize {
        let cell = Cell { hard, ..std::mem::take(&mut self.cell) };
        match self.lines.last_mut() {
            Some(line) => {
                line.push(cell);
                line.len()
            }
            None => 0,
        }
    }

    fn flush(&mut self) {
        let lines = std::mem::replace(&mut self.lines, vec![Vec::new()]);
        self.columns(&lines, lines.len(), &mut Vec::new());
    }

    /// Prints `lines`; `widths` are of the columns to the left. The line with the index `last` stays open.
    fn columns(&mut self, lines: &[Vec<Cell>], last: usize, widths: &mut Vec<usize>) {
        let column = widths.len();
        let has_column = |line: &Vec<Cell>| column + 1 < line.len();
        let mut printed = 0;
        while let Some(start) = lines[printed..].iter().position(has_column).map(|at| printed + at) {
            self.print(&lines[printed..start], last - printed, widths);
            let len = lines[start..].iter().take_while(|line| has_column(line)).count();
            let block = &lines[start..start + len];
            let cells = || block.iter().map(|line| &line[column]);
            let empty = cells().all(|cell| cell.width == 0 && !cell.hard);
            widths.push(if empty { 0 } else { cells().map(|cell| cell.width + PADDING).max().unwrap_or(0) });
            self.columns(block, last - start, widths);
            widths.pop();
            printed = start + len;
        }
        self.print(&lines[printed..], last - printed, widths);
    }

    fn print(&mut self, lines: &[Vec<Cell>], last: usize, widths: &[usize]) {
        for (index, line) in lines.iter().enumerate() {
            let mut leading = true;
            for (column, cell) in line.iter().enumerate() {
                leading &= cell.text.is_empty();
                let start = self.out.len();
                self.out.push_str(&cell.text);
                if cell.kept > 0 {
                    self.kept = start + cell.kept;
                }
                let Some(width) = widths.get(column) else { continue };
                if leading {
                    self.out.extend(std::iter::repeat_n('\t', width.div_ceil(TAB_WIDTH)));
                } else {
                    self.out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width)));
                }
            }
            if index + 1 < last {
                self.trim();
                self.out.push('\n');
                self.kept = self.out.len();
            }
        }
    }

    fn trim(&mut self) {
        let end = self.out[self.kept..].trim_end_matches([' ', '\t']).len();
        self.out.truncate(self.kept + end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `>` hard tab, `|` soft tab, `~` formfeed.
    fn align(text: &str) -> String {
        let mut aligner = Aligner::new();
        for c in text.chars() {
            match c {
                '>' => aligner.tab(true),
                '|' => aligner.tab(false),
                '~' => aligner.formfeed(),
                '\n' => aligner.newline(),
                ' ' => aligner.blank(),
                c => aligner.text(c.encode_utf8(&mut [0; 4])),
            }
        }
        aligner.finish()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(align("a|= 1\nbbb|= 2\ncc|= 3"), "a   = 1\nbbb = 2\ncc  = 3\n");
        assert_eq!(align("é|= 1\nbb|= 2"), "é  = 1\nbb = 2\n");
        assert_eq!(align("a|= 1>// x\nbbb|= 22>// y"), "a   = 1  // x\nbbb = 22 // y\n");
    }

    #[test]
    fn a_line_without_the_cell_ends_the_column() {
        assert_eq!(align("a|= 1\nx\nbbb|= 2"), "a = 1\nx\nbbb = 2\n");
        assert_eq!(align("a|= 1~bbb|= 2"), "a = 1\nbbb = 2\n");
        assert_eq!(align("a|b|c\nddd|e\nf|gggg|h"), "a   b c\nddd e\nf   gggg h\n");
    }

    #[test]
    fn indentation_is_tabs_and_trailing_blanks_go() {
        assert_eq!(align(">a|= 1\n>bb|= 2"), "\ta  = 1\n\tbb = 2\n");
        assert_eq!(align("a  \n>>b >"), "a\n\t\tb\n");
        assert_eq!(align(""), "\n");
    }

    #[test]
    fn literals_keep_their_blanks() {
        let mut aligner = Aligner::new();
        aligner.literal("`a \n\tb\t\n`");
        assert_eq!(aligner.finish(), "`a \n\tb\t\n`\n");
    }
}
