//! Puts tokens, blanks and comments in order. Blanks wait until the next token is known, since a comment before that
//! token changes where they go.

use super::align::Aligner;

/// More blank lines than one are not kept.
const MAX_NEWLINES: u32 = 2;

/// White space before the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Blank,
    /// The alignment before `=`.
    SoftTab,
    Newline,
    /// A newline that ends alignment.
    Formfeed,
    Indent,
    Unindent,
}

/// A piece of the source: its text and lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) start: u32,
    pub(super) first_line: u32,
    pub(super) last_line: u32,
}

pub(super) struct Printer<'a> {
    out: Aligner,
    indent: usize,
    waiting: Vec<Space>,
    at_line_start: bool,
    /// The source line where what was printed last ends.
    last_line: u32,
    comments: std::iter::Peekable<std::vec::IntoIter<Piece<'a>>>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(comments: Vec<Piece<'a>>) -> Self {
        Self {
            out: Aligner::new(),
            indent: 0,
            waiting: Vec::new(),
            at_line_start: true,
            last_line: 1,
            comments: comments.into_iter().peekable(),
        }
    }

    pub(super) fn space(&mut self, space: Space) {
        self.waiting.push(space);
    }

    /// A token of the source, verbatim, behind the comments that stand before it.
    pub(super) fn token(&mut self, token: Piece<'a>) {
        let mut last = None;
        while let Some(comment) = self.comments.next_if(|comment| comment.start < token.start) {
            self.before_comment(comment, Some(token));
            self.comment(comment);
            last = Some(comment);
        }
        match last {
            Some(comment) => self.after_comment(comment, token),
            None => self.spend(self.waiting.len()),
        }
        self.begin_line();
        self.out.literal(token.text);
        self.last_line = token.last_line;
    }

    /// A comma that the source lacks.
    pub(super) fn comma(&mut self) {
        self.spend(self.waiting.len());
        self.begin_line();
        self.out.text(",");
    }

    /// The remaining comments, and the end.
    pub(super) fn finish(mut self) -> String {
        while let Some(comment) = self.comments.next() {
            self.before_comment(comment, None);
            self.comment(comment);
        }
        self.out.finish()
    }

    fn before_comment(&mut self, comment: Piece<'a>, next: Option<Piece<'a>>) {
        if self.out.is_empty() {
            return;
        }
        if comment.first_line == self.last_line {
            // A tab in the midst of code would look odd: only what ends the line is aligned.
            if next.is_some_and(|next| next.first_line == comment.first_line) {
                self.blank();
            } else {
                self.begin_line();
                self.out.tab(true);
            }
            return;
        }
        // Indentation up to the first line end holds for the comment too; the line end is the comment's own.
        let indents = |space: &Space| matches!(space, Space::Indent | Space::Unindent);
        if let Some(at) = self.waiting.iter().position(|space| !indents(space)) {
            self.waiting.remove(at);
            self.spend(at);
        }
        self.newlines(comment.first_line.saturating_sub(self.last_line), true);
    }

    fn comment(&mut self, comment: Piece<'a>) {
        self.begin_line();
        self.out.text(comment.text);
        self.last_line = comment.last_line;
    }

    fn after_comment(&mut self, comment: Piece<'a>, next: Piece<'a>) {
        if comment.text.starts_with("/*") && comment.last_line == next.first_line && next.text != "," {
            // An `=` stays aligned.
            if self.waiting.contains(&Space::SoftTab) { self.out.tab(false) } else { self.blank() }
        }
        let formfeed = self.waiting.contains(&Space::Formfeed);
        self.waiting.retain(|space| matches!(space, Space::Indent | Space::Unindent));
        self.spend(self.waiting.len());
        self.newlines(next.first_line.saturating_sub(self.last_line), formfeed);
    }

    /// Prints the first `count` of the waiting spaces.
    fn spend(&mut self, count: usize) {
        for at in 0..count {
            match self.waiting[at] {
                Space::Blank => self.blank(),
                Space::SoftTab => {
                    self.begin_line();
                    self.out.tab(false);
                }
                Space::Newline => self.newlines(1, false),
                Space::Formfeed => self.newlines(1, true),
                Space::Indent => self.indent += 1,
                Space::Unindent => self.indent = self.indent.saturating_sub(1),
            }
        }
        self.waiting.drain(..count);
    }

    fn blank(&mut self) {
        self.begin_line();
        self.out.blank();
    }

    fn newlines(&mut self, count: u32, formfeed: bool) {
        if count == 0 {
            return;
        }
        // An empty line is indented as well: alignment goes on through it.
        self.begin_line();
        for _ in 0..count.min(MAX_NEWLINES) {
            if formfeed { self.out.formfeed() } else { self.out.newline() }
        }
        self.at_line_start = true;
    }

    fn begin_line(&mut self) {
        if std::mem::take(&mut self.at_line_start) {
            for _ in 0..self.indent {
                self.out.tab(true);
            }
        }
    }
}
