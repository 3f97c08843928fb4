//! Expressions.

use super::{Kind, MAX_HEIGHT, Parser};
use crate::ast::{BinaryOp, Expr, ExprKind, Field, Ident, Literal, UnaryOp};
use crate::diag::Diagnostic;
use crate::hint;
use crate::span::Span;
use crate::token::Token;

/// An expression and the height of its tree, which is bounded so that whoever walks it needs a bounded stack.
struct Parsed {
    expr: Expr,
    height: u16,
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Expr {
        self.binary(1).expr
    }

    fn binary(&mut self, lowest: u8) -> Parsed {
        let mut left = self.power();
        while let Some((op, precedence)) = binary_operator(self.token.kind)
            && precedence >= lowest
        {
            let sign = self.next();
            let right = self.binary(precedence + 1);
            left = self.join(left, op, sign, right);
        }
        left
    }

    /// `^` binds tightest and to the right.
    fn power(&mut self) -> Parsed {
        self.nested(|parser| {
            let left = parser.unary();
            if parser.token.kind != Kind::Pow {
                return left;
            }
            let sign = parser.next();
            let right = parser.power();
            parser.join(left, BinaryOp::Pow, sign, right)
        })
        .unwrap_or_else(|| self.leaf())
    }

    fn join(&mut self, left: Parsed, op: BinaryOp, sign: Token, right: Parsed) -> Parsed {
        let (height, span) = (left.height.max(right.height), left.expr.span.to(right.expr.span));
        let op_span = self.span(sign);
        let (left, right) = (Box::new(left.expr), Box::new(right.expr));
        self.grow(height, Expr { kind: ExprKind::Binary { op, op_span, left, right }, span })
    }

    /// Puts a node over children of this height; gives up on the file where that gets too high.
    fn grow(&mut self, children: u16, expr: Expr) -> Parsed {
        if children >= MAX_HEIGHT {
            self.give_up(format!("expression chains more than {MAX_HEIGHT} operators"));
        }
        Parsed { expr, height: children.saturating_add(1) }
    }

    fn leaf(&self) -> Parsed {
        Parsed { expr: self.missing(), height: 1 }
    }

    fn unary(&mut self) -> Parsed {
        let op = match self.token.kind {
            Kind::Not => UnaryOp::Not,
            Kind::Sub => UnaryOp::Neg,
            _ => return self.postfix(),
        };
        let sign = self.next();
        let operand = self.nested(Self::unary).unwrap_or_else(|| self.leaf());
        let span = self.span(sign).to(operand.expr.span);
        self.grow(operand.height, Expr { kind: ExprKind::Unary { op, operand: Box::new(operand.expr) }, span })
    }

    fn postfix(&mut self) -> Parsed {
        let mut value = self.primary();
        loop {
            let start = value.expr.span;
            match self.token.kind {
                Kind::Dot => {
                    self.next();
                    let help = hint::name_after_dot(self.token.kind, self.text());
                    if self.token.kind != Kind::Ident {
                        self.error(format!("expected IDENT, got {}", self.token.kind), help);
                    }
                    let name = self.ident();
                    let span = start.to(name.span);
                    let expr = Expr { kind: ExprKind::Access { value: Box::new(value.expr), name }, span };
                    value = self.grow(value.height, expr);
                }
                Kind::LeftBracket => {
                    self.next();
                    let index = self.binary(1);
                    let close = self.expect(Kind::RightBracket);
                    let height = value.height.max(index.height);
                    let (target, index) = (Box::new(value.expr), Box::new(index.expr));
                    let span = start.to(self.span(close));
                    value = self.grow(height, Expr { kind: ExprKind::Index { value: target, index }, span });
                }
                Kind::LeftParen => {
                    self.next();
                    let (args, height) = self.list(Kind::RightParen);
                    let close = self.expect(Kind::RightParen);
                    let height = value.height.max(height);
                    let span = start.to(self.span(close));
                    let kind = ExprKind::Call { function: Box::new(value.expr), args };
                    value = self.grow(height, Expr { kind, span });
                }
                Kind::String | Kind::LeftCurly => {
                    if !self.block_as_value(start) {
                        return value;
                    }
                }
                _ => return value,
            }
            if self.gave_up {
                return value;
            }
        }
    }

    /// A string or `{` behind an expression: most likely a block was written as a value. Reads it as a block to say so,
    /// or else skips the statement and returns false.
    fn block_as_value(&mut self, start: Span) -> bool {
        let label = (self.token.kind == Kind::String).then(|| self.text());
        if label.is_some() {
            self.next();
        }
        if self.expect(Kind::LeftCurly).kind != Kind::LeftCurly {
            self.skip_statement();
            return false;
        }
        self.nested(|parser| parser.body(Kind::RightCurly));
        let close = self.expect(Kind::RightCurly);
        if close.kind != Kind::RightCurly {
            self.skip_statement();
            return false;
        }
        let name = self.source.file.text.get(start.start as usize..start.end as usize).unwrap_or("");
        let help = match label {
            Some(label) if label.len() > 2 && !name.contains('\n') => {
                let label = label.trim_matches('"');
                format!("write the block at the top level, and refer to what it exports: `{name}.{label}.<export>`")
            }
            _ => "a block is a statement of its own: leave out the `=`, or write an object".to_owned(),
        };
        let problem = Diagnostic::error(start.to(self.span(close)), "cannot use a block as an expression");
        self.lexer.push(problem.with_help(help));
        true
    }

    fn primary(&mut self) -> Parsed {
        let start = self.token;
        match start.kind {
            Kind::Ident => {
                let name = self.ident();
                Parsed { expr: Expr { kind: ExprKind::Ident(name.text), span: name.span }, height: 1 }
            }
            Kind::String | Kind::Number | Kind::Float | Kind::Bool | Kind::Null => {
                let literal = Literal { value: self.lexer.decode(start), raw: self.text().into() };
                self.next();
                Parsed { expr: Expr { kind: ExprKind::Literal(literal), span: self.span(start) }, height: 1 }
            }
            Kind::LeftParen => {
                self.next();
                let inner = self.binary(1);
                let close = self.expect(Kind::RightParen);
                let span = self.span(start).to(self.span(close));
                self.grow(inner.height, Expr { kind: ExprKind::Paren(Box::new(inner.expr)), span })
            }
            Kind::LeftBracket => {
                self.next();
                let (elements, height) = self.list(Kind::RightBracket);
                let close = self.expect(Kind::RightBracket);
                let span = self.span(start).to(self.span(close));
                self.grow(height, Expr { kind: ExprKind::Array(elements), span })
            }
            Kind::LeftCurly => {
                self.next();
                let ((fields, height), close) = self.braces("{".to_owned(), start.start, Self::fields);
                let span = self.span(start).to(self.span(close));
                self.grow(height, Expr { kind: ExprKind::Object(fields), span })
            }
            got => {
                self.error(format!("expected expression, got {got}"), hint::expression(got));
                let missing = self.leaf();
                self.skip_to(&[Kind::Terminator, Kind::RightParen, Kind::RightCurly, Kind::RightBracket, Kind::Comma]);
                missing
            }
        }
    }

    /// Elements up to `close`, and the height of the highest.
    fn list(&mut self, close: Kind) -> (Vec<Expr>, u16) {
        let (mut list, mut height) = (Vec::new(), 0);
        while self.token.kind != close && self.token.kind != Kind::Eof {
            let element = self.binary(1);
            height = height.max(element.height);
            list.push(element.expr);
            if !self.comma("expression", close) {
                break;
            }
        }
        (list, height)
    }

    fn fields(&mut self) -> (Vec<Field>, u16) {
        let (mut fields, mut height) = (Vec::new(), 0);
        if self.token.kind == Kind::RightBracket {
            return (fields, height);
        }
        while !matches!(self.token.kind, Kind::RightCurly | Kind::Eof) {
            let (field, field_height) = self.field();
            height = height.max(field_height);
            fields.push(field);
            if !self.comma("field", Kind::RightCurly) {
                break;
            }
        }
        (fields, height)
    }

    /// Moves over the comma behind an element; false at the end of the list.
    fn comma(&mut self, of: &str, close: Kind) -> bool {
        if self.token.kind == close {
            return false;
        }
        if self.token.kind != Kind::Comma {
            let help = hint::comma(self.token.kind, close.name());
            self.error(format!("missing ',' in {of} list"), Some(help));
        }
        self.next();
        true
    }

    fn field(&mut self) -> (Field, u16) {
        let (raw, start) = (self.text(), self.token);
        let mut key = Ident { text: raw.into(), span: self.span(start) };
        let mut quoted = false;
        if let Kind::String | Kind::Ident = start.kind {
            // An empty key keeps its quotes, as the language has it.
            if start.kind == Kind::String && raw.len() > 2 {
                key.text = raw.get(1..raw.len() - 1).unwrap_or("").into();
                quoted = true;
            }
            self.next();
        } else {
            let message = format!("expected field name (string or identifier), got {}", start.kind);
            self.error(message, hint::field_name(start.kind, raw));
            self.skip_to(&[Kind::Assign]);
        }
        self.expect(Kind::Assign);
        let value = self.binary(1);
        (Field { key, quoted, value: value.expr }, value.height)
    }
}

fn binary_operator(kind: Kind) -> Option<(BinaryOp, u8)> {
    Some(match kind {
        Kind::Or => (BinaryOp::Or, 1),
        Kind::And => (BinaryOp::And, 2),
        Kind::Eq => (BinaryOp::Eq, 3),
        Kind::Ne => (BinaryOp::Ne, 3),
        Kind::Lt => (BinaryOp::Lt, 3),
        Kind::Le => (BinaryOp::Le, 3),
        Kind::Gt => (BinaryOp::Gt, 3),
        Kind::Ge => (BinaryOp::Ge, 3),
        Kind::Add => (BinaryOp::Add, 4),
        Kind::Sub => (BinaryOp::Sub, 4),
        Kind::Mul => (BinaryOp::Mul, 5),
        Kind::Div => (BinaryOp::Div, 5),
        Kind::Mod => (BinaryOp::Mod, 5),
        Kind::Pow => (BinaryOp::Pow, 6),
        _ => return None,
    })
}
