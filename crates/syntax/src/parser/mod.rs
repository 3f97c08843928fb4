//! From tokens to the tree. The parser recovers: one run reports every line that is wrong, and always gives a tree.

mod expr;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::ast::{Attribute, Block, Body, Comment, Expr, ExprKind, File, Ident, Literal, LiteralValue, Statement};
use crate::diag::{Diagnostic, Diagnostics};
use crate::ident::is_identifier;
use crate::lexer::Lexer;
use crate::quote::quote;
use crate::span::{SourceFile, SourceMap, Span};
use crate::token::{Token, TokenKind as Kind};
use crate::{encoding, hint};

/// How deep blocks, brackets and operators may nest before the parser gives up. It bounds the stack that the parser
/// and everything that walks the tree needs: below 1 MiB in a debug build.
pub const MAX_NESTING: u16 = 128;

/// How high an expression's tree may grow by chains (`a + b + c`, `a.b.c`), which nest in the tree but not in the text.
pub const MAX_HEIGHT: u16 = 512;

/// Parses a file that diagnostics name `name`, and adds it to `map`.
///
/// There is always a tree, but it means something only if no diagnostic is an error: what could not be read is left
/// out of it, or stands as `null`.
pub fn parse(map: &mut SourceMap, name: &str, text: &str) -> (File, Diagnostics) {
    parse_checked(map, name, text, &[])
}

/// Like [`parse`] for bytes that may not be UTF-8: every offending byte is reported at its place.
pub fn parse_bytes(map: &mut SourceMap, name: &str, bytes: &[u8]) -> (File, Diagnostics) {
    let (text, bad) = encoding::with_placeholders(bytes);
    parse_checked(map, name, &text, &bad)
}

/// Parses text that holds one expression and nothing else.
pub fn parse_expression(map: &mut SourceMap, name: &str, text: &str) -> Result<Expr, Diagnostics> {
    let Some(source) = add(map, name, text) else { return Err(vec![too_large(name)]) };
    let mut parser = Parser::new(&source, &[]);
    let expr = parser.expression();
    if parser.token.kind != Kind::Eof {
        parser.expect(Kind::Terminator);
    }
    if parser.token.kind != Kind::Eof {
        parser.expected(Kind::Eof.name());
    }
    let diagnostics = parser.lexer.diagnostics;
    if diagnostics.is_empty() { Ok(expr) } else { Err(diagnostics) }
}

fn parse_checked(map: &mut SourceMap, name: &str, text: &str, bad: &[u32]) -> (File, Diagnostics) {
    let Some(source) = add(map, name, text) else {
        return (File { body: Vec::new(), comments: Vec::new() }, vec![too_large(name)]);
    };
    let mut parser = Parser::new(&source, bad);
    let body = parser.body(Kind::Eof);
    (File { body, comments: parser.comments }, parser.lexer.diagnostics)
}

/// A source and the id of its file; `None` for a text whose offsets do not fit a span.
fn add(map: &mut SourceMap, name: &str, text: &str) -> Option<Source> {
    u32::try_from(text.len()).ok()?;
    let id = map.add(name, text);
    Some(Source { id, file: map.get(id)?.clone() })
}

fn too_large(name: &str) -> Diagnostic {
    Diagnostic::error(None, format!("{name} is larger than 4 GiB"))
}

struct Source {
    id: crate::FileId,
    file: SourceFile,
}

/// Braces that were opened, for the help when one is not closed.
struct OpenBrace {
    /// The block's name; `{` for an object.
    name: String,
    start: u32,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    source: &'a Source,
    token: Token,
    comments: Vec<Comment>,
    /// The line of the last parser error: only one is reported a line.
    error_line: u32,
    depth: u16,
    /// Set once nesting went too deep: the rest of the file is skipped in silence.
    gave_up: bool,
    open: Vec<OpenBrace>,
    /// The first braces that a `}` further left closes, and its line: most likely their own `}` is missing.
    misplaced: Option<(OpenBrace, u32)>,
}

impl<'a> Parser<'a> {
    fn new(source: &'a Source, bad: &'a [u32]) -> Self {
        let lexer = Lexer::with_bad_bytes(source.id, &source.file.text, bad);
        let token = Token { kind: Kind::Eof, start: 0, end: 0 };
        let (comments, open) = (Vec::new(), Vec::new());
        let mut parser =
            Self { lexer, source, token, comments, error_line: 0, depth: 0, gave_up: false, open, misplaced: None };
        parser.next();
        parser
    }

    /// Moves on to the next token that is no comment, and returns the one left behind.
    fn next(&mut self) -> Token {
        let left = self.token;
        if self.gave_up {
            return left;
        }
        loop {
            self.token = self.lexer.next_token();
            if self.token.kind != Kind::Comment {
                return left;
            }
            let span = self.span(self.token);
            self.comments.push(Comment { span, text: comment_text(self.lexer.text(self.token)) });
        }
    }

    fn text(&self) -> &'a str {
        self.lexer.text(self.token)
    }

    fn span(&self, token: Token) -> Span {
        Span { file: self.source.id, start: token.start, end: token.end }
    }

    /// The place of a message about the current token: its first character, as a caret alone marks it.
    fn here(&self) -> Span {
        let len = self.text().chars().next().map_or(0, char::len_utf8) as u32;
        Span { file: self.source.id, start: self.token.start, end: self.token.start + len }
    }

    fn line(&self, offset: u32) -> u32 {
        self.source.file.position(offset).line
    }

    /// Reports an error at the current token, unless one was reported on this line.
    fn error(&mut self, message: impl Into<String>, help: Option<String>) {
        let line = self.line(self.token.start);
        if self.gave_up || self.error_line == line {
            return;
        }
        self.error_line = line;
        let problem = Diagnostic { help, ..Diagnostic::error(self.here(), message) };
        self.lexer.push(problem);
    }

    fn expected(&mut self, what: &str) {
        let got = self.token.kind;
        let help = match (what, got) {
            ("TERMINATOR", got) => hint::terminator(got, self.text(), self.starts_line(self.token.start)),
            ("}", Kind::Eof) => self.unclosed_brace(),
            ("=", Kind::LeftCurly | Kind::String) => Some("fields of objects are written `name = value`".to_owned()),
            (")", Kind::Terminator) => Some("a parenthesis closes on the line where its expression ends".to_owned()),
            _ => None,
        };
        self.error(format!("expected {what}, got {got}"), help);
    }

    /// Takes the current token, whatever it is, and reports if it is of another kind.
    fn expect(&mut self, kind: Kind) -> Token {
        if self.token.kind != kind {
            self.expected(kind.name());
        }
        self.next()
    }

    fn skip_to(&mut self, kinds: &[Kind]) {
        while self.token.kind != Kind::Eof && !kinds.contains(&self.token.kind) {
            self.next();
        }
    }

    /// Skips the rest of a statement: to the next terminator outside of brackets opened on the way.
    fn skip_statement(&mut self) {
        let (mut curly, mut bracket, mut paren) = (0i64, 0i64, 0i64);
        while self.token.kind != Kind::Eof {
            match self.token.kind {
                Kind::LeftCurly => curly += 1,
                Kind::RightCurly => curly -= 1,
                Kind::LeftBracket => bracket += 1,
                Kind::RightBracket => bracket -= 1,
                Kind::LeftParen => paren += 1,
                Kind::RightParen => paren -= 1,
                Kind::Terminator if curly <= 0 && bracket <= 0 && paren <= 0 => return,
                _ => {}
            }
            self.next();
        }
    }

    /// Runs `parse` one level deeper, or gives up on the file.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_NESTING {
            self.give_up(format!("nested deeper than {MAX_NESTING} levels"));
            return None;
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        Some(parsed)
    }

    fn give_up(&mut self, message: String) {
        if !self.gave_up {
            self.error_line = 0;
            self.error(message, Some("the rest of the file was not read".to_owned()));
        }
        self.gave_up = true;
        let end = self.source.file.text.len() as u32;
        self.token = Token { kind: Kind::Eof, start: end, end };
    }

    fn body(&mut self, close: Kind) -> Body {
        let mut body = Vec::new();
        while self.token.kind != close && self.token.kind != Kind::Eof {
            body.extend(self.statement());
            if self.token.kind == close {
                break;
            }
            if self.token.kind != Kind::Terminator {
                self.expected(Kind::Terminator.name());
                self.skip_statement();
            }
            self.next();
        }
        body
    }

    fn statement(&mut self) -> Option<Statement> {
        let Some(header) = self.header() else {
            self.skip_to(&[Kind::Ident]);
            return None;
        };
        match self.token.kind {
            Kind::Assign => {
                self.next();
                self.check_attribute(&header);
                let value = self.expression();
                let name = header.name.into_iter().next()?;
                Some(Statement::Attribute(Attribute { name, value: Arc::new(value) }))
            }
            Kind::LeftCurly => Some(Statement::Block(Arc::new(self.block(header)?))),
            got => {
                let what = if header.name.len() == 1 && header.label.is_none() {
                    "attribute assignment or block body"
                } else {
                    "block body"
                };
                let label = header.label_token.map(|token| self.lexer.text(token));
                let help = hint::body(&header.dotted(), label, got);
                self.error(format!("expected {what}, got {got}"), help);
                self.skip_to(&[Kind::Ident]);
                None
            }
        }
    }

    fn check_attribute(&mut self, header: &Header) {
        let (first, last) = (&header.name[0], &header.name[header.name.len() - 1]);
        let (span, message, help) = if header.name.len() > 1 {
            let message = "attribute names may only consist of a single identifier with no \".\"";
            let names: Vec<_> = header.name.iter().map(|part| &*part.text).collect();
            let (outer, inner) = (names[..names.len() - 1].join("."), names[names.len() - 1]);
            (first.span.to(last.span), message, format!("set it inside of its block: `{outer} {{ {inner} = ... }}`"))
        } else if let Some(label) = header.label_token {
            (self.span(label), "attribute names may not have labels", format!("write `{} = ...`", first.text))
        } else {
            return;
        };
        self.lexer.push(Diagnostic::error(span, message).with_help(help));
    }

    fn block(&mut self, header: Header) -> Option<Block> {
        let name = header.dotted();
        let start = header.name[0].span.start;
        let open = self.next();
        let (body, close) = self.braces(name, start, |parser| parser.nested(|parser| parser.body(Kind::RightCurly)));
        let (open, close) = (self.span(open), self.span(close));
        Some(Block { name: header.name, label: header.label, body: body?, open, close })
    }

    /// Reads what stands between braces, and the `}`.
    fn braces<T>(&mut self, name: String, start: u32, inside: impl FnOnce(&mut Self) -> T) -> (T, Token) {
        self.open.push(OpenBrace { name, start });
        let inside = inside(self);
        let close = self.expect(Kind::RightCurly);
        if let (Kind::RightCurly, Some(brace)) = (close.kind, self.open.pop())
            && self.misplaced.is_none()
            && self.line(brace.start) != self.line(close.start)
            && self.line_indent(brace.start) > self.line_indent(close.start)
        {
            self.misplaced = Some((brace, self.line(close.start)));
        }
        (inside, close)
    }

    /// The text from the start of the line of `offset` on.
    fn line_from(&self, offset: u32) -> &str {
        let start = offset + 1 - self.source.file.position(offset).column;
        self.source.file.text.get(start as usize..).unwrap_or("")
    }

    fn starts_line(&self, offset: u32) -> bool {
        let line = self.line_from(offset);
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        blanks + 1 == self.source.file.position(offset).column as usize
    }

    /// Width of the blanks that the line of `offset` starts with.
    fn line_indent(&self, offset: u32) -> usize {
        let blanks = self.line_from(offset).chars().take_while(|c| matches!(c, ' ' | '\t'));
        blanks.map(|c| if c == '\t' { 8 } else { 1 }).sum()
    }

    fn unclosed_brace(&self) -> Option<String> {
        if let Some((brace, line)) = &self.misplaced {
            let opened = self.line(brace.start);
            return Some(format!(
                "`{}`, opened on line {opened}, seems to lack its `}}`: the one on line {line} stands further left",
                brace.name
            ));
        }
        let brace = self.open.last()?;
        Some(format!("`{}`, opened on line {}, is not closed", brace.name, self.line(brace.start)))
    }

    /// The dotted name of a block or attribute, and the label.
    fn header(&mut self) -> Option<Header> {
        if self.token.kind != Kind::Ident {
            let help = hint::statement_start(self.token.kind, self.text());
            self.error(format!("expected identifier, got {}", self.token.kind), help);
            return None;
        }
        let mut header = Header { name: vec![self.ident()], label: None, label_token: None };
        while self.token.kind == Kind::Dot {
            self.next();
            if self.token.kind != Kind::Ident {
                let help = hint::name_after_dot(self.token.kind, self.text());
                self.error(format!("expected identifier, got {}", self.token.kind), help);
            }
            // The name is malformed then, but the rest can be read.
            header.name.push(self.ident());
        }
        match self.token.kind {
            Kind::Assign | Kind::LeftCurly => {}
            Kind::String => self.label(&mut header),
            got => {
                let help = hint::label(&header.dotted(), got, self.text());
                self.error(format!("expected block label, got {got}"), help);
                self.next();
            }
        }
        Some(header)
    }

    fn label(&mut self, header: &mut Header) {
        let raw = self.text();
        if !raw.starts_with('"') {
            let message = format!("expected block label to be a double quoted string, but got {}", quote(raw));
            self.error(message, hint::raw_label(raw));
        }
        if raw.len() > 2 {
            let label = raw.get(1..raw.len() - 1).unwrap_or("");
            if !is_identifier(label) {
                let message = format!("expected block label to be a valid identifier, but got {}", quote(label));
                self.error(message, hint::bad_label(label));
            }
            header.label = Some(Ident { text: label.into(), span: self.span(self.token) });
        }
        header.label_token = Some(self.next());
    }

    /// Takes the current token as a name, whatever it is.
    fn ident(&mut self) -> Ident {
        let ident = Ident { text: self.text().into(), span: self.span(self.token) };
        self.next();
        ident
    }

    /// What stands for an expression that could not be read.
    fn missing(&self) -> Expr {
        let literal = Literal { value: LiteralValue::Null, raw: "null".into() };
        Expr { kind: ExprKind::Literal(literal), span: self.here() }
    }
}

struct Header {
    name: Vec<Ident>,
    label: Option<Ident>,
    /// Set also for an empty label.
    label_token: Option<Token>,
}

impl Header {
    fn dotted(&self) -> String {
        self.name.iter().map(|part| &*part.text).collect::<Vec<_>>().join(".")
    }
}

/// A comment without carriage returns; a block comment keeps one that parts `*` from `/`.
fn comment_text(raw: &str) -> Arc<str> {
    if !raw.contains('\r') {
        return raw.into();
    }
    let block = raw.starts_with("/*");
    let mut text = String::with_capacity(raw.len());
    for (at, c) in raw.char_indices() {
        let parts = block && text.len() > 2 && text.ends_with('*') && raw[at + c.len_utf8()..].starts_with('/');
        if c != '\r' || parts {
            text.push(c);
        }
    }
    text.into()
}
