//! The formatter: tabs, aligned `=`, at most one blank line; every token and comment is kept as written.

mod align;
mod printer;
#[cfg(test)]
mod tests;

use crate::ast::{Body, Expr, ExprKind, Field, Statement};
use crate::diag::Diagnostics;
use crate::lexer::Lexer;
use crate::parser::parse_bytes;
use crate::span::{SourceFile, SourceMap, Span};
use crate::token::{Token, TokenKind as Kind};
use printer::{Piece, Printer, Space};

/// One pass settles nearly every file. Where lines are joined, the next pass may align what now is a single line.
const MAX_PASSES: usize = 8;

/// Formats a file. The result is a fixed point: formatting it again changes nothing.
///
/// # Errors
/// All syntax errors, as [`crate::parse`] finds them. Their spans count in `text`: add it as the first file of a
/// [`SourceMap`] to print them, or use [`format_bytes`].
pub fn format(text: &str) -> Result<String, Diagnostics> {
    format_bytes(&mut SourceMap::default(), "", text.as_bytes())
}

/// Formats a file that diagnostics name `name`, and adds it to `map`. Bytes that are not UTF-8 are reported like
/// any other syntax error.
pub fn format_bytes(map: &mut SourceMap, name: &str, bytes: &[u8]) -> Result<String, Diagnostics> {
    let (file, problems) = parse_bytes(map, name, bytes);
    if !problems.is_empty() {
        return Err(problems);
    }
    // Without problems the bytes are text.
    let text = std::str::from_utf8(bytes).unwrap_or("");
    let mut formatted = pass(text, &file);
    for _ in 1..MAX_PASSES {
        let (file, problems) = parse_bytes(&mut SourceMap::default(), name, formatted.as_bytes());
        if !problems.is_empty() {
            return Err(problems);
        }
        let again = pass(&formatted, &file);
        if again == formatted {
            break;
        }
        formatted = again;
    }
    Ok(formatted)
}

fn pass(text: &str, file: &crate::ast::File) -> String {
    let mut scratch = SourceMap::default();
    let id = scratch.add("", text);
    let Some(source) = scratch.get(id) else { return String::new() };
    let piece = |text, start: u32, end: u32| Piece {
        text,
        start,
        first_line: source.position(start).line,
        last_line: source.position(end.max(start + 1) - 1).line,
    };
    let comments = file.comments.iter().map(|c| piece(&c.text, c.span.start, c.span.end)).collect();
    let mut lexer = Lexer::new(id, text);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next_token();
        match token.kind {
            Kind::Eof => break,
            Kind::Comment | Kind::Terminator => {}
            _ => tokens.push(token),
        }
    }
    let mut walker = Walker { source, text, tokens: &tokens, printer: Printer::new(comments) };
    walker.statements(&file.body);
    walker.printer.finish()
}

/// Walks the tree for the layout, and the tokens for the text.
struct Walker<'a> {
    source: &'a SourceFile,
    text: &'a str,
    tokens: &'a [Token],
    printer: Printer<'a>,
}

impl<'a> Walker<'a> {
    fn first_line(&self, span: Span) -> u32 {
        self.source.position(span.start).line
    }

    fn last_line(&self, span: Span) -> u32 {
        self.source.position(span.end.max(1) - 1).line
    }

    fn spans_lines(&self, span: Span) -> bool {
        self.first_line(span) != self.last_line(span)
    }

    fn space(&mut self, space: Space) {
        self.printer.space(space);
    }

    /// Prints the next token, and returns its line.
    fn token(&mut self) -> u32 {
        let Some((token, rest)) = self.tokens.split_first() else { return 0 };
        self.tokens = rest;
        let text = self.text.get(token.start as usize..token.end as usize).unwrap_or("");
        let first_line = self.source.position(token.start).line;
        let last_line = self.source.position(token.end.max(1) - 1).line;
        self.printer.token(Piece { text, start: token.start, first_line, last_line });
        first_line
    }

    fn next_is(&self, kind: Kind) -> bool {
        self.tokens.first().is_some_and(|token| token.kind == kind)
    }

    /// The comma behind the last element: written if the closing bracket stands on a later line, else left out.
    fn last_comma(&mut self, wanted: bool) {
        match (wanted, self.next_is(Kind::Comma)) {
            (true, true) => {
                self.token();
            }
            (true, false) => self.printer.comma(),
            (false, true) => self.tokens = &self.tokens[1..],
            (false, false) => {}
        }
    }

    fn statements(&mut self, body: &Body) {
        let mut previous: Option<Span> = None;
        for statement in body {
            let (span, block) = match statement {
                Statement::Attribute(attribute) => (attribute.name.span.to(attribute.value.span), false),
                Statement::Block(block) => (block.span(), true),
            };
            if let Some(previous) = previous
                && (block || self.first_line(span) > self.last_line(previous) + 1)
            {
                self.space(Space::Formfeed);
            }
            self.statement(statement);
            // What spans lines is aligned with nothing.
            self.space(if self.spans_lines(span) { Space::Formfeed } else { Space::Newline });
            previous = Some(span);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Attribute(attribute) => {
                self.token();
                self.assigned(&attribute.value);
            }
            Statement::Block(block) => {
                // The dotted name.
                for _ in 1..block.name.len() * 2 {
                    self.token();
                }
                if self.next_is(Kind::String) {
                    if block.label.is_some() {
                        self.space(Space::Blank);
                        self.token();
                    } else {
                        self.tokens = &self.tokens[1..];
                    }
                }
                self.space(Space::Blank);
                self.token();
                self.space(Space::Indent);
                if block.body.is_empty() {
                    self.space(Space::Blank);
                } else {
                    self.space(Space::Formfeed);
                    self.statements(&block.body);
                }
                self.space(Space::Unindent);
                self.token();
            }
        }
    }

    /// ` = value`
    fn assigned(&mut self, value: &Expr) {
        self.space(Space::SoftTab);
        self.token();
        self.space(Space::Blank);
        self.expression(value);
    }

    fn expression(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(_) | ExprKind::Ident(_) => {
                self.token();
            }
            ExprKind::Array(elements) => self.array(expr, elements),
            ExprKind::Object(fields) => self.object(expr, fields),
            ExprKind::Access { value, .. } => {
                self.expression(value);
                // `1.a` would read as the number `1.` and a name.
                let digits = |raw: &str| raw.bytes().all(|b| b.is_ascii_digit());
                if matches!(&value.kind, ExprKind::Literal(literal) if digits(&literal.raw)) {
                    self.space(Space::Blank);
                }
                self.token();
                self.token();
            }
            ExprKind::Index { value, index } => {
                self.expression(value);
                self.token();
                self.expression(index);
                self.token();
            }
            ExprKind::Call { function, args } => self.call(expr, function, args),
            ExprKind::Unary { operand, .. } => {
                self.token();
                self.expression(operand);
            }
            ExprKind::Binary { left, right, .. } => {
                self.expression(left);
                self.space(Space::Blank);
                self.token();
                self.space(Space::Blank);
                self.expression(right);
            }
            ExprKind::Paren(inner) => {
                self.token();
                self.expression(inner);
                self.token();
            }
        }
    }

    fn array(&mut self, expr: &Expr, elements: &[Expr]) {
        let mut line = self.token();
        for (index, element) in elements.iter().enumerate() {
            let breaks = line != self.first_line(element.span);
            if breaks {
                // Indented before the line end, so that comments before it are indented too.
                self.space(Space::Indent);
                self.space(Space::Formfeed);
            } else if index > 0 {
                self.space(Space::Blank);
            }
            line = self.last_line(element.span);
            self.expression(element);
            if index + 1 < elements.len() {
                self.token();
            }
            if breaks {
                self.space(Space::Unindent);
            }
        }
        let breaks = !elements.is_empty() && line != self.last_line(expr.span);
        self.last_comma(breaks);
        if breaks {
            self.space(Space::Indent);
            self.space(Space::Formfeed);
            self.space(Space::Unindent);
        }
        self.token();
    }

    fn object(&mut self, expr: &Expr, fields: &[Field]) {
        let mut line = self.token();
        self.space(Space::Indent);
        let mut aligned = false;
        for (index, field) in fields.iter().enumerate() {
            if line != self.first_line(field.key.span) {
                self.space(if aligned { Space::Newline } else { Space::Formfeed });
            } else if index > 0 {
                self.space(Space::Blank);
            }
            // Lines are compared with the key, not with the end of the value: a field behind a value of several lines
            // gets its own line.
            line = self.token();
            self.assigned(&field.value);
            if index + 1 < fields.len() {
                self.token();
            }
            aligned = !self.spans_lines(field.value.span);
        }
        let breaks = !fields.is_empty() && line != self.last_line(expr.span);
        self.last_comma(breaks);
        if breaks {
            self.space(Space::Formfeed);
        }
        self.space(Space::Unindent);
        self.token();
    }

    fn call(&mut self, expr: &Expr, function: &Expr, args: &[Expr]) {
        self.expression(function);
        let mut line = self.token();
        for (index, arg) in args.iter().enumerate() {
            let breaks = line != self.first_line(arg.span);
            if breaks {
                self.space(Space::Formfeed);
                self.space(Space::Indent);
            }
            self.expression(arg);
            line = self.last_line(arg.span);
            if index + 1 < args.len() {
                self.token();
                self.space(Space::Blank);
            }
            if breaks {
                self.space(Space::Unindent);
            }
        }
        let breaks = !args.is_empty() && line != self.last_line(expr.span);
        self.last_comma(breaks);
        if breaks {
            self.space(Space::Formfeed);
        }
        self.token();
    }
}
