//! What an expression refers to, found without evaluating it.

use std::sync::Arc;

use crate::Span;
use crate::ast::{Expr, ExprKind};

/// An identifier and the fields accessed on it by `.name`; an index or a call ends the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traversal {
    /// The identifier and the fields, each where it stands; never empty.
    pub names: Vec<(Arc<str>, Span)>,
    /// From the identifier to the last field.
    pub span: Span,
}

impl Traversal {
    /// The names joined by dots.
    pub fn dotted(&self) -> String {
        self.names.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(".")
    }
}

/// Every traversal of an expression, in reading order.
pub fn references(expr: &Expr) -> Vec<Traversal> {
    let mut found = Vec::new();
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        match traversal(expr) {
            Ok(traversal) => found.push(traversal),
            Err(inner) => push_children(inner, &mut todo),
        }
    }
    found
}

/// The traversal that an expression is, or what stands before its last fields.
fn traversal(expr: &Expr) -> Result<Traversal, &Expr> {
    let mut names = Vec::new();
    let mut inner = expr;
    while let ExprKind::Access { value, name } = &inner.kind {
        names.push((name.text.clone(), name.span));
        inner = value;
    }
    let ExprKind::Ident(first) = &inner.kind else { return Err(inner) };
    names.push((first.clone(), inner.span));
    names.reverse();
    let span = names.iter().fold(inner.span, |span, (_, next)| span.to(*next));
    Ok(Traversal { names, span })
}

/// Pushes the parts of an expression so that the first in reading order is popped first.
pub(super) fn push_children<'a>(expr: &'a Expr, todo: &mut Vec<&'a Expr>) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Ident(_) => {}
        ExprKind::Array(elements) => todo.extend(elements.iter().rev()),
        ExprKind::Object(fields) => todo.extend(fields.iter().rev().map(|field| &field.value)),
        ExprKind::Access { value: inner, .. } | ExprKind::Unary { operand: inner, .. } | ExprKind::Paren(inner) => {
            todo.push(inner);
        }
        ExprKind::Index { value, index } => todo.extend([&**index, &**value]),
        ExprKind::Call { function, args } => {
            todo.extend(args.iter().rev());
            todo.push(function);
        }
        ExprKind::Binary { left, right, .. } => todo.extend([&**right, &**left]),
    }
}
