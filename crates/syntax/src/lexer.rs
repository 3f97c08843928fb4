//! From text to tokens. The lexer never fails: what it cannot read becomes [`TokenKind::Illegal`] and a diagnostic.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::diag::{Diagnostic, Diagnostics};
use crate::ident::{is_digit, is_letter};
use crate::quote::code_point;
use crate::span::{FileId, Span};
use crate::token::{Token, TokenKind as Kind};
use crate::{hint, literal};

const BOM: char = '\u{feff}';

/// A file that is no configuration at all would yield an error a character.
const MAX_DIAGNOSTICS: usize = 1000;

/// How far hints look around a place, so that a long line costs no more than a short one.
const HINT_WINDOW: usize = 100;

/// Splits a text into tokens, comments included.
///
/// A line end behind a token that can end a statement is a [`Kind::Terminator`]; every other one is whitespace. A
/// comment that runs to the line end comes behind the terminator.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    file: FileId,
    /// Offsets where the original bytes were not UTF-8; the text has a placeholder of one byte there.
    bad: &'a [u32],
    /// The current character and its offset; `None` at the end.
    current: Option<char>,
    offset: usize,
    /// Characters before this offset have been checked (a second look must not report again).
    checked: usize,
    /// Whether the next line end is a terminator.
    pending: bool,
    pub(crate) diagnostics: Diagnostics,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of `text`; diagnostics will point into `file`. The text must be below 4 GiB.
    pub fn new(file: FileId, text: &'a str) -> Self {
        Self::with_bad_bytes(file, text, &[])
    }

    pub(crate) fn with_bad_bytes(file: FileId, text: &'a str, bad: &'a [u32]) -> Self {
        let diagnostics = Vec::new();
        let mut lexer = Self { text, file, bad, current: None, offset: 0, checked: 0, pending: false, diagnostics };
        lexer.load(0);
        if lexer.current == Some(BOM) {
            lexer.bump();
        }
        lexer
    }

    /// What was found wrong so far.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The text of a token.
    pub fn text(&self, token: Token) -> &'a str {
        self.text.get(token.start as usize..token.end as usize).unwrap_or("")
    }

    /// The next token; [`Kind::Eof`] forever at the end.
    pub fn next_token(&mut self) -> Token {
        while let Some(' ' | '\t' | '\r' | '\n') = self.current
            && !(self.pending && self.current == Some('\n'))
        {
            self.bump();
        }
        self.scan()
    }

    fn scan(&mut self) -> Token {
        let start = self.offset;
        let Some(c) = self.current else {
            let kind = if std::mem::take(&mut self.pending) { Kind::Terminator } else { Kind::Eof };
            return self.token(kind, start);
        };
        let kind = match c {
            '\n' => {
                self.bump();
                Kind::Terminator
            }
            c if is_letter(c) => {
                while self.current.is_some_and(|c| is_letter(c) || is_digit(c)) {
                    self.bump();
                }
                match self.since(start) {
                    "true" | "false" => Kind::Bool,
                    "null" => Kind::Null,
                    _ => Kind::Ident,
                }
            }
            '0'..='9' => self.number(),
            '.' if self.byte(1).is_some_and(|b| b.is_ascii_digit()) => self.number(),
            '/' if matches!(self.byte(1), Some(b'/' | b'*')) => {
                if std::mem::take(&mut self.pending) && self.comments_end_line() {
                    return self.token_of(Kind::Terminator, start, start);
                }
                self.comment();
                return self.token(Kind::Comment, start);
            }
            '"' | '`' | '\'' => self.string(c),
            c => match self.operator(c) {
                Some(kind) => kind,
                None => {
                    // A byte order mark was reported when it was loaded.
                    if c != BOM {
                        let message = format!("illegal character {}", code_point(c));
                        let problem = self.problem(start, self.width(), message);
                        let before = &self.text.as_bytes()[start.saturating_sub(HINT_WINDOW)..start];
                        let conditional =
                            before.rsplit(|b| *b == b'\n').next().is_some_and(|line| line.contains(&b'?'));
                        self.push(hint::illegal_character(problem, c, conditional));
                    }
                    self.bump();
                    // An illegal character neither ends nor continues a statement.
                    return self.token(Kind::Illegal, start);
                }
            },
        };
        self.pending = kind.can_end_statement() || kind == Kind::Illegal;
        self.token(kind, start)
    }

    fn operator(&mut self, c: char) -> Option<Kind> {
        let (kind, second) = match c {
            '|' => (Kind::Or, Some(('|', Kind::Or))),
            '&' => (Kind::And, Some(('&', Kind::And))),
            '!' => (Kind::Not, Some(('=', Kind::Ne))),
            '=' => (Kind::Assign, Some(('=', Kind::Eq))),
            '<' => (Kind::Lt, Some(('=', Kind::Le))),
            '>' => (Kind::Gt, Some(('=', Kind::Ge))),
            '+' => (Kind::Add, None),
            '-' => (Kind::Sub, None),
            '*' => (Kind::Mul, None),
            '/' => (Kind::Div, None),
            '%' => (Kind::Mod, None),
            '^' => (Kind::Pow, None),
            '{' => (Kind::LeftCurly, None),
            '}' => (Kind::RightCurly, None),
            '(' => (Kind::LeftParen, None),
            ')' => (Kind::RightParen, None),
            '[' => (Kind::LeftBracket, None),
            ']' => (Kind::RightBracket, None),
            ',' => (Kind::Comma, None),
            '.' => (Kind::Dot, None),
            _ => return None,
        };
        self.bump();
        match second {
            Some((second, long)) if self.current == Some(second) => {
                self.bump();
                Some(long)
            }
            Some((second @ ('|' | '&'), _)) => {
                self.report(self.offset, self.width(), format!("missing second {second} in {second}{second}"));
                Some(kind)
            }
            _ => Some(kind),
        }
    }

    fn number(&mut self) -> Kind {
        let start = self.offset;
        let mut kind = Kind::Number;
        self.digits();
        if self.current == Some('.') {
            kind = Kind::Float;
            self.bump();
            self.digits();
        }
        if let Some('e' | 'E') = self.current {
            kind = Kind::Float;
            self.bump();
            if let Some('+' | '-') = self.current {
                self.bump();
            }
            if self.digits() == 0 {
                self.report(start, 1, "exponent has no digits");
            }
        }
        kind
    }

    fn digits(&mut self) -> usize {
        let start = self.offset;
        while self.current.is_some_and(|c| c.is_ascii_digit()) {
            self.bump();
        }
        self.offset - start
    }

    /// A string of any of the three quotes; only the backtick spans lines and knows no escapes.
    fn string(&mut self, quote: char) -> Kind {
        let start = self.offset;
        let single = (quote == '\'').then(|| {
            let problem = self.problem(start, 1, "illegal single-quoted string; use double quotes");
            self.push(problem);
            self.diagnostics.len() - 1
        });
        self.bump();
        loop {
            match self.current {
                None => return self.unterminated(start, quote),
                Some('\n') if quote != '`' => return self.unterminated(start, quote),
                Some('\\') if quote != '`' => {
                    self.bump();
                    self.escape(start);
                }
                Some(c) => {
                    self.bump();
                    if c == quote {
                        break;
                    }
                }
            }
        }
        match single {
            Some(index) => {
                let help = hint::single_quoted(self.since(start));
                if let Some(problem) = self.diagnostics.get_mut(index).filter(|p| p.span.is_some()) {
                    problem.help = Some(help);
                }
                Kind::Illegal
            }
            None => Kind::String,
        }
    }

    fn unterminated(&mut self, start: usize, quote: char) -> Kind {
        let problem = self.problem(start, 1, "string literal not terminated");
        self.push(hint::unterminated_string(problem, quote));
        if quote == '\'' { Kind::Illegal } else { Kind::String }
    }

    /// Checks one escape behind its backslash; stops before a character that does not belong there.
    fn escape(&mut self, string: usize) {
        let start = self.offset;
        let (digits, base, max) = match self.current {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '"') => return self.bump(),
            Some('0'..='7') => (3, 8, 255),
            Some('x') => (2, 16, 255),
            Some('u') => (4, 16, u32::from(char::MAX)),
            Some('U') => (8, 16, u32::from(char::MAX)),
            None => return self.report(start, 0, "escape sequence not terminated"),
            Some(c) => {
                let problem = self.problem(start, self.width(), "unknown escape sequence");
                let rest = &self.text[string..];
                let head = rest.char_indices().nth(HINT_WINDOW).map_or(rest, |(end, _)| &rest[..end]);
                self.push(hint::unknown_escape(problem, c, head.lines().next().unwrap_or("")));
                return;
            }
        };
        if base == 16 {
            self.bump();
        }
        let mut value = 0u32;
        for _ in 0..digits {
            match self.current {
                None => return self.report(start, 0, "escape sequence not terminated"),
                Some(c) => match c.to_digit(base) {
                    Some(digit) => value = value.wrapping_mul(base).wrapping_add(digit),
                    None => {
                        let message = format!("illegal character {} in escape sequence", code_point(c));
                        return self.report(start, 1, message);
                    }
                },
            }
            self.bump();
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            self.report(start, 1, "escape sequence is invalid Unicode code point");
        }
    }

    fn comment(&mut self) {
        let start = self.offset;
        let line = self.byte(1) == Some(b'/');
        self.bump();
        self.bump();
        loop {
            match self.current {
                None if line => return,
                None => break,
                Some('\n') if line => return,
                Some(c) => {
                    self.bump();
                    if !line && c == '*' && self.current == Some('/') {
                        return self.bump();
                    }
                }
            }
        }
        self.report(start, 1, "block comment not terminated");
    }

    /// Whether nothing but comments and blanks stands between here (the start of a comment) and the line end. A block
    /// comment that holds a line end counts as one.
    fn comments_end_line(&self) -> bool {
        let mut rest = &self.text[self.offset..];
        loop {
            let Some(block) = rest.strip_prefix("/*") else {
                return rest.starts_with("//");
            };
            let Some((inside, behind)) = block.split_once("*/") else {
                return true;
            };
            rest = behind.trim_start_matches([' ', '\t', '\r']);
            if inside.contains('\n') || rest.is_empty() || rest.starts_with('\n') {
                return true;
            }
        }
    }

    fn bump(&mut self) {
        if self.current.is_some() {
            self.load(self.offset + self.width());
        }
    }

    fn width(&self) -> usize {
        match self.current {
            Some(_) if self.is_bad(self.offset) => 1,
            Some(c) => c.len_utf8(),
            None => 0,
        }
    }

    /// Makes the character at `offset` the current one and reports it if no file may hold it.
    fn load(&mut self, offset: usize) {
        self.offset = offset;
        let bad = self.is_bad(offset);
        self.current = if bad {
            Some(char::REPLACEMENT_CHARACTER)
        } else {
            self.text.get(offset..).and_then(|t| t.chars().next())
        };
        if offset < self.checked {
            return;
        }
        self.checked = offset + self.width();
        match self.current {
            Some('\0') => self.report(offset, 1, "illegal character NUL"),
            Some(_) if bad => self.report(offset, 1, "illegal UTF-8 encoding"),
            Some(BOM) if offset > 0 => self.report(offset, BOM.len_utf8(), "illegal byte order mark"),
            _ => {}
        }
    }

    fn is_bad(&self, offset: usize) -> bool {
        !self.bad.is_empty() && self.bad.binary_search(&(offset as u32)).is_ok()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.offset + ahead).copied()
    }

    fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.offset]
    }

    fn token(&self, kind: Kind, start: usize) -> Token {
        self.token_of(kind, start, self.offset)
    }

    fn token_of(&self, kind: Kind, start: usize, end: usize) -> Token {
        Token { kind, start: start as u32, end: end as u32 }
    }

    fn problem(&self, start: usize, len: usize, message: impl Into<String>) -> Diagnostic {
        let end = (start + len).min(self.text.len());
        Diagnostic::error(Span { file: self.file, start: start as u32, end: end as u32 }, message)
    }

    fn report(&mut self, start: usize, len: usize, message: impl Into<String>) {
        let problem = self.problem(start, len, message);
        self.push(problem);
    }

    pub(crate) fn push(&mut self, problem: Diagnostic) {
        match self.diagnostics.len().cmp(&MAX_DIAGNOSTICS) {
            Ordering::Less => self.diagnostics.push(problem),
            Ordering::Equal => {
                self.diagnostics.push(Diagnostic::error(None, "too many errors; the others are not shown"))
            }
            Ordering::Greater => {}
        }
    }

    /// Decodes a literal token. A problem of its own is reported only if the lexer found none within it.
    pub(crate) fn decode(&mut self, token: Token) -> crate::ast::LiteralValue {
        let raw = self.text(token);
        literal::decode(token.kind, raw).unwrap_or_else(|problem| {
            let span = token.start as usize..token.end as usize;
            let known = self.diagnostics.iter().rev().any(|d| {
                d.span.is_some_and(|s| s.file == self.file && span.contains(&(s.start as usize)))
                    || d.span.is_some_and(|s| s.start == token.end)
            });
            if !known {
                let problem_at = self.problem(span.start + problem.offset, problem.len, problem.message);
                self.push(problem_at.with_help(problem.help));
            }
            crate::ast::LiteralValue::Null
        })
    }
}
